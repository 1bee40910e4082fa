"""The programme's calendar (domain.md 2.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from member_svc.domain.calendar import CATCH_UP_DAYS_MAX, begins_a_day, day_begins, days_due, local_day, zone_of
from tests.support.model_calendar import start_of_day

NEW_YORK = zone_of("America/New_York")
SIX_HOURS = timedelta(hours=6)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("America/New_York", date(2018, 1, 9), "2018-01-09T05:00:00+00:00"),
        ("Asia/Shanghai", date(2018, 1, 9), "2018-01-08T16:00:00+00:00"),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00+00:00"),  # midnight does not exist: it is 01:00
        ("America/Havana", date(2018, 11, 4), "2018-11-04T04:00:00+00:00"),  # 01:00 comes twice, midnight once
        ("Asia/Amman", date(2018, 3, 30), "2018-03-29T22:00:00+00:00"),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00+00:00"),  # the day was left out
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00+00:00"),
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30:00+00:00"),  # the gap began at 23:30
        ("America/Scoresbysund", date(2024, 3, 31), "2024-03-31T01:00:00+00:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, begins: str) -> None:
    assert day_begins(day, zone_of(zone)) == datetime.fromisoformat(begins)


zones = st.sampled_from(
    ["America/New_York", "Asia/Shanghai", "America/Sao_Paulo", "Europe/Lisbon", "Australia/Lord_Howe"]
)


@given(st.dates(date(1970, 1, 2), date(2037, 12, 31)), zones)
def test_the_instant_before_belongs_to_the_day_before(day: date, zone_name: str) -> None:
    zone = zone_of(zone_name)
    begins = day_begins(day, zone)
    assert local_day(begins, zone) == day
    assert local_day(begins - timedelta(seconds=1), zone) < day
    assert begins_a_day(begins, zone)
    assert not begins_a_day(begins + timedelta(seconds=1), zone)
    assert begins == start_of_day(day, zone)  # the independent model's


def test_a_name_that_is_no_zone_is_refused() -> None:
    for name in ("Nowhere/Here", "", "../etc", "America"):
        with pytest.raises(ValueError, match="no time zone"):
            zone_of(name)


def due(now: str, closed: str | None) -> list[str]:
    return [
        instant.astimezone(NEW_YORK).date().isoformat()
        for instant in days_due(
            datetime.fromisoformat(now),
            NEW_YORK,
            SIX_HOURS,
            None if closed is None else day_begins(date.fromisoformat(closed), NEW_YORK),
        )
    ]


def test_a_day_is_due_when_the_delay_has_passed() -> None:
    assert due("2018-01-10T10:59:59+00:00", "2018-01-09") == []
    assert due("2018-01-10T11:00:00+00:00", "2018-01-09") == ["2018-01-10"]


def test_the_first_day_ever_is_the_latest() -> None:
    assert due("2018-01-10T11:00:00+00:00", None) == ["2018-01-10"]


def test_missed_days_are_due_in_order_while_they_are_few() -> None:
    assert due("2018-01-10T11:00:00+00:00", "2018-01-06") == ["2018-01-07", "2018-01-08", "2018-01-09", "2018-01-10"]
    start = datetime(2018, 1, 10, 11, tzinfo=UTC)
    few = (start - timedelta(days=CATCH_UP_DAYS_MAX)).date().isoformat()
    many = (start - timedelta(days=CATCH_UP_DAYS_MAX + 1)).date().isoformat()
    assert len(due(start.isoformat(), few)) == CATCH_UP_DAYS_MAX
    assert due(start.isoformat(), many) == ["2018-01-10"]


def test_nothing_is_due_when_a_later_day_was_closed_by_command() -> None:
    assert due("2018-01-10T10:00:00+00:00", "2018-01-10") == []
