"""The four judgements of domain.md 4: up after an activity, kept or lapsed at a period end, down after a refund. Pure: a standing, the
values of the metrics and the rules go in, a move comes out. The one thing not to break: values are taken as of the day that each
judgement names; who calls has to bring the right ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from tier_svc.domain.conditions import first_that_holds, told, told_all
from tier_svc.domain.ladder import LOWEST, Rules

ONE_DAY = timedelta(days=1)

Values = Sequence[int]


@dataclass(frozen=True, slots=True)
class Standing:
    """The tier a member holds. `tier` "" is the lowest one, held since enrolment; instants are UTC.

    `restart`: the instant of the last lapse, where `spend_total` and `largest_order` start anew. `decided_on`: the day as of which the
    present period was decided, and `restart_before`: `restart` as it stood before that decision (domain.md 4.3 b). `joined`: the local
    day of the member's first record. `due`: when `until` is judged, where that is later (grace)."""

    tier: str = ""
    since: datetime | None = None
    until: datetime | None = None
    held_since: date | None = None
    restart: datetime | None = None
    decided_on: date | None = None
    restart_before: datetime | None = None
    joined: date | None = None
    due: datetime | None = None

    @property
    def judged_at(self) -> datetime | None:
        """When the running period is judged; None: never."""
        return self.due or self.until

    def visible(self) -> tuple[str, datetime | None, datetime | None]:
        """What a correction is compared by (domain.md 2.3)."""
        return self.tier, self.since, self.until


@dataclass(frozen=True, slots=True)
class Move:
    """What a judgement comes to: the new standing, from when on, and why, with the values it was decided by."""

    standing: Standing
    since: datetime
    rule: str
    values: tuple[int, ...]
    rules: Rules


def last_day_before(rules: Rules, until: datetime) -> date:
    """The last local day before a period end (domain.md 4.2)."""
    return rules.calendar.day_of(until) - ONE_DAY


def after_activity(rules: Rules, now: Standing, clock: datetime, values: Values) -> Move | None:
    """Up at once (domain.md 4.1): the highest tier whose `reach` holds as of the day of the clock, if it lies above the present one. The
    present one reached again changes nothing, unless the version lets it renew."""
    present = rules.rank(now.tier)
    for rank in range(len(rules.ladder) - 1, present, -1):
        tier = rules.ladder[rank]
        clause = first_that_holds(tier.reach, values)
        if clause is not None:
            raised = _decided_at_clock(rules, now, rank, clock)
            return Move(raised, clock, f"{tier.id} is reached: {told(clause, values)}", tuple(values), rules)
    return _renewed(rules, now, present, clock, values) if rules.ladder[present].renews else None


def _renewed(rules: Rules, now: Standing, rank: int, clock: datetime, values: Values) -> Move | None:
    """The present tier for a new period from the clock on, if it is reached again and would last longer by that."""
    tier = rules.ladder[rank]
    clause = first_that_holds(tier.reach, values)
    if clause is None or now.until is None:
        return None
    renewed = _decided_at_clock(rules, now, rank, clock)
    if renewed.until is not None and renewed.until <= now.until:
        return None
    return Move(renewed, clock, f"{tier.id} is reached again: {told(clause, values)}", tuple(values), rules)


def after_end(rules: Rules, now: Standing, end: datetime, values: Values) -> Move:
    """At `until`, which is `end` (domain.md 4.2): kept for another period, or lapsed, with counters that start anew there. `values` are as
    of the last local day before `until`, `rules` those in force at `until`."""
    rank = rules.rank(now.tier)
    tier = rules.ladder[rank]
    decided_on = last_day_before(rules, end)
    clause = first_that_holds(tier.keep, values)
    if clause is not None or tier.on_lapse == "never":
        kept = replace(_period(rules, now, rank, end), decided_on=decided_on, restart_before=now.restart)
        why = f"{tier.id} is kept: {told(clause or (), values)}"
        return Move(kept, end, why, tuple(values), rules)
    lower, why = rank - 1, "one step down"
    if tier.on_lapse == "to_kept":
        lower, why = _highest_kept(rules, rank, values)
    lapsed = replace(_period(rules, now, lower, end), restart=end, decided_on=decided_on, restart_before=now.restart)
    return Move(lapsed, end, f"{tier.id} is not kept: {told_all(tier.keep, values)}; {why}", tuple(values), rules)


def after_refund(
    rules: Rules, now: Standing, clock: datetime, values: Values, decided: Callable[[date, datetime | None], Values]
) -> Move | None:
    """Down, perhaps (domain.md 4.3). `values` are as of the day of the clock; `decided` fetches those as of the day on which the present
    period was decided, with the counters as they stood before. A drop begins a period and is no lapse: counters run on."""
    rank = rules.rank(now.tier)
    tier = rules.ladder[rank]
    if rank == LOWEST or now.decided_on is None or tier.permanent or not rules.lowers_at_once:
        return None
    if first_that_holds(tier.reach, values) is not None or first_that_holds(tier.keep, values) is not None:
        return None
    then = decided(now.decided_on, now.restart_before)
    if first_that_holds(tier.reach, then) is not None or first_that_holds(tier.keep, then) is not None:
        return None
    lower, why = LOWEST, f"{rules.ladder[LOWEST].id} always holds"
    for below in range(rank - 1, LOWEST, -1):
        step = rules.ladder[below]
        clause = first_that_holds(step.reach, values) or first_that_holds(step.keep, values)
        if clause is not None:
            lower, why = below, f"{step.id} holds: {told(clause, values)}"
            break
    failed = told_all((*tier.reach, *tier.keep), values)
    rule = f"after the refund {tier.id} no longer holds: {failed}, nor as of {now.decided_on.isoformat()}; {why}"
    return Move(_decided_at_clock(rules, now, lower, clock), clock, rule, tuple(values), rules)


def _highest_kept(rules: Rules, rank: int, values: Values) -> tuple[int, str]:
    for below in range(rank - 1, LOWEST, -1):
        tier = rules.ladder[below]
        clause = first_that_holds(tier.keep, values)
        if clause is not None:
            return below, f"{tier.id} is: {told(clause, values)}"
    return LOWEST, f"{rules.ladder[LOWEST].id} always is"


def _decided_at_clock(rules: Rules, now: Standing, rank: int, clock: datetime) -> Standing:
    today = rules.calendar.day_of(clock)
    return replace(_period(rules, now, rank, clock), decided_on=today, restart_before=now.restart)


def _period(rules: Rules, now: Standing, rank: int, since: datetime) -> Standing:
    """A new period from `since`, by the terms of the tier; its grace is settled with it and stays, like its `until`."""
    first, until, due = rules.calendar.day_of(since), None, None
    if rank != LOWEST:
        terms = rules.ladder[rank].terms
        until = terms.until(rules.calendar, first, now.joined)
        due = terms.due(rules.calendar, until)
    held_since = now.held_since if rank == rules.rank(now.tier) else first
    return replace(now, tier=rules.ladder[rank].id, since=since, until=until, due=due, held_since=held_since)
