"""Local days, weeks, months, quarters, years and birthdays, as spans of days over which something is counted. The one thing not to break:
a day lies in exactly one span of a kind, so nothing is counted twice and nothing falls between."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from tier_svc.domain.periods import plus_months

EVER = date.min
_ONE = timedelta(days=1)


class Span(NamedTuple):
    """From a local day up to another (exclusive); None: no end."""

    since: date
    until: date | None

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.since <= day and (self.until is None or day < self.until)


def span_of(per: str | None, day: date) -> Span:
    """The span of a kind in which a day lies; for ever where no kind is named, or one that needs more than a day (a birthday)."""
    if per == "day":
        return Span(day, day + _ONE)
    if per == "week":
        monday = day - timedelta(days=day.weekday())
        return Span(monday, monday + timedelta(days=7))
    months = {"month": 1, "quarter": 3, "year": 12}.get(per or "")
    if months is None:
        return Span(EVER, None)
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return Span(first, plus_months(first, months))


def birthday_near(birthday: tuple[int, int], before: int, after: int, day: date) -> Span:
    """The days around a birthday: those in which `day` lies, else the next ones. 29 February is 28 February in other years."""
    for year in range(day.year - 1, day.year + 3):
        on = _birthday_in(year, *birthday)
        span = Span(on - timedelta(days=before), on + timedelta(days=after + 1))
        if span.until is not None and day < span.until:
            return span
    raise ValueError(f"{birthday} is no day of a year")


def _birthday_in(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, 2, 28)
