"""One table for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

COLOURS = {"aim": "green", "must": "yellow", "below": "red"}


def show(told: dict[str, Any]) -> None:
    """Machine, lines, measures."""
    console = Console(width=128)
    machine = told["machine"]
    console.print(
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}, PostgreSQL {machine['postgres']} "
        f"(fsync {machine['fsync']}, p50 {machine['fsync_p50_ms']} ms), Kafka {machine['kafka']}; "
        f"steal {machine['steal_share']:.0%}, load before {machine['load_before']}; {told['rounds']} rounds in {told['seconds']} s; "
        f"a fixed piece of Python took {', '.join(map(str, machine['pace_us']))} µs (first, after the rounds, last)"
    )
    if told["noisy"]:
        console.print(f"[bold red]noisy[/]: {told['noisy']}")
    if told["lines"]:
        console.print(_lines(told["lines"]))
    console.print(_measures(told["measures"]))
    for route, servers in told.get("accounts", {}).items():
        each = ", ".join(
            f"{server} {found['per_second']:,} answers/s (p99 {found['p99_ms']} ms)"
            for server, found in servers.items()
        )
        console.print(f"{route}: {each}")
    if "chain" in told:
        parts = ", ".join(f"{part} {micro}" for part, micro in told["chain"]["cpu_us_per_event"].items())
        console.print(
            f"whole chain, CPU µs per event: {parts}; {told['chain']['events_per_second_settled']:,}/s to settled"
        )


def _lines(lines: dict[str, Any]) -> Table:
    table = Table(title="events per second, median (min–max)", title_justify="left")
    table.add_column("")
    for title in (
        "per second",
        "min–max",
        "× floor",
        "× naive",
        "Python µs",
        "PostgreSQL µs",
        "Kafka µs",
        "CPU, naive ÷ this",
    ):
        table.add_column(title, justify="right")
    for line in lines.values():
        cpu = line["cpu_us"]
        table.add_row(
            line["label"],
            f"{line['per_second']:,}",
            f"{line['min']:,}–{line['max']:,}",
            _ratio(line["per_second"], lines.get("floor", {}).get("per_second")),
            _ratio(line["per_second"], lines.get("naive", {}).get("per_second")),
            *(f"{cpu[part]:,.1f}" for part in ("python", "postgres", "kafka")),
            _ratio(lines["naive"]["cpu_us"]["all"], cpu["all"]) if "naive" in lines else "",
        )
    return table


def _ratio(one: float, other: float | None) -> str:
    return f"{one / other:,.3g}" if other else ""


def _measures(measures: dict[str, Any]) -> Table:
    table = Table(title="beside the bars", title_justify="left")
    table.add_column("")
    for title in ("measured", "min–max", "must", "aim", "reached"):
        table.add_column(title, justify="right")
    for name, each in measures.items():
        unit, word = each["unit"], each["verdict"]
        table.add_row(
            name + (" *" if each["gates"] else ""),
            f"{each['value']:,.4g} {unit}",
            f"{each['min']:,.4g}–{each['max']:,.4g}",
            f"{each['must']:g}",
            f"{each['aim']:g}",
            f"[{COLOURS[word]}]{word}[/]",
        )
    table.caption = "* decides the exit code"
    return table
