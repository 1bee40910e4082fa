"""Growth tasks (domain.md 4, ADR 0010), counted anew from all that is known each time. Part of the independent model: it keeps nothing and
shares no code with a service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


@dataclass(frozen=True)
class Task:
    """Growth for a number of activities of one kind, once per period; `kind` is purchase or the kind of a deed as the model names it."""

    kind: str
    count: int
    growth: int
    per: str | None = None
    which: str | None = None
    photos: int = 0
    least_minor: int = 0
    within_days: int | None = None


def growth_by_tasks(tasks: Sequence[Task], orders: Iterable[Any], deeds: Iterable[Any], first: date, last: date) -> int:
    """What tasks give on the local days from `first` to `last`, by what happened on or before the last of them."""
    orders, deeds, given = list(orders), list(deeds), 0
    for task in tasks:
        periods: dict[Any, list[date]] = defaultdict(list)
        for day in _days_that_count(task, orders, deeds):
            if day <= last:
                periods[_period(task.per, day)].append(day)
        for days in periods.values():
            done = _done_on(task, days)
            if done is not None and done >= first:
                given += task.growth
    return given


def _days_that_count(task: Task, orders: Iterable[Any], deeds: Iterable[Any]) -> Iterable[date]:
    if task.kind == "purchase":
        return [order.day for order in orders if order.counts() and order.qualifying_minor >= task.least_minor]
    return [
        deed.day
        for deed in deeds
        if deed.kind == task.kind and deed.photos >= task.photos and (task.which is None or deed.which == task.which)
    ]


def _done_on(task: Task, days: Sequence[date]) -> date | None:
    """The local day by which enough have happened, in the order of days."""
    for day in sorted(set(days)):
        since = day - timedelta(days=task.within_days - 1) if task.within_days else date.min
        if sum(since <= each <= day for each in days) >= task.count:
            return day
    return None


def _period(per: str | None, day: date) -> Any:
    match per:
        case "day":
            return day
        case "week":  # begins on Monday
            return day.isocalendar()[:2]
        case "month":
            return day.year, day.month
        case "quarter":
            return day.year, (day.month + 2) // 3
        case "year":
            return day.year
    return None
