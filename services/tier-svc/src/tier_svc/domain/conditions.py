"""Conditions of the ladder (domain.md 4) in the form in which they are judged: clauses of leaves that look into a list of values. The
one thing not to break: the first three slots of a list of values are the totals, the windows of `gauges` follow in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, NamedTuple, Protocol

SPEND_TOTAL, LARGEST_ORDER, GROWTH_TOTAL = range(3)
TOTALS = ("spend_total", "largest_order", "growth_total")
WINDOWS = ("spend_in_days", "orders_in_days", "growth_in_days", "complaints_in_days", "active_days_in_days")
SPEND, ORDERS, GROWTH, COMPLAINTS, ACTIVE = range(5)  # the fields of a daily bucket, in the order of WINDOWS


class ConditionWords(Protocol):
    """A condition as the programme document writes it."""

    @property
    def metric(self) -> str | None: ...
    @property
    def days(self) -> int | None: ...
    @property
    def at_least(self) -> int | None: ...
    @property
    def at_most(self) -> int | None: ...
    @property
    def all(self) -> Sequence[ConditionWords]: ...
    @property
    def any(self) -> Any: ...  # unset, and falsy, where the document says nothing
    @property
    def always(self) -> bool: ...


class Window(NamedTuple):
    """A sum of one field of the daily buckets over the `days` local days that end with the day of the clock."""

    field: int
    days: int

    def __str__(self) -> str:
        return f"{WINDOWS[self.field]}({self.days})"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. `slot` is its place in the list of values; amounts in minor units, the rest are counts."""

    name: str
    slot: int
    at_least: int | None
    at_most: int | None

    def holds(self, values: Sequence[int]) -> bool:
        value = values[self.slot]
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def told(self, values: Sequence[int]) -> str:
        """The comparison with its value, as a sentence of a reason."""
        value, parts = values[self.slot], []
        if self.at_least is not None:
            parts.append(f"{self.name} {value} {'≥' if value >= self.at_least else '<'} {self.at_least}")
        if self.at_most is not None:
            parts.append(f"{self.name} {value} {'≤' if value <= self.at_most else '>'} {self.at_most}")
        return " and ".join(parts)


Clause = tuple[Leaf, ...]  # all of these; an empty one always holds


class Gauges:
    """The windows that a programme version looks through; the totals come first by themselves."""

    def __init__(self, words: Iterable[ConditionWords]) -> None:
        found = {window for condition in words for window in _windows(condition)}
        self.windows: tuple[Window, ...] = tuple(sorted(found))
        self.names: tuple[str, ...] = TOTALS + tuple(str(window) for window in self.windows)
        self._slots = {name: slot for slot, name in enumerate(self.names)}

    def clauses(self, words: ConditionWords) -> tuple[Clause, ...]:
        """A condition of the document as clauses, any of which is enough. Raises ValueError for one that says nothing or lacks its days."""
        if words.always:
            return ((),)
        if words.all:
            ways = product(*(self.clauses(part) for part in words.all))
            return tuple(tuple(leaf for clause in way for leaf in clause) for way in ways)
        if words.any:
            return tuple(clause for part in words.any for clause in self.clauses(part))
        name = metric_name(words)
        if words.at_least is None and words.at_most is None:
            raise ValueError(f"{name} is compared with nothing")
        return ((Leaf(name, self._slots[name], words.at_least, words.at_most),),)

    def clause(self, words: ConditionWords) -> Clause:
        """The one clause of a condition without `any`."""
        (only,) = self.clauses(words)
        return only


def parts_of(words: ConditionWords) -> Sequence[ConditionWords]:
    """The conditions that one is joined of."""
    return words.all or words.any or ()


def ways_of(words: ConditionWords) -> int:
    """How many clauses a condition comes to."""
    if words.all:
        return prod(ways_of(part) for part in words.all)
    return sum(ways_of(part) for part in words.any) if words.any else 1


def metric_name(words: ConditionWords) -> str:
    """`spend_total`, `spend_in_days(365)`. Raises ValueError where metric and days do not fit together."""
    if words.metric is None:
        raise ValueError("a condition needs a metric, `all`, `any` or `always`")
    if words.metric in TOTALS:
        if words.days is not None:
            raise ValueError(f"{words.metric} takes no days")
        return words.metric
    if words.metric not in WINDOWS:
        raise ValueError(f"unknown metric {words.metric}")
    if words.days is None:
        raise ValueError(f"{words.metric} needs days")
    return f"{words.metric}({words.days})"


def first_that_holds(clauses: Sequence[Clause], values: Sequence[int]) -> Clause | None:
    """The first clause all of whose leaves hold."""
    for clause in clauses:
        for leaf in clause:
            value = values[leaf.slot]
            if (leaf.at_least is not None and value < leaf.at_least) or (
                leaf.at_most is not None and value > leaf.at_most
            ):
                break
        else:
            return clause
    return None


def told(clause: Clause, values: Sequence[int]) -> str:
    """A clause with its values, in words."""
    return " and ".join(leaf.told(values) for leaf in clause) or "always"


def told_all(clauses: Sequence[Clause], values: Sequence[int]) -> str:
    """Why none of the clauses holds."""
    return "; ".join(told(clause, values) for clause in clauses) or "nothing holds it"


def _windows(words: ConditionWords) -> set[Window]:
    if parts := parts_of(words):
        return {window for part in parts for window in _windows(part)}
    if words.always:
        return set()
    metric_name(words)
    if words.metric in WINDOWS and words.days is not None:
        return {Window(WINDOWS.index(words.metric), words.days)}
    return set()
