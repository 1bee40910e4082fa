"""python -m tests.fault.page [REPORT …]: write the figures of the last runs (`.proof/fault.json`, `ledger.json`, `nightly-*.json`, and of
the bench `bench*.json`) into docs/guarantees.md; of the nights, which are run in parts, the last figure of every test. The one thing not to
break: a red run is written down as red."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fault.gathering import HELD, Row, place_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
PROOF = ROOT / ".proof"
REPORTS = ("fault.json", "ledger.json", "nightly-*.json", "bench.json", "bench-growth.json", "bench-accounts.json")
BEGIN, END = "<!-- runs: written by `python -m tests.fault.page`, not by hand -->", "<!-- /runs -->"
TITLES = {"fault": "`make fault`", "ledger": "`make fault-ledger`", "nightly": "`make fault-nightly`"}


def section(report: dict[str, Any]) -> str:
    """One run as a heading, a sentence and a table."""
    if "measures" in report:
        return measured(report)
    rows = report["rows"]
    held = sum(row["verdict"] == "held" for row in rows)
    head = (
        f"### {TITLES.get(report['run'], report['run'])}\n\n{report['began'][:10]}, commit {report['commit']},"
        f" {report['cores']} cores: {held} of {len(rows)} held, in {report['seconds'] / 60:.0f} minutes.\n\n"
        "| test | figure | bar | verdict | seconds |\n| --- | --- | --- | --- | --- |\n"
    )
    lines = [
        f"| {row['test_id']} | {cell(row['figure'])} | {cell(row['bar'])} | {row['verdict']} | {seconds(row['seconds'])} |"
        for row in rows
    ]
    return head + "\n".join(lines) + "\n"


def nights(reports: Sequence[dict[str, Any]]) -> str:
    """All nights as one table: of every test the rows of the last run that had it, whatever became of it."""
    last: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    for report in sorted(reports, key=lambda each: str(each["began"])):
        fresh: dict[str, list[dict[str, Any]]] = {}
        for row in report["rows"]:
            fresh.setdefault(row["node"] or row["test_id"], []).append(row)
        last |= {node: (report, rows) for node, rows in fresh.items()}
    rows = [(Row(**row), report) for report, rows in last.values() for row in rows]
    rows.sort(key=lambda pair: place_of(pair[0]))
    held = sum(row.verdict == HELD for row, _ in rows)
    head = (
        f"### {TITLES['nightly']}\n\nThe last run of each test, in parts, {reports[0]['cores']} cores: {held} of {len(rows)} held. Where a"
        " share is told (`LAUREL_NIGHT_SCALE`), a test that can be shortened was; its figure says its size.\n\n"
        "| test | figure | bar | verdict | seconds | run |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(
        f"| {row.test_id} | {cell(row.figure)} | {cell(row.bar)} | {row.verdict} | {seconds(row.seconds)} | {report['began'][:10]}"
        f" {report['commit']}{f', {scale} of its size' if (scale := report.get('scale')) else ''} |\n"
        for row, report in rows
    )


def measured(report: dict[str, Any]) -> str:
    """One bench as a heading, a sentence and a table."""
    machine = report["machine"]
    whole = "latency_ms" in report
    title = f"`make bench{'' if whole else '-accounts' if 'accounts' in report else '-growth'}`"
    noisy = f", noisy: {report['noisy']}" if report["noisy"] else ""
    pace = (
        f" A fixed piece of Python took {_pace(machine)} µs, so fast was the machine." if "pace_us" in machine else ""
    )
    head = (
        f"### {title}\n\n{machine['cores']} cores, {machine['memory_gib']:.0f} GiB, everything on one machine; PostgreSQL"
        f" {machine['postgres']} with fsync, Kafka {machine['kafka']}; medians of {report['rounds']} interleaved rounds{noisy}.{pace}\n\n"
        "| measure | figure | min to max | must | aim | reached |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(
        f"| {name} | {each['value']:,.4g} {each['unit']} | {each['min']:,.4g} to {each['max']:,.4g} | {each['must']:g} | {each['aim']:g}"
        f" | {each['verdict']} |\n"
        for name, each in report["measures"].items()
    )


def _pace(machine: dict[str, Any]) -> str:
    """First, after the rounds, last."""
    return ", ".join(f"{each:.1f}" for each in machine["pace_us"])


def cell(text: str) -> str:
    """A figure as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "/")


def seconds(value: float | None) -> str:
    """Whole seconds, or nothing."""
    return "" if value is None else f"{value:.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Put the tables between the two marks of the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.page", description=__doc__)
    parser.add_argument(
        "reports", nargs="*", type=Path, default=[path for name in REPORTS for path in sorted(PROOF.glob(name))]
    )
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args(arguments).reports]
    of_nights = [report for report in reports if report.get("run") == "nightly"]
    others = [section(report) for report in reports if report not in of_nights]
    others[1:1] = [nights(of_nights)] if of_nights else []
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(others)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
