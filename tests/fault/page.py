"""python -m tests.fault.page [REPORT …]: write the figures of the last runs (`.proof/fault.json`, `.proof/nightly.json`) into
docs/guarantees.md. The one thing not to break: a red run is written down as red."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
REPORTS = (ROOT / ".proof" / "fault.json", ROOT / ".proof" / "nightly.json")
BEGIN, END = "<!-- runs: written by `python -m tests.fault.page`, not by hand -->", "<!-- /runs -->"
TITLES = {"fault": "`make fault`", "nightly": "`make fault-nightly`"}


def section(report: dict[str, Any]) -> str:
    """One run as a heading, a sentence and a table."""
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


def cell(text: str) -> str:
    """A figure as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "/")


def seconds(value: float | None) -> str:
    """Whole seconds, or nothing."""
    return "" if value is None else f"{value:.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Put the tables between the two marks of the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.page", description=__doc__)
    parser.add_argument("reports", nargs="*", type=Path, default=[path for path in REPORTS if path.exists()])
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args(arguments).reports]
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(section(report) for report in reports)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
