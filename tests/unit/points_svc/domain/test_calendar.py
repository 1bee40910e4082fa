"""Days, months and expiry in the programme's zone (domain.md 2.3, 3.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from points_svc.domain import calendar


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("Asia/Shanghai", date(2026, 2, 1), datetime(2026, 1, 31, 16, tzinfo=UTC)),
        ("America/New_York", date(2026, 2, 1), datetime(2026, 2, 1, 5, tzinfo=UTC)),
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, tzinfo=UTC)),  # midnight did not exist
        ("Asia/Beirut", date(2022, 3, 27), datetime(2022, 3, 26, 22, tzinfo=UTC)),
        ("America/Havana", date(2024, 11, 3), datetime(2024, 11, 3, 4, tzinfo=UTC)),  # midnight came twice
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10, tzinfo=UTC)),  # the day before did not exist
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, instant: datetime) -> None:
    assert calendar.start_of_day(day, ZoneInfo(zone)) == instant


@given(
    st.sampled_from(["Asia/Shanghai", "America/Sao_Paulo", "Africa/Cairo", "Australia/Lord_Howe", "America/Asuncion"]),
    st.dates(date(1990, 1, 1), date(2030, 12, 31)),
)
def test_one_moment_before_a_day_begins_it_is_another_day(zone: str, day: date) -> None:
    where = ZoneInfo(zone)
    start = calendar.start_of_day(day, where)
    assert calendar.local_day(start, where) == day
    assert calendar.local_day(start - timedelta(microseconds=1), where) < day


def test_a_lot_lasts_to_the_end_of_its_month_a_year_on() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    assert calendar.expires_at(date(2025, 1, 1), 12, zone) == calendar.start_of_day(date(2026, 2, 1), zone)
    assert calendar.expires_at(date(2025, 12, 31), 12, zone) == calendar.start_of_day(date(2027, 1, 1), zone)
    assert calendar.expires_at(date(2024, 2, 29), 1, zone) == calendar.start_of_day(date(2024, 4, 1), zone)
