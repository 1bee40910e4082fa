"""python -m tests.fault [--nightly | --ledger] [--json PATH] [pytest arguments …]: the fault catalogue of reliability.md 4, and one report
at its end.

The one thing not to break: the exit code is 0 only when every chosen test has passed, has recorded a figure, and the figure holds."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from tests.fault.gathering import (
    BROKEN,
    FAILED,
    HELD,
    ID_PROPERTY,
    SKIPPED,
    Ran,
    Report,
    Row,
    id_in,
    in_order,
    read_log,
    rows_of,
    seeds_by_id,
    seeds_to_repeat,
)  # fmt: skip
from tests.fault.report import LOG, NIGHT_SCALE, SEED

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).with_name("regression_seeds.toml")
PROOF = ROOT / ".proof"  # git-ignored
COLOURS = {HELD: "green", SKIPPED: "yellow"}
CHOSEN = {"fault": "fault and not full and not nightly", "nightly": "nightly", "ledger": "fault and not nightly"}
PLACES = {"fault": "tests", "nightly": "tests", "ledger": "tests/fault/ledger"}
FAULT_SECONDS_MAX = 1_200  # of `make fault` on 2 cores: what anybody may be asked to wait for before a commit
WHY_CHARS_MAX = 160
AT_ONCE = 2  # tests of `make fault` that run at the same time: one waits while the other works
BESIDE = "tests.beside"  # the plugin; by name, because pytest wants to be first to import xdist
ALONE = "alone"  # the marker of those that measure a time


class Watching:
    """A pytest plugin: keeps how each chosen test ended."""

    def __init__(self) -> None:
        self.ran: dict[str, Ran] = {}
        self.broken_files: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            told = getattr(item, "obj", None)
            place = f"{item.path}::{item.nodeid.partition('::')[2]}"
            self.ran[item.nodeid] = Ran(item.nodeid, id_in(getattr(told, "__doc__", None)), place=place)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        for name in ids:
            file, _, test = name.partition("::")
            self.ran.setdefault(name, Ran(name, place=f"{ROOT / file}::{test}"))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken_files.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self.ran.setdefault(report.nodeid, Ran(report.nodeid))
        test.seconds += report.duration
        test.test_id = str(dict(report.user_properties).get(ID_PROPERTY, test.test_id))
        if report.failed or (report.when == "call" and hasattr(report, "wasxfail")):
            test.ended = "failed"
            test.why = test.why or _first_line(report)
        elif report.skipped:
            test.ended, test.why = "skipped", _first_line(report)
        elif report.when == "call":
            test.ended = "passed"


def _first_line(report: pytest.TestReport) -> str:
    """Why, in one line: the last line of the failure, or the reason of a skip."""
    told: Any = report.longrepr
    if isinstance(told, tuple):
        return str(told[2])[:WHY_CHARS_MAX]
    crash = getattr(told, "reprcrash", None)
    text = str(crash.message) if crash is not None else str(told or report.outcome)
    return (text.strip().splitlines() or ["no reason given"])[0][:WHY_CHARS_MAX]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and say by the exit code whether all of it held."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--nightly", action="store_true", help="the sizes of every night instead of those of every change"
    )
    parser.add_argument(
        "--ledger", action="store_true", help="the catalogue of the ledger (T-L) alone, at its full size"
    )
    parser.add_argument("--json", type=Path, default=None, help="where the report is written as JSON")
    parser.add_argument(
        "--at-once",
        type=int,
        default=None,
        help=f"tests at the same time, but for those that measure a time (default: {AT_ONCE} where all of the catalogue is run, else 1)",
    )
    parser.add_argument("--seeds", type=Path, default=SEEDS, help="seeds that have failed once")
    chosen, more = parser.parse_known_args(arguments)
    run = "nightly" if chosen.nightly else "ledger" if chosen.ledger else "fault"
    log = _fresh_log(run)
    watching = Watching()
    began, clock = datetime.now(UTC), time.monotonic()
    words = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-v"]
    for some in _passes(CHOSEN[run], chosen.at_once or (AT_ONCE if run == "fault" and _is_whole(more, run) else 1)):
        pytest.main([*words, *some, *_with_a_place(more, run)], plugins=[watching])
    report = Report(run, began.isoformat(timespec="seconds"), time.monotonic() - clock)
    report.rows = rows_of(watching.ran, read_log(log))
    report.rows += [Row("?", "it cannot be collected", "", FAILED, None, None, name) for name in watching.broken_files]
    log.unlink()
    if not os.environ.get(SEED):
        for (test_id, seed), nodes in seeds_to_repeat(chosen.seeds, report.rows).items():
            rows = repeated(run, seed, [watching.ran[node].place for node in nodes])
            nothing = Row(test_id, f"nothing was run under the seed {seed}", "", FAILED, None, seed, nodes[0])
            report.rows = in_order([*report.rows, *(rows or [nothing])])
    report.seconds = time.monotonic() - clock
    # A night is run in parts: each keeps a file of its own, and the page takes the last figure of every test.
    part = f"-{began:%Y%m%dT%H%M%S}" if run == "nightly" else ""
    write(report, chosen.json or PROOF / f"{run}{part}.json")
    show(report, Console(width=None if sys.stdout.isatty() else 150))
    return 0 if report.green else 1


def repeated(run: str, seed: int, places: Sequence[str]) -> list[Row]:
    """The same tests under another seed, in a process of their own: some read it when they are imported."""
    written = PROOF / f"{run}-{os.getpid()}-{seed}.json"
    words = [sys.executable, "-m", "tests.fault", "--json", str(written), *_option(run)]
    subprocess.run([*words, *places], cwd=ROOT, env={**os.environ, SEED: str(seed)}, check=False)
    rows = [Row(**row) for row in json.loads(written.read_text(encoding="utf-8"))["rows"]]
    written.unlink()
    return rows


def _fresh_log(run: str) -> Path:
    """An empty log of this run, which the tests find in the environment."""
    PROOF.mkdir(exist_ok=True)
    log = PROOF / f"{run}-{os.getpid()}.jsonl"
    log.write_text("", encoding="utf-8")
    os.environ[LOG] = str(log)
    return log


def _option(run: str) -> list[str]:
    """What chooses this run."""
    return [] if run == "fault" else [f"--{run}"]


def _passes(chosen: str, at_once: int) -> list[list[str]]:
    """pytest's words for each pass: what may run beside something else, then what may not."""
    if at_once == 1:
        return [["-m", chosen]]
    several = ["-n", str(at_once), "--dist", "loadscope", "-p", BESIDE]
    return [["-m", f"({chosen}) and not {ALONE}", *several], ["-m", f"({chosen}) and {ALONE}"]]


def _places(more: list[str]) -> list[str]:
    """The arguments that name a place."""
    return [word for word in more if not word.startswith("-") and (ROOT / word.partition("::")[0]).exists()]


def _is_whole(more: list[str], run: str) -> bool:
    return all(ROOT / place == ROOT / PLACES[run] for place in _places(more))


def _with_a_place(more: list[str], run: str) -> list[str]:
    """The arguments, and all tests of the run where no place is named."""
    return more if _places(more) else [*more, str(ROOT / PLACES[run])]


def write(report: Report, path: Path) -> None:
    """As JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = report.document() | {
        "commit": _commit(),
        "cores": os.cpu_count(),
        "scale": os.environ.get(NIGHT_SCALE, ""),
    }
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


def show(report: Report, console: Console) -> None:
    """The table, the seeds, and how to repeat what failed."""
    table = Table(title=f"The proof ({report.run}, {report.began})", title_justify="left")
    for name, justify in (("test", "left"), ("figure", "left"), ("bar", "left"), ("verdict", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("seconds", justify="right")
    table.add_column("seed", justify="right")
    for row in report.rows:
        colour = COLOURS.get(row.verdict, "red")
        seconds = "" if row.seconds is None else f"{row.seconds:,.1f}"
        table.add_row(
            row.test_id, row.figure if row.verdict in {HELD, BROKEN} else f"{row.node.rpartition('::')[2]}: {row.figure}",
            row.bar, f"[{colour}]{row.verdict}[/]", seconds, "" if row.seed is None else str(row.seed),
        )  # fmt: skip
    console.print(table)
    used = "; ".join(f"{test_id} {', '.join(map(str, seeds))}" for test_id, seeds in seeds_by_id(report.rows).items())
    console.print(f"Seeds: {used or 'none'}. {SEED}=n gives every seeded test another one.", highlight=False)
    for row in report.bad:
        console.print(f"[red]{row.verdict}[/] {row.test_id}: repeat with  {_again(report.run, row)}", highlight=False)
    limit = f" of {FAULT_SECONDS_MAX // 60} minutes" if report.run == "fault" else ""
    held = sum(row.verdict == HELD for row in report.rows)
    skipped = sum(row.verdict == SKIPPED for row in report.rows)
    console.print(
        f"{held} held, {len(report.bad)} not, {skipped} skipped, in {report.seconds / 60:.1f}{limit or ' minutes'}",
        highlight=False,
    )


def _again(run: str, row: Row) -> str:
    seed = f"{SEED}={row.seed} " if row.seed is not None else ""
    option = "".join(f"{word} " for word in _option(run))
    return (
        f"{seed}python -m tests.fault {option}'{row.node}'"
        if row.node
        else f"{seed}make {'-'.join(dict.fromkeys(('fault', run)))}"
    )


if __name__ == "__main__":
    sys.exit(main())
