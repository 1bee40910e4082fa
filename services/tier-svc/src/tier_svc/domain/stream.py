"""One member's stream under judgement: takes what is numbered, in order, and keeps what comes of it until the batch is saved. Pure. The
one thing not to break: the order of steps in `_arrive` and after it (ends on the way are judged before the activity is known; the activity
is known before an end is judged again; its own rise comes last), because the worked examples of domain.md 4 depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from tier_svc.domain.clubs import Clubs, ClubStanding, Told
from tier_svc.domain.conditions import GROWTH_TOTAL, LARGEST_ORDER, SPEND_TOTAL
from tier_svc.domain.facts import Cause, Fact, Kind, PeriodEnd
from tier_svc.domain.judging_again import WITHIN, Again, judge_again
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measured import Measured
from tier_svc.domain.measures import Sums
from tier_svc.domain.orders import (
    GROWTH_OF,
    QUIET,
    Deed,
    LineWords,
    Order,
    RefundLineWords,
    lines_that_do_not_qualify,
)
from tier_svc.domain.overlaying import Overlay, Override, TakenBack
from tier_svc.domain.standing import Move, Standing, after_activity, after_end, after_refund, last_day_before
from tier_svc.domain.steps import Close, Past, Step
from tier_svc.domain.tasks import Doing, Efforts

__all__ = ["Close", "Past", "Step", "Stream"]


class Stream(Measured):
    """A member. What is stored comes in by the constructor; what the batch changes is read off the attributes afterwards."""

    __slots__ = (
        "_moved_before", "_stored", "born_as_of", "changed", "clock", "clubs", "ends", "facts", "last_end", "last_seq", "member_id",
        "orders", "ordinal", "overlay", "partition", "path", "touched", "undone_from",
    )  # fmt: skip

    def __init__(
        self,
        member_id: UUID,
        partition: int,
        *,
        sums: Sums,
        standing: Standing,
        last_seq: int = 0,
        clock: datetime | None = None,
        born_as_of: datetime | None = None,
        ordinal: int = 0,
        last_end: datetime | None = None,
        is_new: bool = True,
        orders: dict[str, Order] | None = None,
        past: Past | None = None,
        efforts: Efforts | None = None,
        overrides: Iterable[Override] = (),
        clubs: Iterable[ClubStanding] = (),
    ) -> None:
        self.member_id = member_id
        self.efforts = efforts  # what was done for tasks, as far as this batch asks; None: nothing is at hand
        self.partition = partition
        self.last_seq = last_seq
        self.clock = clock
        # The last day that had been closed when the stream began: it does not move this member.
        self.born_as_of = born_as_of
        self.standing = self._stored = standing
        self._moved_before = not is_new and clock is not None
        self.ordinal = ordinal
        self.last_end = last_end
        self.sums = sums
        self.is_new = is_new
        self.past = past
        self.orders = orders if orders is not None else {}  # by order_id, as far as this batch asks for them
        if past is not None:
            self.orders.update((order.order_id, order) for order in past.orders)
        self.touched = False
        self.purchases: list[Order] = []
        self.changed: dict[int, Order] = {}
        self.deeds: list[Deed] = []
        self.facts: list[Fact] = []
        self.ends: list[PeriodEnd] = []
        self.path: dict[datetime, str] = {}  # from when on which tier was held, as corrected
        self.overlay = Overlay(overrides)
        self.clubs = Clubs(clubs)
        self.undone_from: datetime | None = None  # stored ends and path from here on are replaced

    @property
    def only_moved(self) -> bool:
        """Whether the stored member stands as before: only his number, clock and sums have moved."""
        return (
            self.standing is self._stored
            and self._moved_before
            and not self.facts
            and not (self.overlay.changed or self.overlay.taken or self.clubs.changed)
        )

    @property
    def wakes_at(self) -> datetime | None:
        """The next instant at which something is judged without an activity: a period end, the start or the end of an override."""
        due = self.standing.judged_at
        if not self.overlay.entries and not self.clubs.kept:
            return due
        return min(filter(None, (due, self.overlay.next_turn, self.clubs.next_end)), default=None)

    # what is fed

    def close(self, close: Close) -> None:
        """A day is closed: judge the ends up to it. The clock of a member without one due is moved when something is asked of it."""
        wakes = self.wakes_at
        if wakes is not None and wakes <= close.as_of and (self.born_as_of is None or close.as_of > self.born_as_of):
            if self.clock is None or close.as_of > self.clock:
                self.clock = close.as_of
            self.touched = True
            self._wake(close.as_of, self.last_seq, close.timeline)

    def move_on(self, closed: datetime | None) -> None:
        """The clock catches up with the last closed day before something numbered is taken."""
        if closed is None or self.clock is None or closed <= self.clock:
            return
        if self.born_as_of is None or closed > self.born_as_of:
            self.clock = closed

    def decided(self, step: Step) -> None:
        """A decision about the member, or a type nobody knows: it is numbered and moves the clock, and judges the ends on the way."""
        self._arrive(step)

    def override(self, step: Step, entry: Override) -> None:
        """Something laid on top of the computed tier. It applies to what is numbered above it."""
        clock = self._arrive(step)
        self.overlay.take(entry, step.timeline.at(clock), clock)
        self._turn(clock, step.seq, step.timeline)

    def take_back(self, step: Step, override_seq: int, since: datetime, reason: str, actor: str) -> None:
        """An override ends early; what lies below it applies to what is numbered above this."""
        clock = self._arrive(step)
        self.overlay.take_back(TakenBack(step.seq, override_seq, since, clock, reason, actor))
        self._turn(clock, step.seq, step.timeline)

    def purchase(self, step: Step, order_id: str, lines: Sequence[LineWords], amount: int, stamped: Rules) -> None:
        """A sale of `amount` minor units. `stamped` is the version of its own time, which says what qualifies."""
        clock = self._arrive(step)
        rules = self._today(step.timeline, clock)
        excluded: tuple[tuple[str, ...], int] = ((), 0)
        if stamped.not_qualifying:
            excluded = lines_that_do_not_qualify(lines, stamped.not_qualifying)
        day, counted = step.day.toordinal(), amount - excluded[1]
        order = Order(step.seq, order_id, step.time, day, clock, amount, amount, counted, 0, excluded[0])
        growth = order.growth
        self._count(day, (counted, 1, growth, 0), active=True)
        values = self.sums.values
        values[GROWTH_TOTAL] += growth
        restart = self.standing.restart
        if restart is None or step.time >= restart:
            values[SPEND_TOTAL] += counted
            values[LARGEST_ORDER] = max(values[LARGEST_ORDER], counted)
        self.purchases.append(order)
        self.orders[order_id] = order
        if stamped.tasks:
            self._do(step, stamped, Doing("purchase"), counted)
        self._after(step, clock, rules)

    def deed(self, step: Step, kind: str, stamped: Rules | None = None, doing: Doing | None = None) -> None:
        """Any other activity: sign_in, review, share, join, complaint, survey. `stamped` is the version of its own time, which has tasks;
        `doing` what those ask about it."""
        clock = self._arrive(step)
        rules = self._today(step.timeline, clock)
        day, growth = step.day.toordinal(), GROWTH_OF.get(kind, 0)
        self._count(day, (0, 0, growth, 1 if kind == "complaint" else 0), active=kind not in QUIET)
        self.sums.values[GROWTH_TOTAL] += growth
        self.deeds.append(Deed(step.seq, step.time, day, clock, kind))
        if stamped is not None and stamped.tasks:
            self._do(step, stamped, doing or Doing(kind))
        self._after(step, clock, rules)

    def refund(self, step: Step, order_id: str, lines: Sequence[RefundLineWords], amount: int | None) -> None:
        """Money given back. Ends on the way are judged before it is known; it judges no end again and never raises."""
        order = self.orders.get(order_id)
        if order is None:
            raise ValueError(f"refund {step.seq} of order {order_id}, which is not this member's")
        clock = self._arrive(step)
        rules = self._today(step.timeline, clock)
        self.deeds.append(Deed(step.seq, step.time, step.day.toordinal(), clock, "refund"))
        counted, growth, counts = order.counted, order.growth, order.counts
        order.refund(lines, amount)
        self.changed[order.seq] = order
        less, less_growth = order.counted - counted, order.growth - growth
        self._count(order.day, (less, int(order.counts) - int(counts), less_growth, 0), active=False)
        values, restart = self.sums.values, self.standing.restart
        values[GROWTH_TOTAL] += less_growth
        if less and (restart is None or order.time >= restart):
            values[SPEND_TOTAL] += less
            if counted == values[LARGEST_ORDER]:
                values[LARGEST_ORDER] = self.history().largest_since(restart)
        if self.efforts is not None:
            moved = self.efforts.judge_order(order.seq, order.counted, order.counts, cause=step.seq, time=step.time)
            self._grow(moved)
        move = after_refund(
            rules, self.standing, clock, values, lambda day, restart: self._values_then(rules, day.toordinal(), restart)
        )
        if move is not None:
            self._take("lowered", Cause(f"activity {step.seq}", clock, step.seq), move)
        if rules.clubs:
            self._judge_clubs(step, clock, refund=True)

    # what is asked

    def say(
        self,
        kind: Kind,
        cause: Cause,
        move: Move,
        tier_from: str,
        *,
        replaced_from: datetime | None = None,
        path: tuple[tuple[datetime, str], ...] = (),
    ) -> None:
        """One more fact, with the reason that the move carries."""
        rules, on_top = move.rules, self.overlay.effective
        metrics = {name: move.values[slot] for slot, name in enumerate(rules.gauges.names) if slot in rules.slots_used}
        self.ordinal += 1
        self.facts.append(
            Fact(
                self.ordinal, cause.holds_after, kind, rules.name(tier_from), rules.name(move.standing.tier), move.standing,
                cause.at, cause.words, move.rule, metrics, rules.version, replaced_from, path,
                rules.name(on_top(rules, tier_from)), rules.name(on_top(rules, move.standing.tier)),
            )
        )  # fmt: skip

    # the steps of all

    def _arrive(self, step: Step) -> datetime:
        """The number and the clock, which is given back; ends on the way hold after the number before."""
        self.last_seq = step.seq
        self.touched = True
        clock = self.clock
        if clock is not None and step.time <= clock:
            return clock
        self.clock = step.time
        if clock is None and self.standing.joined is None:
            self.standing = replace(self.standing, joined=step.day)
        wakes = self.wakes_at
        if wakes is not None and wakes <= step.time:
            self._wake(step.time, step.seq - 1, step.timeline)
        return step.time

    def _wake(self, clock: datetime, holds_after: int, timeline: Timeline) -> None:
        """All that is due up to the clock, one after another; at equal instants period ends come before overrides (domain.md 4.4)."""
        while (wakes := self.wakes_at) is not None and wakes <= clock:
            if self.standing.judged_at == wakes:
                self._judge_end(holds_after, timeline)
            elif self.overlay.next_turn == wakes:
                self._turn(wakes, holds_after, timeline)
            else:
                self.clubs.judge_ends(wakes, holds_after, self.history, timeline)

    def _judge_end(self, holds_after: int, timeline: Timeline) -> None:
        """The running period is judged as of its last day (domain.md 4.2), perhaps long after that day (grace)."""
        before, sums = self.standing, self.sums
        end = before.until
        if end is None:
            return
        rules = timeline.at(end)
        day = last_day_before(rules, end).toordinal()
        behind = sums.as_of is None or sums.as_of <= day
        values = self._values(rules, day) if behind else self._values_then(rules, day, before.restart)
        move = after_end(rules, before, end, values)
        self.ends.append(PeriodEnd(end, before))
        self.last_end = end
        if move.standing.restart != before.restart:
            if behind:  # nothing that is known by now happened at or after the end: the counters begin at nothing
                sums.values[SPEND_TOTAL] = sums.values[LARGEST_ORDER] = 0
            else:
                self._count_anew(move.standing.restart)
        kept = move.standing.tier == before.tier
        self._take("kept" if kept else "lapsed", Cause(f"end {end.isoformat()}", end, holds_after), move)

    def _turn(self, instant: datetime, holds_after: int, timeline: Timeline) -> None:
        """Overrides that end and begin at an instant; the computed tier stays as it is."""
        rules, tier = timeline.at(instant), self.standing.tier
        applied = self.overlay.effective(rules, tier)
        for what, why, entry in self.overlay.turn(instant, rules, tier):
            before, applied = applied, self.overlay.effective(rules, tier)
            self.ordinal, name = self.ordinal + 1, rules.name(tier)
            self.facts.append(
                Fact(
                    self.ordinal, holds_after, "overridden", name, name, self.standing, instant,
                    f"override {entry.seq} {what}", why, {}, rules.version,
                    effective_from=rules.name(before), effective_to=rules.name(applied),
                )
            )  # fmt: skip

    def _after(self, step: Step, clock: datetime, rules: Rules) -> None:
        """What every activity but a refund ends with: ends judged again if it was late, then up at once."""
        if self.last_end is not None and step.time < self.last_end and clock - step.time <= WITHIN:
            self._judge_again(step, clock)
        move = after_activity(rules, self.standing, clock, self.sums.values)
        if move is not None:
            kind: Kind = "kept" if move.standing.tier == self.standing.tier else "raised"
            self._take(kind, Cause(f"activity {step.seq}", clock, step.seq), move)
        if rules.clubs:
            self._judge_clubs(step, clock, refund=False)

    def _judge_clubs(self, step: Step, clock: datetime, *, refund: bool) -> None:
        told = Told(step.timeline, self.standing.joined, refund, self.history, self._as_a_club_sees)
        self.clubs.judge(step.seq, step.time, clock, told)

    def _judge_again(self, late: Step, clock: datetime) -> None:
        """Ends judged again with what came late (domain.md 2.3); one `corrected` fact if what is visible differs."""
        history = self.history()
        ends = [*self._stored_ends(), *self.ends]
        again = judge_again(ends, history, late.timeline, late_seq=late.seq, late_time=late.time, clock=clock)
        was, self.standing = self.standing, again.standing
        self._replace_ends(again)
        if again.standing.restart != was.restart:
            self._count_anew(again.standing.restart)
        if again.standing.visible() != was.visible():
            plural = "s" if len(again.ends) > 1 else ""
            rule = (
                f"{len(again.ends)} period end{plural} judged again with late activity {late.seq}; at last: {again.why}"
            )
            move = Move(again.standing, clock, rule, tuple(self.sums.values), late.timeline.at(clock))
            cause = Cause(f"activity {late.seq}", clock, late.seq)
            path = tuple(again.path.items())
            self.say("corrected", cause, move, was.tier, replaced_from=again.ends[0].at, path=path)

    def _stored_ends(self) -> list[PeriodEnd]:
        """Ends from the store, without those that this batch has already replaced."""
        if self.past is None:
            return []
        return [end for end in self.past.ends if self.undone_from is None or end.at < self.undone_from]

    def _replace_ends(self, again: Again) -> None:
        first = again.ends[0].at
        self.ends = [end for end in self.ends if end.at < first] + again.ends
        self.path = {instant: tier for instant, tier in self.path.items() if instant < first} | again.path
        if not self.is_new and (self.undone_from is None or first < self.undone_from):
            self.undone_from = first
        self.last_end = again.ends[-1].at

    def _take(self, kind: Kind, cause: Cause, move: Move) -> None:
        before, self.standing = self.standing, move.standing
        if move.standing.tier != before.tier:
            self.path[move.since] = move.standing.tier
        self.say(kind, cause, move, before.tier)
