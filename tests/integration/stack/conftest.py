"""Stacks of real engines on free ports in temporary directories; each is stopped and wiped by its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from laurel_cli.stack import Stack
from laurel_cli.stack.ports import free_port_base

NewStack = Callable[[], Stack]


@pytest.fixture
def new_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewStack]:
    """Makes stacks side by side; nothing of the caller's own servers leaks in."""
    for name in ("LAUREL_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "LAUREL_PORT_BASE"):
        monkeypatch.delenv(name, raising=False)
    made: list[Stack] = []

    def new() -> Stack:
        taken = {stack.port_base for stack in made}
        base = free_port_base()
        while base in taken:
            base = free_port_base(start=base + 40)
        made.append(Stack(tmp_path / f"home-{len(made)}", base))
        return made[-1]

    yield new
    for stack in made:
        stack.wipe()
