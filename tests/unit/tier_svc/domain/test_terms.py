"""How long a tier lasts and how long its judgement waits, as tables: rolling, by the calendar, by the day of joining, for ever, grace."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tier_svc.domain.periods import Calendar
from tier_svc.domain.terms import Terms, on_or_after

SHANGHAI = Calendar("Asia/Shanghai")
CASES = [
    # kind, months, ends, dates, first day, joined, until
    ("rolling", 12, "day", "", "2025-03-02", "", "2026-03-02"),
    ("rolling", 12, "day", "", "2024-02-29", "", "2025-02-28"),
    ("rolling", 1, "day", "", "2025-01-31", "", "2025-02-28"),
    ("rolling", 12, "month", "", "2025-03-02", "", "2026-04-01"),
    ("rolling", 12, "month", "", "2025-03-01", "", "2026-03-01"),
    ("rolling", 12, "quarter", "", "2025-03-02", "", "2026-04-01"),
    ("rolling", 12, "quarter", "", "2025-04-02", "", "2026-07-01"),
    ("rolling", 12, "year", "", "2025-03-02", "", "2027-01-01"),
    ("rolling", 12, "year", "", "2027-01-01", "", "2028-01-01"),
    ("rolling", 0, "month", "", "2025-12-31", "", "2026-01-01"),
    ("rolling", 0, "month", "", "2025-12-01", "", "2026-01-01"),
    ("rolling", 0, "quarter", "", "2025-02-10", "", "2025-04-01"),
    ("rolling", 0, "quarter", "", "2025-12-31", "", "2026-01-01"),
    ("rolling", 0, "year", "", "2024-02-29", "", "2025-01-01"),
    ("rolling", 3, "month", "", "2024-11-30", "", "2025-03-01"),
    ("calendar", 0, "year", "", "2025-06-01", "", "2026-01-01"),
    ("calendar", 0, "day", "12-31", "2025-03-02", "", "2026-01-01"),
    ("calendar", 0, "day", "12-31", "2025-12-31", "", "2026-01-01"),
    ("calendar", 12, "day", "12-31", "2025-03-02", "", "2027-01-01"),
    ("calendar", 1, "day", "12-31", "2025-12-15", "", "2027-01-01"),
    ("calendar", 0, "day", "03-31 09-30", "2025-03-31", "", "2025-04-01"),
    ("calendar", 0, "day", "03-31 09-30", "2025-04-01", "", "2025-10-01"),
    ("calendar", 0, "day", "09-30 03-31", "2025-10-01", "", "2026-04-01"),
    ("calendar", 0, "day", "02-29", "2024-02-29", "", "2024-03-01"),
    ("calendar", 0, "day", "02-29", "2025-01-15", "", "2025-03-01"),
    ("anniversary", 12, "day", "", "2025-03-02", "2020-06-15", "2025-06-15"),
    ("anniversary", 12, "day", "", "2025-06-15", "2020-06-15", "2026-06-15"),
    ("anniversary", 12, "day", "", "2025-06-14", "2020-06-15", "2025-06-15"),
    ("anniversary", 12, "day", "", "2025-03-02", "2024-02-29", "2026-02-28"),
    ("anniversary", 12, "day", "", "2027-03-01", "2024-02-29", "2028-02-29"),
    ("anniversary", 12, "day", "", "2028-02-28", "2024-02-29", "2028-02-29"),
    ("anniversary", 1, "day", "", "2025-02-28", "2025-01-31", "2025-03-31"),
    ("anniversary", 1, "day", "", "2025-01-31", "2025-01-31", "2025-02-28"),
    ("anniversary", 3, "day", "", "2025-12-01", "2025-11-30", "2026-02-28"),
    ("anniversary", 24, "day", "", "2025-12-01", "2020-01-10", "2026-01-10"),
    ("anniversary", 12, "day", "", "2025-03-02", "", "2026-03-02"),  # nobody knows when: as rolling
    ("none", 12, "day", "", "2025-03-02", "", None),
]


def dates_of(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(each[:2]), int(each[3:])) for each in text.split())


@pytest.mark.parametrize(("kind", "months", "ends", "dates", "first", "joined", "until"), CASES)
def test_where_a_period_ends(
    kind: str, months: int, ends: str, dates: str, first: str, joined: str, until: str | None
) -> None:
    terms = Terms(kind, months, ends, dates_of(dates))
    found = terms.until(SHANGHAI, date.fromisoformat(first), date.fromisoformat(joined) if joined else None)
    assert (None if found is None else SHANGHAI.day_of(found).isoformat()) == until
    assert found is None or found == SHANGHAI.start_of(SHANGHAI.day_of(found))


@pytest.mark.parametrize(
    ("days", "ends", "until", "due"),
    [
        (0, "day", "2026-03-02", None),
        (7, "day", "2026-03-02", "2026-03-09"),
        (7, "day", "2024-02-25", "2024-03-03"),
        (0, "month", "2026-03-02", "2026-04-01"),
        (0, "month", "2026-03-01", None),
        (1, "month", "2026-03-01", "2026-04-01"),
        (7, "quarter", "2026-03-02", "2026-04-01"),
        (7, "quarter", "2026-03-29", "2026-07-01"),
        (0, "year", "2026-03-02", "2027-01-01"),
        (366, "day", "2027-03-02", "2028-03-02"),
    ],
)
def test_how_long_a_judgement_waits(days: int, ends: str, until: str, due: str | None) -> None:
    terms = Terms("rolling", 12, grace_days=days, grace_ends=ends)
    found = terms.due(SHANGHAI, SHANGHAI.start_of(date.fromisoformat(until)))
    assert (None if found is None else SHANGHAI.day_of(found).isoformat()) == due


@pytest.mark.parametrize(
    ("zone", "first", "months", "expected"),
    [
        ("America/New_York", "2024-03-10", 12, "2025-03-10T04:00"),  # one hour less than a year of winter days
        ("America/New_York", "2024-11-03", 12, "2025-11-03T05:00"),
        ("America/Sao_Paulo", "2017-11-04", 12, "2018-11-04T03:00"),  # that day began at 01:00
        ("Pacific/Apia", "2010-12-30", 12, "2011-12-30T10:00"),  # that day did not exist
        ("Australia/Lord_Howe", "2024-04-07", 6, "2024-10-06T13:00"),
        ("Asia/Kathmandu", "2025-01-31", 1, "2025-02-27T18:15"),
    ],
)
def test_a_period_ends_at_the_first_instant_of_a_local_day(zone: str, first: str, months: int, expected: str) -> None:
    found = Terms("rolling", months).until(Calendar(zone), date.fromisoformat(first), None)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(
    kind=st.sampled_from(["rolling", "calendar", "anniversary"]),
    months=st.integers(0, 36),
    ends=st.sampled_from(["day", "month", "quarter", "year"]),
    dates=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 31)), max_size=3),
    first=st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    lived=st.integers(0, 9_000),
    grace=st.integers(0, 366),
)
def test_a_period_ends_after_it_begins_and_is_judged_no_earlier(
    kind: str, months: int, ends: str, dates: list[tuple[int, int]], first: date, lived: int, grace: int
) -> None:
    """INVARIANT: every period ends, later than it begins, or the judge would never come to an end.

    A period of no months by the day of joining would break it; the check of a programme refuses that."""
    if (
        kind == "anniversary"
        or (kind == "rolling" and ends == "day")
        or (kind == "calendar" and not dates and ends == "day")
    ):
        months = max(months, 1)
    terms = Terms(kind, months, ends, tuple(dates), grace, ends)
    until = terms.until(SHANGHAI, first, first - timedelta(days=lived))
    assert until is not None
    assert SHANGHAI.day_of(until) > first
    due = terms.due(SHANGHAI, until)
    assert due is None or due > until


@given(day=st.dates(date(1999, 1, 1), date(2050, 1, 1)), unit=st.sampled_from(["month", "quarter", "year"]))
def test_the_end_of_a_unit_is_the_first_that_is_not_before(day: date, unit: str) -> None:
    found = on_or_after(day, unit)
    assert found >= day
    assert found.day == 1
    assert found.month in {"month": range(1, 13), "quarter": (1, 4, 7, 10), "year": (1,)}[unit]
    assert (found - day).days < {"month": 31, "quarter": 92, "year": 366}[unit]
