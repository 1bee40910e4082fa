"""The programme's calendar (domain.md 2.3): local days, their first instants, periods of months. The one thing not to break: every
instant that leaves this room is UTC, so that comparing two of them never asks a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


def plus_months(day: date, months: int) -> date:
    """`months` on, clipped to the last day of the month: 29 Feb + 12 months = 28 Feb."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for clipped in (day.day, 30, 29):
        if clipped <= day.day:
            try:
                return date(year, month + 1, clipped)
            except ValueError:
                continue
    return date(year, month + 1, 28)


class Calendar:
    """Days of one zone. Keeps the first instants that it has worked out, because a batch asks for the same few again and again."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self._tz = ZoneInfo(zone)
        self._starts: dict[date, datetime] = {}

    def day_of(self, instant: datetime) -> date:
        """The local day on which an instant falls."""
        return instant.astimezone(self._tz).date()

    def start_of(self, day: date) -> datetime:
        """The first instant of a local day, in UTC."""
        start = self._starts.get(day)
        if start is None:
            start = self._starts[day] = self._first_instant(day)
        return start

    def end_of_period(self, first: date, months: int) -> datetime:
        """Where a period ends (exclusive) that began on `first`: the start of the local day `months` later."""
        return self.start_of(plus_months(first, months))

    def _first_instant(self, day: date) -> datetime:
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._tz)
        instant = midnight.astimezone(UTC)
        if instant.astimezone(self._tz).replace(tzinfo=None) == midnight.replace(tzinfo=None):
            return instant
        # Midnight does not exist: halve towards the change of the clocks, from an instant surely before to one surely on the day.
        before, after = instant - timedelta(days=1), instant
        while after - before > _SECOND:
            middle = before + (after - before) // 2
            middle = middle.replace(microsecond=0)
            if middle <= before:
                break
            if self.day_of(middle) < day:
                before = middle
            else:
                after = middle
        return after
