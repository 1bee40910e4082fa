"""Instants as they stand on PostgreSQL's wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laurel_kit import instants

INSTANTS = st.datetimes(
    datetime(2, 1, 1),
    datetime(9998, 12, 31),
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(INSTANTS)
def test_an_instant_comes_back_to_the_microsecond_and_in_utc(at: datetime) -> None:
    back = instants.read(instants.written(at))
    assert back == at
    assert back.tzinfo is UTC


def test_microseconds_count_from_the_year_2000_in_utc() -> None:
    assert instants.written(datetime(2000, 1, 1, tzinfo=UTC)) == (0,)
    assert instants.written(datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == (-1,)
    assert instants.written(datetime(2000, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))) == (86_400_000_000,)


def test_what_has_no_time_zone_is_refused_not_guessed() -> None:
    with pytest.raises(TypeError):
        instants.written(datetime(2026, 11, 29))


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_first_and_the_last_instant_come_back(at: datetime) -> None:
    assert instants.read(instants.written(at)) == at


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, 13, 59, 59, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 10, tzinfo=timezone(timedelta(hours=-14))),
    ],
)
def test_what_could_not_be_read_back_is_not_written(at: datetime) -> None:
    """What would break it: a record with such a time would be applied, and every reading of what it left would fail."""
    with pytest.raises(OverflowError):
        instants.written(at)


def test_infinity_is_no_instant_of_ours() -> None:
    with pytest.raises(OverflowError):
        instants.read((2**63 - 1,))
