"""An end judged again (domain.md 2.3): what a late activity does to the period ends that it should have been there for. The one thing not
to break: the judge goes back to just before the first of these ends and takes every later step at the clock that it had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from tier_svc.domain.facts import PeriodEnd
from tier_svc.domain.ladder import Timeline
from tier_svc.domain.measures import History
from tier_svc.domain.orders import Deed, Order
from tier_svc.domain.standing import Move, Standing, after_activity, after_end, after_refund, last_day_before

WITHIN = timedelta(hours=168)  # how late an activity may be to have ends judged again


class Again:
    """The standing on its way from the first of the ends to the clock: what it came to, the ends, which tier was held from when on."""

    def __init__(self, standing: Standing, history: History, timeline: Timeline) -> None:
        self.standing = standing
        self.ends: list[PeriodEnd] = []
        self.path: dict[datetime, str] = {}
        self.why = ""
        self._history = history
        self._timeline = timeline

    def judge_ends(self, clock: datetime) -> None:
        """At an end everything numbered by now that happened before it counts, however late it came."""
        while (due := self.standing.judged_at) is not None and due <= clock:
            end = self.standing.until or due
            rules = self._timeline.at(end)
            day = last_day_before(rules, end)
            values = self._history.values(rules.gauges.windows, day.toordinal(), self.standing.restart)
            self.ends.append(PeriodEnd(end, self.standing))
            self._take(after_end(rules, self.standing, end, values))

    def judge_step(self, step: Order | Deed) -> None:
        """At an activity in between, what counts at the end before it and what is numbered up to it."""
        rules = self._timeline.at(step.clock)
        seen = (self.ends[-1].at, step.seq)

        def values(day: date, restart: datetime | None) -> list[int]:
            return self._history.values(rules.gauges.windows, day.toordinal(), restart, seen)

        today = values(rules.calendar.day_of(step.clock), self.standing.restart)
        if isinstance(step, Deed) and step.kind == "refund":
            move = after_refund(rules, self.standing, step.clock, today, values)
        else:
            move = after_activity(rules, self.standing, step.clock, today)
        if move is not None:
            self._take(move)

    def _take(self, move: Move) -> None:
        if move.standing.tier != self.standing.tier:
            self.path[move.since] = move.standing.tier
        self.standing = move.standing
        self.why = move.rule


def judge_again(
    ends: Sequence[PeriodEnd],
    history: History,
    timeline: Timeline,
    *,
    late_seq: int,
    late_time: datetime,
    clock: datetime,
) -> Again:
    """Judge the ends after the time of a late activity again, and everything since in the order of the stream, up to the clock.

    `ends` are all that were judged so far, ascending, at least one of them after `late_time`; `history` knows the late activity already.
    """
    first = next(end for end in ends if late_time < end.at)
    again = Again(first.before, history, timeline)
    for step in _steps_since(history, first.before.judged_at or first.at, late_seq):
        again.judge_ends(step.clock)
        again.judge_step(step)
    again.judge_ends(clock)
    return again


def _steps_since(history: History, first: datetime, seq: int) -> list[Order | Deed]:
    steps: list[Order | Deed] = [order for order in history.orders() if order.clock >= first and order.seq < seq]
    steps += [deed for deed in history.deeds() if deed.clock >= first and deed.seq < seq]
    return sorted(steps, key=lambda step: step.seq)
