"""What a programme version would do to a member, without doing it (domain.md 4.6): by the judgements of `standing`, on the member's own
history. The one thing not to break: nothing of the stream is moved, and what is told is what the judge would say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from tier_svc.domain.ladder import LOWEST, Rules, Timeline
from tier_svc.domain.standing import Move, after_activity, after_end, last_day_before
from tier_svc.domain.stream import Stream


class Outcome(NamedTuple):
    """What one judgement comes to; `rule` says why."""

    tier: str
    rule: str
    metrics: dict[str, int]


@dataclass(frozen=True, slots=True)
class Trial:
    """One judgement under both versions. `when`: `next_activity`, or `period_end` at the instant `at`."""

    when: str
    at: datetime
    now: Outcome
    then: Outcome

    @property
    def differs(self) -> bool:
        return self.now.tier != self.then.tier


def trials_of(stream: Stream, timeline: Timeline, version: Rules, effective_from: datetime | None) -> list[Trial]:
    """The judgements that lie ahead of a member, as far as the version makes a difference: his next activity, as of his clock, and the
    running period's end if nothing more comes. `effective_from`: an end before it is judged by the old version alone."""
    clock = stream.clock
    if clock is None:
        return []
    old = timeline.at(clock)
    today = old.calendar.day_of(clock)
    trials = [
        Trial("next_activity", clock, _activity(stream, old, clock, today), _activity(stream, version, clock, today))
    ]
    end = stream.standing.until
    if end is not None and (effective_from is None or end >= effective_from):
        trials.append(Trial("period_end", end, _end(stream, timeline.at(end), end), _end(stream, version, end)))
    return [trial for trial in trials if trial.differs]


def _activity(stream: Stream, rules: Rules, clock: datetime, today: date) -> Outcome:
    values = _values(stream, rules, today)
    move = after_activity(rules, stream.standing, clock, values)
    if move is None:
        tier = rules.name(stream.standing.tier)
        return Outcome(tier, f"nothing above {tier} is reached", _named(rules, values))
    return _told(move)


def _end(stream: Stream, rules: Rules, end: datetime) -> Outcome:
    if rules.rank(stream.standing.tier) == LOWEST:
        return Outcome(rules.name(stream.standing.tier), "the lowest tier has no end", {})
    values = _values(stream, rules, last_day_before(rules, end))
    return _told(after_end(rules, stream.standing, end, values))


def _values(stream: Stream, rules: Rules, day: date) -> list[int]:
    return stream.history().values(rules.gauges.windows, day.toordinal(), stream.standing.restart)


def _told(move: Move) -> Outcome:
    return Outcome(move.rules.name(move.standing.tier), move.rule, _named(move.rules, move.values))


def _named(rules: Rules, values: list[int] | tuple[int, ...]) -> dict[str, int]:
    return {name: values[slot] for slot, name in enumerate(rules.gauges.names) if slot in rules.slots_used}
