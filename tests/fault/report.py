"""What a fault test showed: its figure, the bar, the verdict; one line each in the log that $LAUREL_PROOF_LOG names. And which seed a
test uses; those that have failed once stand in regression_seeds.toml.

The one thing not to break: a verdict is written before the test asserts it, so that a run that fails still says by how much."""

from __future__ import annotations

import json
import os
from pathlib import Path

LOG = "LAUREL_PROOF_LOG"
SEED = "LAUREL_SEED"
NIGHT_SCALE = "LAUREL_NIGHT_SCALE"  # 0.1 makes the tests of a night a tenth as long


def record(
    test_id: str, figure: str, bar: str, verdict: bool, seed: int | None = None, seconds: float | None = None
) -> None:
    """One line of the report, e.g. record("T-K05", "10,000 reports, 80 kills: lost 0, doubled 0", "000", True, seed=42)."""
    log = os.environ.get(LOG)
    if not log:
        return
    line = {
        "test": test_id, "figure": figure, "bar": bar, "verdict": verdict, "seed": seed, "seconds": seconds,
        "node": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0],
    }  # fmt: skip
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def seed_of(test_id: str, default: int) -> int:
    """The seed of a seeded test: $LAUREL_SEED when it is set, else the one that the test always uses."""
    del test_id  # named so that a call says whose seed it is
    given = os.environ.get(SEED, "").strip()
    return int(given) if given else default


def sized(night: int, least: int = 1) -> int:
    """A size of the night, or the share of it that $LAUREL_NIGHT_SCALE asks for."""
    return max(least, round(night * float(os.environ.get(NIGHT_SCALE, "").strip() or 1)))
