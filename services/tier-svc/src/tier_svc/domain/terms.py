"""How long a tier lasts and how long its judgement waits (domain.md 4.1, 4.2): rolling, by the calendar, by the day of joining, for ever;
grace up to the end of a month, quarter or year. The one thing not to break: a period that begins on a day ends after that day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, timedelta
from typing import Any

from tier_svc.domain.periods import Calendar, plus_months

ONE_DAY = timedelta(days=1)
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}


def on_or_after(day: date, unit: str) -> date:
    """The first day of a month, quarter or year that is not before `day`; `day` itself where the unit is a day."""
    if unit == "day":
        return day
    months = MONTHS_OF[unit]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    return first if first == day else plus_months(first, months)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one tier under one version. `dates`: (month, day) of the last days of periods, for the kind `calendar`."""

    kind: str
    months: int
    ends: str = "day"
    dates: tuple[tuple[int, int], ...] = ()
    grace_days: int = 0
    grace_ends: str = "day"

    @classmethod
    def of(cls, tiers: Any, tier: Any) -> Terms:
        """As the programme document writes them; what it leaves out is falsy."""
        period = tiers.period or None
        months = tier.validity_months if isinstance(tier.validity_months, int) else tiers.validity_months
        kind = period.kind if period else "rolling"
        return cls(
            "none" if tier.permanent else kind,
            months,
            period.ends if period else "day",
            tuple((int(text[:2]), int(text[3:])) for text in period.dates) if period else (),
            tiers.grace_days,
            tiers.grace_ends or "day",
        )

    def until(self, calendar: Calendar, first: date, joined: date | None) -> datetime | None:
        """Where a period ends (exclusive) that begins on the local day `first`; None: nowhere."""
        if self.kind == "none":
            return None
        if self.kind == "anniversary" and joined is not None:
            return calendar.start_of(self._anniversary_after(first, joined))
        on = plus_months(first, self.months)
        if self.kind == "calendar" and self.dates:
            return calendar.start_of(_first_of(self.dates, on) + ONE_DAY)
        if self.ends != "day":
            on = on_or_after(max(on, first + ONE_DAY), self.ends)
        return calendar.start_of(on)

    def due(self, calendar: Calendar, until: datetime | None) -> datetime | None:
        """When the end of a period is judged; None: at the end itself."""
        if until is None or (self.grace_days == 0 and self.grace_ends == "day"):
            return None
        day = calendar.day_of(until) + timedelta(days=self.grace_days)
        due = calendar.start_of(on_or_after(day, self.grace_ends))
        return due if due > until else None

    def _anniversary_after(self, first: date, joined: date) -> date:
        apart = (first.year - joined.year) * 12 + first.month - joined.month
        times = max(apart // self.months - 1, 1)
        while (day := plus_months(joined, times * self.months)) <= first:
            times += 1
        return day


def _first_of(dates: Sequence[tuple[int, int]], day: date) -> date:
    """The first of some dates of the year that is not before `day`; 29 February is the 28th where there is none."""
    candidates = (
        _on(year, month, number) for year in range(day.year, min(day.year + 2, MAXYEAR)) for month, number in dates
    )
    return min(candidate for candidate in candidates if candidate >= day)


def _on(year: int, month: int, number: int) -> date:
    try:
        return date(year, month, number)
    except ValueError:
        return plus_months(date(year, month, 1), 1) - ONE_DAY
