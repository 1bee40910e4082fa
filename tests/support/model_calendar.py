"""The programme's calendar (domain.md 2.3): local days, their first instants, months that clip. Part of the independent model."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The programme-local day on which an instant falls."""
    return instant.astimezone(zone).date()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC. Midnight may not exist: then the day begins where the gap ends."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # In a gap fold=1 gives an instant before the change and fold=0 one at or after it: walk from the one to the other.
    instant = midnight.replace(fold=1).astimezone(UTC)
    while local_day(instant, zone) < day:
        instant += timedelta(minutes=1)
    return instant


def plus_months(day: date, months: int) -> date:
    """*+ n months* clips to the last day of the month (29 Feb + 12 months = 28 Feb)."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    for last in (day.day, 30, 29, 28):
        if last <= day.day:
            try:
                return date(year, month + 1, last)
            except ValueError:
                continue
    raise AssertionError("every month has a 28th day")


def end_of_lot(earned: datetime, months: int, zone: ZoneInfo) -> datetime:
    """When a lot expires (domain.md 3.4): the end of the local month of the activity, `months` on; exclusive."""
    first = local_day(earned, zone).replace(day=1)
    return start_of_day(plus_months(first, months + 1), zone)
