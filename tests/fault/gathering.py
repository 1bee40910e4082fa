"""The rows of the report: what the tests recorded laid beside how they ended. Pure but for reading one file. The one thing not to break: a
test that was chosen stands in the report, whatever became of it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HELD, BROKEN, FAILED, SKIPPED = "held", "broken", "failed", "skipped"
BAD = frozenset({BROKEN, FAILED})
CATALOGUE_ID = re.compile(r"T-([A-Z])0*(\d+)")
NO_ID = "?"
ID_PROPERTY = "catalogue id"  # a property of a test's report, by which its id crosses from one process to another


@dataclass
class Ran:
    """One test: how it ended, how long it took, and the catalogue id its docstring begins with."""

    node: str
    test_id: str = NO_ID
    ended: str = ""  # passed, failed, skipped; empty: it never ended
    seconds: float = 0.0
    why: str = ""
    place: str = ""  # to call it by, wherever it stands


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    test_id: str
    figure: str
    bar: str
    verdict: str
    seconds: float | None
    seed: int | None
    node: str = ""


@dataclass
class Report:
    """Everything a run showed."""

    run: str
    began: str
    seconds: float
    rows: list[Row] = field(default_factory=list)

    @property
    def bad(self) -> list[Row]:
        """What failed or was recorded false."""
        return [row for row in self.rows if row.verdict in BAD]

    @property
    def green(self) -> bool:
        """Something was shown and nothing is bad."""
        return not self.bad and any(row.verdict == HELD for row in self.rows)

    def document(self) -> dict[str, Any]:
        """The report as it is written to a file."""
        return {
            "run": self.run, "began": self.began, "seconds": round(self.seconds, 1), "green": self.green,
            "seeds": seeds_by_id(self.rows), "rows": [asdict(row) for row in self.rows],
        }  # fmt: skip


def seeds_by_id(rows: Iterable[Row]) -> dict[str, list[int]]:
    """The seeds that each catalogue id used."""
    seeds: dict[str, set[int]] = {}
    for row in rows:
        if row.seed is not None:
            seeds.setdefault(row.test_id, set()).add(row.seed)
    return {test_id: sorted(used) for test_id, used in seeds.items()}


def read_log(path: Path) -> list[dict[str, Any]]:
    """What was recorded, in order. A last line that a kill has cut off is left out."""
    lines: list[dict[str, Any]] = []
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
    return lines


def rows_of(ran: Mapping[str, Ran], recorded: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One row per record, and one for every test that failed or was skipped; one for all cases of a test that have no figure of their own,
    because what they show is what they assert. By catalogue id."""
    rows: list[Row] = []
    plain: dict[tuple[str, str], list[Ran]] = {}
    told: set[str] = set()
    shown_false: set[str] = set()
    for line in recorded:
        node = str(line.get("node") or "")
        test = ran.get(node)
        seconds = line["seconds"] if line["seconds"] is not None else test.seconds if test is not None else None
        verdict = HELD if line["verdict"] else BROKEN
        rows.append(Row(line["test"], line["figure"], line["bar"], verdict, seconds, line["seed"], node))
        told.add(node)
        if verdict == BROKEN:
            shown_false.add(node)
    for node, test in ran.items():
        if test.ended == "skipped":
            rows.append(Row(test.test_id, test.why, "", SKIPPED, test.seconds, None, node))
        elif test.ended != "passed" and node not in shown_false:
            figure = test.why or "it did not come to its end"
            rows.append(Row(test.test_id, figure, "", FAILED, test.seconds, None, node))
        elif test.ended == "passed" and node not in told:
            plain.setdefault((test.test_id, node.partition("[")[0]), []).append(test)
    for (test_id, node), cases in plain.items():
        name = node.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        figure = f"{name}: {len(cases)} of {len(cases)} cases" if len(cases) > 1 else name
        rows.append(Row(test_id, figure, "as it says", HELD, sum(case.seconds for case in cases), None, node))
    return in_order(rows)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """By catalogue id, and within one by test."""
    return sorted(rows, key=place_of)


def seeds_to_repeat(path: Path, rows: Iterable[Row]) -> dict[tuple[str, int], list[str]]:
    """For each catalogue id and seed that has failed once, the tests to run under it; what has been run under it already is left out."""
    rows = list(rows)
    wanted: dict[tuple[str, int], list[str]] = {}
    for test_id, known in tomllib.loads(path.read_text(encoding="utf-8")).items():
        nodes = sorted({row.node for row in rows if row.test_id == test_id and row.node and row.verdict != SKIPPED})
        run_already = {row.seed for row in rows if row.test_id == test_id}
        for one in known:
            if nodes and one["seed"] not in run_already:
                wanted[test_id, one["seed"]] = nodes
    return wanted


def id_in(docstring: str | None) -> str:
    """The catalogue id a docstring begins with."""
    found = re.match(r"\s*(T-[A-Z]\d+)", docstring or "")
    return found.group(1) if found else NO_ID


def place_of(row: Row) -> tuple[bool, str, int, str]:
    """Where a row stands in a report."""
    found = CATALOGUE_ID.match(row.test_id)
    return (False, found[1], int(found[2]), row.node) if found else (True, row.test_id, 0, row.node)
