"""One whole stack for the command line's tests, and the command line as its users call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from laurel_cli.main import app
from laurel_cli.refusal import CommandError
from tests.support.shop import Shop, open_shop, reference


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Laurel = Callable[..., Ended]


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with open_shop(reference()) as shop:
        yield shop


@pytest.fixture
def home(shop: Shop) -> Path:
    return shop.stack.home.root


@pytest.fixture
def laurel(home: Path) -> Laurel:
    """Run `laurel …` against the stack; an error that a person can act on is code 1 and its sentence, as in main()."""

    def run(*arguments: object) -> Ended:
        result = CliRunner().invoke(
            app, [str(each) for each in arguments], env={"LAUREL_HOME": str(home), "COLUMNS": "200"}
        )
        if isinstance(result.exception, CommandError):
            return Ended(1, result.stdout, str(result.exception))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run
