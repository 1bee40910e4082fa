"""Runs of consecutive local days (domain.md 3.2). The one thing not to break: runs are maximal, so that what is due does not depend on
the order in which the days became known."""

from __future__ import annotations

from datetime import date, timedelta

ONE_DAY = timedelta(days=1)


def add(runs: dict[date, int], day: date) -> bool:
    """Put a day into {first day: length}, joining the runs on either side. False: the day was there already."""
    before = _run_of(runs, day)
    if before is not None:
        return False
    first = _run_of(runs, day - ONE_DAY)
    length = 1 + runs.pop(day + ONE_DAY, 0)
    if first is None:
        runs[day] = length
    else:
        runs[first] += length
    return True


def due(runs: dict[date, int], streak_days: int) -> int:
    """Streaks due in all: Σ floor(length ÷ streak_days) over the maximal runs."""
    return sum(length // streak_days for length in runs.values())


def length_at(runs: dict[date, int], day: date) -> int:
    """The length of the run a day belongs to; 0: none."""
    first = _run_of(runs, day)
    return 0 if first is None else runs[first]


def _run_of(runs: dict[date, int], day: date) -> date | None:
    """The first day of the run that holds `day`: the last run beginning not after it, if it reaches so far."""
    first = max((start for start in runs if start <= day), default=None)
    if first is None or (day - first).days >= runs[first]:
        return None
    return first
