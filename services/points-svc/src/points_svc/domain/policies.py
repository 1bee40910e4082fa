"""When points expire (domain.md 3.4): at the end of a month, quarter or year, or on fixed dates. The one thing not to break: the same day
gives the same instant for ever, and a later day never an earlier one."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from points_svc.domain import calendar

ROLLING = "rolling"
CALENDAR = "calendar"
SLIDING = "sliding"
MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Policy:
    """One programme's rule. `dates`: (month, day), the last day on which points can be spent; ascending."""

    kind: str
    months: int
    ends: str
    dates: tuple[tuple[int, int], ...]
    zone: ZoneInfo

    @property
    def slides(self) -> bool:
        """Whether a purchase prolongs everything that lives."""
        return self.kind == SLIDING

    def expires_at(self, day: date) -> datetime:
        """When a lot earned on a local day expires, exclusive."""
        return _expires_at(self, day)


@lru_cache(maxsize=10_000)
def _expires_at(policy: Policy, day: date) -> datetime:
    if policy.kind == CALENDAR:
        return calendar.start_of_day(
            _first_from(policy.dates, months_on(day, policy.months)) + timedelta(days=1), policy.zone
        )
    # Months are counted, never days: the 31st plus a month stays in the next month.
    month = day.year * 12 + day.month - 1 + policy.months
    months = MONTHS_IN[policy.ends]
    following = (month // months + 1) * months
    return calendar.start_of_day(date(following // 12, following % 12 + 1, 1), policy.zone)


def months_on(day: date, months: int) -> date:
    """`months` later; the last day of that month where it has no such day (domain.md 2.3)."""
    month = day.year * 12 + day.month - 1 + months
    return _clipped(month // 12, month % 12 + 1, day.day)


def _first_from(dates: Sequence[tuple[int, int]], day: date) -> date:
    """The first of these dates of any year that is not before a day."""
    return next(
        found
        for year in (day.year, day.year + 1)
        for month, of_month in dates
        if (found := _clipped(year, month, of_month)) >= day
    )


def _clipped(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, monthrange(year, month)[1]))


def problems(kind: str, dates: Sequence[str]) -> list[str]:
    """What is wrong with a policy, in sentences."""
    if kind != CALENDAR:
        return ["points.expiry: dates belong to the policy calendar"] if dates else []
    if not dates:
        return ["points.expiry: the policy calendar needs dates, such as 12-31"]
    found = [f"points.expiry: {text!r} is no day of any year" for text in dates if not _is_a_day(text)]
    return found + (["points.expiry: a date stands there twice"] if len(set(dates)) < len(dates) else [])


def days_of(dates: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """ "12-31" as (12, 31), ascending."""
    return tuple(sorted((int(text[:2]), int(text[3:])) for text in dates))


def _is_a_day(text: str) -> bool:
    month, day = int(text[:2]), int(text[3:])
    return 1 <= month <= 12 and 1 <= day <= monthrange(2024, month)[1]  # a leap year: 02-29 is a day, clipped in others
