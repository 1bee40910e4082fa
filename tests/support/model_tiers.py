"""Standings of one member (domain.md 2.3 and 4): up at once, period ends, refunds, ends judged again. Independent model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.support.model_calendar import local_day, plus_months, start_of_day
from tests.support.model_events import Event, Order, Refund, kind_of
from tests.support.model_metrics import AsOf, Known, any_holds, deed_of
from tests.support.model_programme import LOWEST, Programme, Tier

ONE_DAY = timedelta(days=1)
NO_ACTIVITY = ("closed", "refund", "registered", "decided", "takenback")  # these judge no reach, and no end again


@dataclass(frozen=True)
class Fact:
    """A standing fact (domain.md 4.7). Tiers are numbers; `at` is the clock or the period end that it was decided at."""

    ordinal: int
    holds_after: int
    kind: str  # raised, kept, lapsed, lowered, corrected; overridden in model_overlays
    tier_from: int
    tier_to: int
    since: datetime | None
    until: datetime | None
    cause: str
    at: datetime


@dataclass(frozen=True)
class Standing:
    """The tier a member holds, since when and until when, and what the next judgement needs to know."""

    tier: int = LOWEST
    since: datetime | None = None
    until: datetime | None = None  # exclusive; None: the lowest tier has no end
    held_since: date | None = None
    restart: datetime | None = None  # the instant of the last lapse: spend_total and largest_order start anew there
    decided_day: date = date.min  # the day as of which the present period was decided
    restart_at_decision: datetime | None = None  # the counters as they stood before that decision

    def visible(self) -> tuple[int, datetime | None, datetime | None]:
        """What a correction is compared by (domain.md 2.3)."""
        return self.tier, self.since, self.until


@dataclass(frozen=True)
class End:
    """A judged period end: what stood just before it, and the step on the way to which it was judged."""

    at: datetime
    before: Standing
    step: int


@dataclass(frozen=True)
class Step:
    """One thing that moved through the member: an event of the stream or a closed day, and the clock it had."""

    seq: int  # of the event; of a closed day: the last number before it
    clock: datetime
    kind: str  # closed, refund, registered or the kind of activity


class Standings:
    """Judges one member's stream in order, and keeps the facts."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.zone: ZoneInfo = programme.zone
        self.known = Known()
        self.standing = Standing()
        self.facts: list[Fact] = []
        self.ends: list[End] = []  # as corrected
        self.steps: list[Step] = []
        self.clock: datetime | None = None
        self.ends_judged = 0

    # what is read

    def tier_rating(self, seq: int) -> int:
        """The tier by which number `seq` is rated: highest ordinal among holds_after < seq (domain.md 3.1)."""
        for fact in reversed(self.facts):
            if fact.holds_after < seq:
                return fact.tier_to
        return LOWEST

    # what is fed

    def close_day(self, as_of: datetime) -> None:
        """The end of a day moves the clock and judges the ends up to it (domain.md 2.3)."""
        if self.clock is None or as_of <= self.clock:
            return
        last = max((step.seq for step in self.steps), default=0)
        self._walk(Step(last, as_of, "closed"), holds_after=last)

    def arrive(self, event: Event) -> None:
        """An event comes: the clock moves, and the ends on the way are judged before the event is known."""
        clock = event.time if self.clock is None else max(self.clock, event.time)
        self._walk(Step(event.seq, clock, kind_of(event)), holds_after=event.seq - 1)

    def judge(self, event: Event, order: Order | None) -> None:
        """Judge the event that has arrived; `order` = the new one of a purchase (a refund is off its order by now)."""
        step = self.steps[-1]
        if order is not None:
            self.known.orders.append(order)
        elif not isinstance(event, Refund):
            self.known.deeds.append(deed_of(event, self.zone))
        if event.time < step.clock and step.kind not in NO_ACTIVITY:
            self._judge_again(event)
        before = self.standing
        self.standing = self._after(step, self.known)
        if self.standing != before:
            kind = "raised" if self.standing.tier > before.tier else "lowered"
            if self.standing.tier == before.tier:
                kind = "kept"
            self._say(kind, event.seq, before.tier, f"{step.kind} {event.seq}", step.clock)

    def _walk(self, step: Step, holds_after: int) -> None:
        self.steps.append(step)
        self.clock = step.clock
        for before in self._walk_ends(step.clock, len(self.steps) - 1):
            self.ends_judged += 1
            self._say_end(before, holds_after)

    # period ends

    def _walk_ends(self, clock: datetime, step: int) -> Iterator[Standing]:
        """Judge all ends up to the clock, one after another; yields what stood before each, when it has been judged."""
        while (end := self.standing.until) is not None and end + self._tier().grace <= clock:
            before = self.standing
            self.standing = self._after_end(end)
            self.ends.append(End(end, before, step))
            yield before

    def _after_end(self, end: datetime) -> Standing:
        """Domain.md 4.2: kept, or lapsed to a lower tier with counters that start anew at the end."""
        now, tiers = self.standing, self.programme.tiers
        day = local_day(end, self.zone) - ONE_DAY
        as_of = AsOf(day, now.restart)
        on_lapse = tiers[now.tier].on_lapse
        if on_lapse == "never" or any_holds(tiers[now.tier].keep, self.known, as_of):
            return replace(self._period(now, now.tier, end), decided_day=day, restart_at_decision=now.restart)
        if on_lapse == "one_step":
            lower = now.tier - 1
        else:
            lower = max(t for t in range(now.tier) if t == LOWEST or any_holds(tiers[t].keep, self.known, as_of))
        fallen = self._period(now, lower, end)
        return replace(fallen, restart=end, decided_day=day, restart_at_decision=now.restart)

    def _period(self, now: Standing, tier: int, since: datetime) -> Standing:
        """A new period of a tier from `since`: until the start of the local day that lies `validity` after (4.1)."""
        first = local_day(since, self.zone)
        until = None
        if tier != LOWEST:
            until = start_of_day(plus_months(first, self.programme.tiers[tier].validity_months), self.zone)
        held = now.held_since if tier == now.tier else first
        return replace(now, tier=tier, since=since, until=until, held_since=held)

    # activities and refunds

    def _after(self, step: Step, known: Known) -> Standing:
        """After an activity: up at once (4.1); after a refund: perhaps down (4.3). Nothing else moves a member here."""
        if step.kind == "refund":
            return self._after_refund(step, known)
        if step.kind in NO_ACTIVITY:
            return self.standing
        return self._after_activity(step, known)

    def _after_activity(self, step: Step, known: Known) -> Standing:
        """The highest tier whose reach holds, if it is above the present one (4.1)."""
        day = local_day(step.clock, self.zone)
        as_of = AsOf(day, self.standing.restart)
        for tier in range(len(self.programme.tiers) - 1, self.standing.tier, -1):
            if any_holds(self.programme.tiers[tier].reach, known, as_of):
                return self._decided_at(step.clock, tier)
        return self._after_reaching_again(step, known, as_of)

    def _after_reaching_again(self, step: Step, known: Known, as_of: AsOf) -> Standing:
        """Reaching the present tier again changes nothing (4.1), unless the tier says so: then a new period, if it lasts longer."""
        now, present = self.standing, self._tier()
        if not present.requalify or not any_holds(present.reach, known, as_of):
            return now
        anew = self._decided_at(step.clock, now.tier)
        return anew if now.until is not None and anew.until is not None and anew.until > now.until else now

    def _after_refund(self, step: Step, known: Known) -> Standing:
        """The lower tier to which a refund drops the member, if the present one does not stay (4.3)."""
        now, tiers = self.standing, self.programme.tiers
        if now.tier == LOWEST or self.programme.on_refund != "at_once":
            return now
        today = AsOf(local_day(step.clock, self.zone), now.restart)
        decided = AsOf(now.decided_day, now.restart_at_decision)
        if any(any_holds(tiers[now.tier].reach + tiers[now.tier].keep, known, as_of) for as_of in (today, decided)):
            return now
        for tier in range(now.tier - 1, LOWEST, -1):
            if any_holds(tiers[tier].reach + tiers[tier].keep, known, today):
                return self._decided_at(step.clock, tier)
        return self._decided_at(step.clock, LOWEST)

    def _decided_at(self, clock: datetime, tier: int) -> Standing:
        now = self.standing
        day = local_day(clock, self.zone)
        return replace(self._period(now, tier, clock), decided_day=day, restart_at_decision=now.restart)

    # an end judged again

    def _judge_again(self, event: Event) -> None:
        """Domain.md 2.3: a late activity (at most 168 h) has every period end after it judged again."""
        clock = self.clock
        assert clock is not None
        if clock - event.time > self.programme.judged_again_within:
            return
        index = next((i for i, end in enumerate(self.ends) if event.time < end.at), None)
        if index is None:
            return
        first, was = self.ends[index], self.standing
        self.standing = first.before
        del self.ends[index:]
        last_end = first.at
        for number in range(first.step, len(self.steps) - 1):  # all since, without the late activity itself
            step = self.steps[number]
            for before in self._walk_ends(step.clock, number):
                last_end = before.until or last_end
            self.standing = self._after(step, self._known_at(step, last_end))
        if self.standing.visible() != was.visible():
            self._say("corrected", event.seq, was.tier, f"late activity {event.seq}", clock)

    def _known_at(self, step: Step, last_end: datetime) -> Known:
        """What counts at an activity judged again: what counted at the end before it, and what is numbered up to it."""
        return self.known.only(lambda seq, time: time < last_end or seq <= step.seq)

    # facts

    def _say_end(self, before: Standing, holds_after: int) -> None:
        end = before.until
        assert end is not None
        kind = "kept" if self.standing.tier == before.tier else "lapsed"
        self._say(kind, holds_after, before.tier, f"end {end.isoformat()}", end)

    def _say(self, kind: str, holds_after: int, tier_from: int, cause: str, at: datetime) -> None:
        now = self.standing
        ordinal = len(self.facts) + 1
        self.facts.append(Fact(ordinal, holds_after, kind, tier_from, now.tier, now.since, now.until, cause, at))

    def _tier(self) -> Tier:
        return self.programme.tiers[self.standing.tier]
