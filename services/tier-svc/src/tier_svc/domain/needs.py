"""What a member needs for the next tier and to keep this one, exact to the minor unit (domain.md 4.7). The one thing not to break: it is
told by the same values and conditions as the judge will use; nothing is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tier_svc.domain.conditions import Clause
from tier_svc.domain.ladder import LOWEST, Rules, Timeline
from tier_svc.domain.standing import last_day_before
from tier_svc.domain.stream import Stream


@dataclass(frozen=True, slots=True)
class Missing:
    """One comparison. `missing`: how much more is needed (negative: how much too much); minor units for spend, else a count."""

    metric: str
    have: int
    at_least: int | None
    at_most: int | None
    missing: int


@dataclass(frozen=True, slots=True)
class Need:
    """One way to a tier, all of whose comparisons must hold as of the day `as_of`; `by`: the instant at which it will be judged."""

    tier: str
    holds: bool
    as_of: date
    by: datetime | None
    all_of: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """Any of `next` lifts, any of `keep` holds. `keep` tells what is in the windows on the last day of the period if nothing more comes."""

    tier: str
    clock: datetime
    next: tuple[Need, ...]
    keep: tuple[Need, ...]


def values_now(stream: Stream, timeline: Timeline, clock: datetime) -> dict[str, int]:
    """The metrics that the version in force looks at, by name, as of the member's clock. Raises as `needs_of` does."""
    own = stream.sums
    stream.sums = own.fork()
    try:
        rules = timeline.at(clock)
        values = stream.values_as_of(rules, rules.calendar.day_of(clock))
        return {name: values[slot] for slot, name in enumerate(rules.gauges.names) if slot in rules.slots_used}
    finally:
        stream.sums = own


def needs_of(stream: Stream, timeline: Timeline, clock: datetime) -> Needs:
    """As of the member's clock. Raises LookupError where no version is in force, NeedsHistory where the sums cannot tell."""
    own = stream.sums
    stream.sums = own.fork()
    try:
        return _needs(stream, timeline, clock)
    finally:
        stream.sums = own


def _needs(stream: Stream, timeline: Timeline, clock: datetime) -> Needs:
    rules = timeline.at(clock)
    now = stream.standing
    rank = rules.rank(now.tier)
    following: tuple[Need, ...] = ()
    if rank + 1 < len(rules.ladder):
        above, today = rules.ladder[rank + 1], rules.calendar.day_of(clock)
        values = stream.values_as_of(rules, today)
        following = tuple(_need(above.id, clause, values, today, None) for clause in above.reach)
    kept: tuple[Need, ...] = ()
    if now.until is not None and rank != LOWEST:
        kept = _kept(stream, timeline.at(now.until), now.tier, now.until)
    return Needs(rules.name(now.tier), clock, following, kept)


def _kept(stream: Stream, rules: Rules, tier: str, until: datetime) -> tuple[Need, ...]:
    last = last_day_before(rules, until)
    values = stream.values_as_of(rules, last)
    return tuple(_need(tier, clause, values, last, until) for clause in rules.ladder[rules.rank(tier)].keep)


def _need(tier: str, clause: Clause, values: Sequence[int], as_of: date, by: datetime | None) -> Need:
    all_of = tuple(
        Missing(
            leaf.name,
            values[leaf.slot],
            leaf.at_least,
            leaf.at_most,
            _gap(values[leaf.slot], leaf.at_least, leaf.at_most),
        )
        for leaf in clause
    )
    return Need(tier, all(leaf.holds(values) for leaf in clause), as_of, by, all_of)


def _gap(have: int, at_least: int | None, at_most: int | None) -> int:
    if at_least is not None and have < at_least:
        return at_least - have
    if at_most is not None and have > at_most:
        return at_most - have
    return 0
