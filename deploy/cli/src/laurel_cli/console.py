"""How every command speaks: results on stdout (words or one JSON document), progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

DEFAULT_HOME = Path(".laurel")

out = Console()
err = Console(stderr=True)

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="LAUREL_HOME", help="Data directory of the stack.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Give the result as JSON on stdout, nothing else there.")]


def print_json(result: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(result, indent=2, default=str) + "\n")


def note(sentence: str) -> None:
    """A line of progress on stderr, so that stdout stays the result."""
    err.print(sentence, highlight=False, markup=False, soft_wrap=True)
