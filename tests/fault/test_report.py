"""The report itself: what does not hold, and what failed, stand in it, and none of it leaves the exit code at 0."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.beside import LONGEST_FIRST, in_turn, scope_of
from tests.fault.gathering import Report, read_log, rows_of
from tests.fault.page import nights
from tests.fault.report import seed_of

ROOT = Path(__file__).parents[2]

TOYS = '''
import pytest
from tests.fault.report import record, seed_of

pytestmark = pytest.mark.fault

def test_holds():
    """T-K06: it holds."""
    seed = seed_of("T-K06", 5)
    record("T-K06", "lost 0", "000", True, seed=seed, seconds=1.5)
'''
BAD_TOYS = '''
def test_does_not_hold():
    """T-K05: recorded false and asserted."""
    record("T-K05", "lost 3", "000", False, seed=7)
    assert False, "lost 3"

def test_recorded_false_but_passed():
    """T-K14: nobody asserted it."""
    record("T-K14", "stopped after 9 s", "5 s", False)

def test_fails_before_it_records():
    """T-P02: it fails early."""
    raise RuntimeError("no database")

def test_records_nothing():
    """T-H01: it passes."""

@pytest.mark.skip(reason="no second disk here")
def test_is_skipped():
    """T-P04: it cannot run here."""

@pytest.fixture
def broken():
    raise OSError("no port")

def test_whose_fixture_fails(broken):
    """T-K11: it never begins."""
'''


def run(folder: Path, toys: str, *more: str, **env: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    (folder / "test_toys.py").write_text(toys, encoding="utf-8")
    written = folder / "proof.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fault", "--json", str(written), str(folder), *more, "-p", "no:cacheprovider"],
        cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return ended, json.loads(written.read_text(encoding="utf-8"))


def test_what_does_not_hold_stands_in_the_report_and_in_the_exit_code(tmp_path: Path) -> None:
    ended, report = run(tmp_path, TOYS + BAD_TOYS)
    assert ended.returncode == 1, ended.stdout
    found = [(row["test_id"], row["verdict"], row["seed"]) for row in report["rows"]]
    assert found == [
        ("T-H01", "held", None), ("T-K05", "broken", 7), ("T-K06", "held", 5), ("T-K11", "failed", None),
        ("T-K14", "broken", None), ("T-P02", "failed", None), ("T-P04", "skipped", None),
    ]  # fmt: skip
    assert (report["green"], report["seeds"]) == (False, {"T-K05": [7], "T-K06": [5]})
    assert "LAUREL_SEED=7 python -m tests.fault '" in ended.stdout.replace("\n", "")


def test_where_all_holds_the_exit_code_is_0_and_another_seed_may_be_given(tmp_path: Path) -> None:
    ended, report = run(tmp_path, TOYS, LAUREL_SEED="99")
    assert ended.returncode == 0, ended.stdout
    assert report["green"]
    assert report["seeds"] == {"T-K06": [99]}


@pytest.mark.long
def test_two_at_once_tell_as_much_as_one_and_what_measures_a_time_runs_alone(tmp_path: Path) -> None:
    """Broken by a test that only the process it ran in knows of, by a process that dies in silence, and by company for what measures."""
    more = """
import os

DYING = pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="it takes its process with it")

@DYING
def test_dies():
    \"\"\"T-K13: its process dies under it.\"\"\"
    os._exit(3)

@pytest.mark.alone
def test_measures():
    \"\"\"T-P07: nobody runs beside it.\"\"\"
    beside = os.environ.get("PYTEST_XDIST_WORKER")
    record("T-P07", f"beside: {beside}", "None", beside is None)
    assert beside is None
"""
    ended, report = run(tmp_path, TOYS + BAD_TOYS + more, "--at-once", "2")
    assert ended.returncode == 1, ended.stdout
    found = [(row["test_id"], row["verdict"]) for row in report["rows"]]
    assert found == [
        ("T-H01", "held"), ("T-K05", "broken"), ("T-K06", "held"), ("T-K11", "failed"), ("T-K13", "failed"), ("T-K14", "broken"),
        ("T-P02", "failed"), ("T-P04", "skipped"), ("T-P07", "held"),
    ]  # fmt: skip


def test_what_shares_a_stack_stays_together_and_the_longest_goes_first() -> None:
    nodes = [
        "tests/integration/kit/test_a.py::test_1",
        "tests/fault/input/test_b.py::test_2",
        "tests/fault/loop/test_c.py::test_3",
        "tests/fault/input/test_d.py::test_4[tests/x::y]",
        "tests/fault/test_kills.py::test_5",
        "tests/integration/kit/test_a.py::test_6",
    ]
    assert [node[-1] if node[-1].isdigit() else node for node in in_turn(nodes)] == [
        "2", "tests/fault/input/test_d.py::test_4[tests/x::y]", "3", "5", "1", "6",
    ]  # fmt: skip
    assert scope_of(nodes[1]) == scope_of(nodes[3]) == "tests/fault/input"
    assert all((ROOT / scope).exists() for scope in LONGEST_FIRST)


def test_nothing_chosen_and_what_cannot_be_collected_prove_nothing(tmp_path: Path) -> None:
    ended, report = run(tmp_path, "def test_of_no_catalogue() -> None: ...\n")
    assert (ended.returncode, report["rows"]) == (1, [])
    ended, report = run(tmp_path, TOYS + "import nothing_of_that_name\n")
    assert (ended.returncode, report["rows"][0]["verdict"]) == (1, "failed")


def test_a_line_cut_off_by_a_kill_costs_only_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = {"test": "T-K05", "figure": "f", "bar": "b", "verdict": True, "seed": None, "seconds": 1.0, "node": ""}
    log.write_text(json.dumps(line) + '\n{"test": "T-K0', encoding="utf-8")
    report = Report("fault", "now", 1.0, rows_of({}, read_log(log)))
    assert [(row.test_id, row.verdict) for row in report.rows] == [("T-K05", "held")]
    assert report.green


def test_a_seed_that_failed_once_is_always_run_too(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.toml"
    seeds.write_text(
        'T-K06 = [{ seed = 17, showed = "x" }, { seed = 5, showed = "y" }]\nT-K05 = [{ seed = 1, showed = "z" }]'
    )
    ended, report = run(tmp_path, TOYS, "--seeds", str(seeds))
    assert ended.returncode == 0, ended.stdout
    assert report["seeds"] == {"T-K06": [5, 17]}  # 5 has been run anyway, and of T-K05 no test was chosen
    assert seed_of("T-K17", 1) == 1


def night(began: str, scale: str = "", **rows: tuple[str, str]) -> dict[str, Any]:
    """A night's report: node → figure and verdict."""
    lines = [
        {
            "test_id": "T-K31",
            "figure": figure,
            "bar": "000",
            "verdict": verdict,
            "seconds": 1.0,
            "seed": None,
            "node": node,
        }
        for node, (figure, verdict) in rows.items()
    ]
    return {"run": "nightly", "began": began, "commit": "abc", "cores": 2, "scale": scale, "rows": lines}


def test_of_nights_in_parts_the_page_has_the_last_run_of_each_test() -> None:
    """What would break it: an older good run that stands for a test which has failed since."""
    told = nights([
        night("2026-11-29T10:00:00", one=("lost 0", "held"), two=("lost 0", "held")),
        night("2026-11-30T10:00:00", scale="0.1", one=("lost 3", "broken")),
        night("2026-11-28T10:00:00", two=("lost 9", "broken")),
    ])  # fmt: skip
    assert "1 of 2 held" in told
    assert "| lost 3 | 000 | broken | 1 | 2026-11-30 abc, 0.1 of its size |" in told
    assert "| lost 0 | 000 | held | 1 | 2026-11-29 abc |" in told
    assert "lost 9" not in told
