"""A taken port is told in clear words, and only the very process that was started is ever stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from laurel_cli.stack import StackError, processes
from laurel_cli.stack.ports import port_of
from laurel_cli.stack.processes import Running
from tests.integration.stack.conftest import NewStack

SLEEPER = [sys.executable, "-c", "import signal; print('ready', flush=True); signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\nwhile True: signal.pause()",
]


def launch(command: list[str], directory: Path) -> Running:
    """Start it and wait until it has said that it is ready."""
    log = directory / "log"
    running = processes.launch(command, log=log, env=dict(os.environ), cwd=directory)
    while "ready" not in log.read_text():
        assert processes.is_alive(running)
    return running


@pytest.mark.parametrize("part", ["postgres", "kafka"])
def test_a_taken_port_is_told_with_the_process_that_holds_it(new_stack: NewStack, part: str) -> None:
    stack = new_stack()
    port = port_of(part, stack.port_base)
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(StackError) as refusal:
            stack.up(only={part})
        assert f"{part} needs port {port}" in str(refusal.value)
        assert f"taken by pid {os.getpid()}" in str(refusal.value)
        assert "--port-base" in str(refusal.value)
    assert stack.pids() == {}


def test_a_process_outlives_the_one_who_started_it_and_is_known_again(tmp_path: Path) -> None:
    starter = (
        "import sys; from pathlib import Path; from laurel_cli.stack import processes;"
        f"r = processes.launch({SLEEPER!r}, log=Path('log'), env={{}}, cwd=Path('.')); print(r.pid, r.birth)"
    )
    done = subprocess.run([sys.executable, "-c", starter], cwd=tmp_path, capture_output=True, text=True, check=True)
    pid, birth = done.stdout.split()
    running = Running(int(pid), birth, 0.0)
    assert processes.is_alive(running)
    assert processes.stop(running, first=signal.SIGTERM, limit_seconds=10.0)
    assert not processes.is_alive(running)


def test_a_stranger_with_the_same_pid_is_not_stopped(tmp_path: Path) -> None:
    running = launch(SLEEPER, tmp_path)
    processes._children.pop(running.pid)  # as another command would see it: by the record alone
    stranger = replace(running, birth="another:1")
    assert not processes.is_alive(stranger)
    processes.kill(stranger)
    assert processes.is_alive(running)
    processes.kill(running)
    assert not processes.is_alive(running)
    os.waitpid(running.pid, 0)


def test_a_process_that_does_not_listen_is_killed_after_the_limit(tmp_path: Path) -> None:
    running = launch(DEAF, tmp_path)
    assert not processes.stop(running, first=signal.SIGTERM, limit_seconds=0.2)
    assert not processes.is_alive(running)


def test_the_memory_of_a_process_can_be_read(tmp_path: Path) -> None:
    running = launch(SLEEPER, tmp_path)
    memory = processes.memory_mib(running.pid)
    processes.kill(running)
    assert memory is not None
    assert 1 < memory < 500
