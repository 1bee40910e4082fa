"""laurel status: what runs, where, and how it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json

if TYPE_CHECKING:
    from laurel_cli.stack.report import PartReport

_COLOURS = {"ready": "green", "yours": "green", "starting": "yellow", "not ready": "yellow", "stopped": "dim"}


def status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show every part: state, pid, address, memory, uptime, version; for services also what they say of themselves.

    Exit code 1 when a part is dead or not reachable.
    """
    from laurel_cli.stack import Stack
    from laurel_cli.stack.report import report

    stack = Stack(home)
    parts = report(stack)
    if as_json:
        print_json({"home": stack.home.root, **asdict(stack.settings), "parts": [asdict(part) for part in parts]})
    else:
        _show(parts)
        if stack.settings.clock:
            out.print(f"The business clock began at {stack.settings.clock}; days end by {stack.settings.days}.")
    if any(part.state in {"dead", "unreachable"} for part in parts):
        raise typer.Exit(1)


def _show(parts: list[PartReport]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("part", "state", "address"):
        table.add_column(heading, no_wrap=True)
    for heading in ("pid", "MB", "uptime", "version"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in parts:
        colour = _COLOURS.get(part.state, "red")
        table.add_row(
            part.part,
            f"[{colour}]{part.state}[/]",
            _address(part),
            str(part.pid or ""),
            "" if part.memory_mib is None else f"{part.memory_mib:,.0f}",
            "" if part.uptime_seconds is None else duration(part.uptime_seconds),
            part.version or "",
        )
    out.print(table)
    for part in parts:
        said = [f"{name}: {value}" for name, value in part.checks.items()]
        said += [f"{name.replace('_', ' ')}: {value:,.0f}" for name, value in part.figures.items()]
        if said:
            out.print(f"{part.part}  {', '.join(said)}", highlight=False, markup=False, soft_wrap=True)


def _address(part: PartReport) -> str:
    """Where a part is reached; where nothing runs, nothing is, but perhaps a word why."""
    return part.note if part.state == "stopped" else part.url.removeprefix("postgresql://")


def duration(seconds: float) -> str:
    """A length of time as a person says it: 42 s, 5 min 3 s, 2 h 10 min, 3 d 4 h."""
    whole = int(seconds)
    for larger, smaller, of_larger, of_smaller in (
        ("d", "h", 86_400, 3_600),
        ("h", "min", 3_600, 60),
        ("min", "s", 60, 1),
    ):
        if whole >= of_larger:
            return f"{whole // of_larger} {larger} {whole % of_larger // of_smaller} {smaller}"
    return f"{whole} s"
