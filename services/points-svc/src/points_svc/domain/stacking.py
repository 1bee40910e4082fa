"""Which earning rules apply to a line, and what they add to its rate (features.md P36). The one thing not to break: the order of rules is
explicit: in a stack group the highest priority wins, and two of one group never have the same; which was written last is nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class EarningRule(Protocol):
    """As the programme says it."""

    @property
    def id(self) -> str: ...
    @property
    def rate(self) -> str: ...
    @property
    def categories(self) -> Sequence[str]: ...
    @property
    def channels(self) -> Sequence[str]: ...
    @property
    def priority(self) -> int: ...
    @property
    def stack_group(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Extra:
    """A rule made ready: millionths of a point per major unit, for lines of these categories in these channels; empty: all."""

    id: str
    millionths: int
    categories: frozenset[str]
    channels: frozenset[str]
    priority: int
    group: str | None

    def applies(self, category: str, channel: str) -> bool:
        return (not self.categories or category in self.categories) and (not self.channels or channel in self.channels)


def in_order(extras: Sequence[Extra]) -> tuple[Extra, ...]:
    """The highest priority first; at equal ones, which stand in no common group, by name."""
    return tuple(sorted(extras, key=lambda extra: (-extra.priority, extra.id)))


def applied(extras: Sequence[Extra], category: str, channel: str) -> list[Extra]:
    """Of the rules, in order, those that count for a line: of each group the first that applies."""
    found: list[Extra] = []
    taken: set[str] = set()
    for extra in extras:
        if extra.applies(category, channel) and extra.group not in taken:
            found.append(extra)
            if extra.group is not None:
                taken.add(extra.group)
    return found


def problems(rules: Sequence[EarningRule]) -> list[str]:
    """What is wrong with them, in sentences."""
    ids = Counter(rule.id for rule in rules)
    places = Counter((rule.stack_group, rule.priority) for rule in rules if rule.stack_group is not None)
    return [f"points.purchase.extra: {name!r} stands there twice" for name, count in ids.items() if count > 1] + [
        f"points.purchase.extra: two rules of {group!r} have the priority {priority}"
        for (group, priority), count in places.items()
        if count > 1
    ]
