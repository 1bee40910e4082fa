"""The programme's calendar (domain.md 2.3): local days, their first instants, and when a lot expires. The one thing not to break:
days and months are those of the programme's zone, never of UTC and never of the machine."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The programme-local day on which an instant falls."""
    return instant.astimezone(zone).date()


@lru_cache(maxsize=10_000)
def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC. Midnight may not exist: then the day begins where the gap ends."""
    midnight = datetime.combine(day, time(0), zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # In a gap the two folds lie on either side of the change; halve the seconds between them until the change is found.
    before = int(midnight.replace(fold=1).astimezone(UTC).timestamp()) - 1
    after = int(instant.timestamp())
    while after - before > 1:
        middle = (before + after) // 2
        if local_day(datetime.fromtimestamp(middle, UTC), zone) < day:
            before = middle
        else:
            after = middle
    return datetime.fromtimestamp(after, UTC)


@lru_cache(maxsize=10_000)
def _start_of_month(year: int, months: int, zone: ZoneInfo) -> datetime:
    return start_of_day(date(year + (months - 1) // 12, (months - 1) % 12 + 1, 1), zone)


def expires_at(day: date, months: int, zone: ZoneInfo) -> datetime:
    """When a lot earned on a local day expires, exclusive (domain.md 3.4): at the end of that month, `months` on."""
    return _start_of_month(day.year, day.month + months + 1, zone)


def start_of_day_after(day: date, days: int, zone: ZoneInfo) -> datetime:
    """The first instant of the local day that lies `days` after `day`."""
    return start_of_day(day + timedelta(days=days), zone)
