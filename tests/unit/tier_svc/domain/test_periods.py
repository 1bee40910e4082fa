"""Days and periods of the programme's zone (domain.md 2.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tier_svc.domain.periods import Calendar, plus_months


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2025-01-31", 1, "2025-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2025-12-31", 2, "2026-02-28"),
        ("2025-05-31", 1, "2025-06-30"),
        ("2025-11-30", 3, "2026-02-28"),
        ("2025-03-02", 12, "2026-03-02"),
        ("2025-12-15", 1, "2026-01-15"),
    ],
)
def test_months_clip_to_the_last_day(day: str, months: int, expected: str) -> None:
    assert plus_months(date.fromisoformat(day), months) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Asia/Shanghai", "2025-03-02", "2025-03-01T16:00"),
        ("America/New_York", "2018-03-11", "2018-03-11T05:00"),
        ("America/New_York", "2018-03-12", "2018-03-12T04:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),  # midnight did not exist: the day began at 01:00
        ("America/Havana", "2018-03-11", "2018-03-11T05:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),  # a day that did not exist begins where the next one does
        ("Asia/Tehran", "2018-03-22", "2018-03-21T20:30"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: str, expected: str) -> None:
    assert Calendar(zone).start_of(date.fromisoformat(day)) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(
    zone=st.sampled_from(
        ["Asia/Shanghai", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe"]
    ),
    day=st.dates(date(2010, 1, 1), date(2030, 12, 31)),
)
def test_the_instant_before_a_day_begins_is_on_an_earlier_day(zone: str, day: date) -> None:
    calendar = Calendar(zone)
    start = calendar.start_of(day)
    assert start.tzinfo is UTC
    assert calendar.day_of(start) == day
    assert calendar.day_of(start - timedelta(seconds=1)) == day - timedelta(days=1)
