"""Clubs: tier structures beside the main ladder, on the same metrics (features T27). A club's standing is what the whole of a member's
stream comes to under the club's ladder, net of all refunds known by now. The one thing not to break: a step that goes on from what is kept
comes to the same as all steps from the beginning; where it would not (a refund, something late), all are taken. The whole history is read
only then, at a club's period ends, and where its counters have begun anew at another instant than those of the main ladder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from tier_svc.domain.facts import Cause
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import History
from tier_svc.domain.orders import Deed, Order
from tier_svc.domain.standing import Move, Standing, after_activity, after_end, last_day_before

ClubKind = Literal["raised", "kept", "lapsed", "lowered", "corrected"]
NEVER = datetime(1, 1, 1, tzinfo=UTC)

# The running sums as a club looks at them, as of the day of the clock; None: they cannot tell with counters that began at this instant.
Running = Callable[[Rules, datetime | None], Sequence[int] | None]


@dataclass(frozen=True, slots=True)
class ClubStanding:
    """Where a member stands in a club; `last_end`: the last period end that was judged."""

    club: str
    standing: Standing
    ordinal: int = 0
    last_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClubFact:
    """One change of a standing in a club, numbered per member and club."""

    club: str
    ordinal: int
    holds_after: int
    kind: ClubKind
    tier_from: str
    tier_to: str
    standing: Standing
    at: datetime
    cause: str
    rule: str
    metrics: dict[str, int]
    version: int


class Run:
    """A club's standing on its way. `timeline`: the versions of the main ladder, each of which may have the club."""

    def __init__(
        self,
        now: ClubStanding,
        history: Callable[[], History],
        timeline: Timeline,
        running: Running = lambda _, __: None,
    ) -> None:
        self.now = now.standing
        self.last_end = now.last_end
        self.move: Move | None = None
        self._club = now.club
        self._history = history
        self._running = running
        self._timeline = timeline

    def judge_ends(self, clock: datetime) -> None:
        """At an end everything on or before its last day counts."""
        while (due := self.now.judged_at) is not None and due <= clock:
            end = self.now.until or due
            rules = self._timeline.at(end).clubs[self._club]  # no version drops a club
            values = self._history().values(
                rules.gauges.windows, last_day_before(rules, end).toordinal(), self.now.restart
            )
            self.last_end = end
            self._take(after_end(rules, self.now, end, values))

    def judge_activity(self, seq: int, clock: datetime) -> None:
        """At an activity what is numbered up to it counts."""
        rules = self._timeline.at(clock).clubs.get(self._club)
        if rules is None:  # not yet
            return
        values = self._running(rules, self.now.restart)
        if values is None:
            day = rules.calendar.day_of(clock).toordinal()
            values = self._history().values(rules.gauges.windows, day, self.now.restart, (NEVER, seq))
        move = after_activity(rules, self.now, clock, values)
        if move is not None:
            self._take(move)

    def _take(self, move: Move) -> None:
        self.now, self.move = move.standing, move


def from_the_beginning(now: ClubStanding, history: History, timeline: Timeline, joined: date | None) -> Run:
    """All steps of a member, each at the clock that it had."""
    run = Run(ClubStanding(now.club, Standing(joined=joined)), lambda: history, timeline)
    steps: list[Order | Deed] = [*history.orders(), *history.deeds()]
    for step in sorted(steps, key=lambda each: each.seq):
        run.judge_ends(step.clock)
        if not (isinstance(step, Deed) and step.kind == "refund"):
            run.judge_activity(step.seq, step.clock)
    return run


class Told(NamedTuple):
    """What the clubs must know of an activity, and where they look it up."""

    timeline: Timeline
    joined: date | None
    is_refund: bool
    history: Callable[[], History]
    running: Running


class Clubs:
    """A member's clubs. `facts` are new, `changed`: whether something has to be kept."""

    __slots__ = ("changed", "facts", "kept")

    def __init__(self, kept: Iterable[ClubStanding] = ()) -> None:
        self.kept = {each.club: each for each in kept}
        self.facts: list[ClubFact] = []
        self.changed = False

    @property
    def next_end(self) -> datetime | None:
        """The next end that is judged."""
        ends = [due for each in self.kept.values() if (due := each.standing.judged_at) is not None]
        return min(ends, default=None)

    def judge_ends(self, clock: datetime, holds_after: int, history: Callable[[], History], timeline: Timeline) -> None:
        """Ends up to the clock, in every club."""
        for now in list(self.kept.values()):
            due = now.standing.judged_at
            if due is not None and due <= clock:
                run = Run(now, history, timeline)
                run.judge_ends(clock)
                self._keep(
                    now, run, Cause(f"end {(now.standing.until or due).isoformat()}", clock, holds_after), timeline
                )

    def judge(self, seq: int, time: datetime, at: datetime, step: Told) -> None:
        """An activity, in every club of the version in force at the clock `at`."""
        for club in step.timeline.at(at).clubs:
            now = self.kept.get(club) or ClubStanding(club, Standing(joined=step.joined))
            again = step.is_refund or (now.last_end is not None and time < now.last_end)
            if again:
                run = from_the_beginning(now, step.history(), step.timeline, step.joined)
                run.judge_ends(at)
            else:
                run = Run(now, step.history, step.timeline, step.running)
                run.judge_ends(at)
                run.judge_activity(seq, at)
            self._keep(now, run, Cause(f"activity {seq}", at, seq), step.timeline, corrects=again)

    def _keep(self, now: ClubStanding, run: Run, cause: Cause, timeline: Timeline, *, corrects: bool = False) -> None:
        before, after = now.standing, run.now
        if after == before and run.last_end == now.last_end:
            return
        self.changed = True
        says = after.visible() != before.visible()
        self.kept[now.club] = ClubStanding(now.club, after, now.ordinal + says, run.last_end)
        if says:
            rules = timeline.at(cause.at).clubs[now.club]
            move = run.move
            named = move.rules.gauges.names if move is not None else ()
            metrics = {
                name: move.values[slot]
                for slot, name in enumerate(named)
                if move is not None and slot in move.rules.slots_used
            }
            why = move.rule if move is not None else f"nothing is left above {rules.name('')}"
            self.facts.append(
                ClubFact(
                    now.club, now.ordinal + 1, cause.holds_after, _kind(rules, before, after, cause, corrects=corrects),
                    rules.name(before.tier), rules.name(after.tier), after, cause.at, cause.words, why, metrics, rules.version,
                )
            )  # fmt: skip


def _kind(rules: Rules, before: Standing, after: Standing, cause: Cause, *, corrects: bool) -> ClubKind:
    was, now = rules.rank(before.tier), rules.rank(after.tier)
    if was == now:
        return "corrected" if corrects else "kept"
    if now > was:
        return "raised"
    return "lapsed" if cause.words.startswith("end") else "lowered"
