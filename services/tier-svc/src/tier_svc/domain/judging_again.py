"""An end judged again (domain.md 2.3): what a late activity does to the period ends that it should have been there for. The one thing not
to break: the judge goes back to just before the first of these ends and takes every later step at the clock that it had."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from tier_svc.domain.facts import Cause, PeriodEnd
from tier_svc.domain.ladder import Timeline
from tier_svc.domain.measures import History
from tier_svc.domain.orders import Deed, Order
from tier_svc.domain.standing import Move, Standing, after_activity, after_end, after_refund, last_day_before

if TYPE_CHECKING:
    from tier_svc.domain.stream import Step, Stream

WITHIN = timedelta(hours=168)  # how late an activity may be to have ends judged again


class _Again:
    """The standing on its way from the first of the ends to the clock."""

    def __init__(self, standing: Standing, history: History, timeline: Timeline) -> None:
        self.standing = standing
        self.ends: list[PeriodEnd] = []
        self.path: dict[datetime, str] = {}
        self.why = ""
        self._history = history
        self._timeline = timeline

    def judge_ends(self, clock: datetime) -> None:
        """At an end everything numbered by now that happened before it counts, however late it came."""
        while (end := self.standing.until) is not None and end <= clock:
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


def judge_again(stream: Stream, late: Step, clock: datetime) -> None:
    """Judge the ends after the time of a late activity again; one `corrected` fact if what is visible differs."""
    seq, time, _, timeline = late
    if clock - time > WITHIN:
        return
    history = stream.history()
    ends = [*_stored_ends(stream), *stream.ends]
    first = next(end for end in ends if time < end.at)
    again = _Again(first.before, history, timeline)
    for step in _steps_since(history, first.at, seq):
        again.judge_ends(step.clock)
        again.judge_step(step)
    again.judge_ends(clock)
    was, stream.standing = stream.standing, again.standing
    _replace_ends(stream, first.at, again)
    if again.standing.restart != was.restart:
        stream.counters_anew()
    if again.standing.visible() != was.visible():
        _say_corrected(stream, late, clock, was, again)


def _stored_ends(stream: Stream) -> list[PeriodEnd]:
    """Ends from the store, without those that this batch has already replaced."""
    if stream.past is None:
        return []
    undone = stream.undone_from
    return [end for end in stream.past.ends if undone is None or end.at < undone]


def _steps_since(history: History, first: datetime, seq: int) -> list[Order | Deed]:
    steps: list[Order | Deed] = [order for order in history.orders() if order.clock >= first and order.seq < seq]
    steps += [deed for deed in history.deeds() if deed.clock >= first and deed.seq < seq]
    return sorted(steps, key=lambda step: step.seq)


def _replace_ends(stream: Stream, first: datetime, again: _Again) -> None:
    stream.ends = [end for end in stream.ends if end.at < first] + again.ends
    stream.path = {instant: tier for instant, tier in stream.path.items() if instant < first} | again.path
    if not stream.is_new and (stream.undone_from is None or first < stream.undone_from):
        stream.undone_from = first
    stream.last_end = again.ends[-1].at


def _say_corrected(stream: Stream, late: Step, clock: datetime, was: Standing, again: _Again) -> None:
    plural = "s" if len(again.ends) > 1 else ""
    rule = f"{len(again.ends)} period end{plural} judged again with late activity {late.seq}; at last: {again.why}"
    move = Move(again.standing, clock, rule, tuple(stream.sums.values), late.timeline.at(clock))
    stream.say(
        "corrected",
        Cause(f"activity {late.seq}", clock, late.seq),
        move,
        was.tier,
        replaced_from=again.ends[0].at,
        path=tuple(again.path.items()),
    )
