"""The programme's calendar (domain.md 2.3): local days, their first instants, and which of them may be closed by now.
The one thing not to break: a day begins at its first instant, also where midnight does not exist or comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

CATCH_UP_DAYS_MAX = 40  # days closed one by one after the stack was down; beyond that only the latest is closed
_SECOND = timedelta(seconds=1)
# A zone's offset lies within ±26 h of UTC at any time, so a day begins within this distance of its midnight in UTC.
_SEARCH = timedelta(hours=27)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of this IANA name. Raises ValueError for a name that is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown, a folder's name, a path
        raise ValueError(f"{name!r} is no time zone") from error


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The programme-local day on which an instant falls."""
    return instant.astimezone(zone).date()


@lru_cache(maxsize=512)
def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)  # fold=0: the first of two midnights
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == midnight.replace(tzinfo=None):
        return instant
    # Midnight falls into a gap: the day begins where the gap ends. Offsets change at whole seconds.
    before = midnight.replace(tzinfo=UTC) - _SEARCH
    after = midnight.replace(tzinfo=UTC) + _SEARCH
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if local_day(middle, zone) < day:
            before = middle
        else:
            after = middle
    return after


def begins_a_day(instant: datetime, zone: ZoneInfo) -> bool:
    """Whether a local day begins at exactly this instant."""
    return day_begins(local_day(instant, zone), zone) == instant


def days_due(now: datetime, zone: ZoneInfo, close_delay: timedelta, closed: datetime | None) -> Sequence[datetime]:
    """The `as_of` instants to be closed by now, oldest first: every missed one after `closed` while they are few, else
    the latest alone, which moves all clocks and judges all ends before it anyway (domain.md 2.3)."""
    latest_day = local_day(now, zone)
    while day_begins(latest_day, zone) + close_delay > now:
        latest_day -= timedelta(days=1)
    latest = day_begins(latest_day, zone)
    if closed is None:
        return [latest]
    missed: list[datetime] = []
    day = latest_day
    while (as_of := day_begins(day, zone)) > closed:
        missed.append(as_of)
        if len(missed) > CATCH_UP_DAYS_MAX:
            return [latest]
        day -= timedelta(days=1)
    return missed[::-1]
