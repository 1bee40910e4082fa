"""The calendar of the independent model (domain.md 2.3): first instants of days, months that clip."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.support.model_calendar import end_of_lot, plus_months, start_of_day


def test_a_day_without_midnight_begins_where_the_gap_ends() -> None:
    santiago = ZoneInfo("America/Santiago")  # 2024-09-08 00:00 does not exist there
    start = start_of_day(date(2024, 9, 8), santiago)
    assert start.astimezone(santiago).isoformat() == "2024-09-08T01:00:00-03:00"


def test_a_day_that_changes_its_offset_begins_at_midnight() -> None:
    new_york = ZoneInfo("America/New_York")
    assert start_of_day(date(2025, 3, 9), new_york) == datetime(2025, 3, 9, 5, tzinfo=UTC)
    assert start_of_day(date(2025, 3, 10), new_york) == datetime(2025, 3, 10, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2025, 1, 31), 1, date(2025, 2, 28)),
        (date(2025, 12, 31), 2, date(2026, 2, 28)),
        (date(2025, 5, 31), 1, date(2025, 6, 30)),
        (date(2025, 3, 2), 12, date(2026, 3, 2)),
    ],
)
def test_months_clip_to_the_last_day(day: date, months: int, expected: date) -> None:
    assert plus_months(day, months) == expected


def test_a_lot_lasts_to_the_end_of_its_month_a_year_on() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    end = end_of_lot(datetime(2025, 1, 31, 4, tzinfo=UTC), 12, zone)
    assert end.astimezone(zone).isoformat() == "2026-02-01T00:00:00+08:00"
