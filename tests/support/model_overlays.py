"""Overrides and sanctions (domain.md 4.4, 4.5, ADR 0010), and that they are taken back: what lies on top of the computed tier. Independent
model: it keeps every entry for ever and looks through all of them each time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tests.support.model_events import Event
from tests.support.model_programme import LOWEST, Programme
from tests.support.model_tiers import Standings, Step

PERIOD_END, OVERRIDE_END, OVERRIDE_START = range(3)  # at equal instants in this order


@dataclass(frozen=True)
class Decided(Event):
    """What staff decides about a standing. `act` is assign, freeze or lower; `tier` is the number of the tier of an assignment, None where
    nobody knows it."""

    act: str
    since: datetime
    until: datetime
    tier: int | None = None
    floor: bool = False
    steps: int = 0


@dataclass(frozen=True)
class TakenBack(Event):
    """That the decision with number `of` ends early, from `since` on."""

    of: int
    since: datetime


@dataclass
class Lying:
    """One decision as it stands by now."""

    decided: Decided
    ends: datetime
    tier: int  # of a sanction: settled at its start
    begun: bool = False
    over: bool = False


class Overlaid(Standings):
    """Standings with what lies on top. `applied`: of each fact, the tiers that applied before and after it."""

    def __init__(self, programme: Programme) -> None:
        super().__init__(programme)
        self.entries: dict[int, Lying] = {}
        self.applied: list[tuple[int, int]] = []

    @property
    def effective(self) -> int:
        """The tier that applies now."""
        return self._on_top(self.standing.tier)

    def _on_top(self, computed: int) -> int:
        lying = [number for number, entry in self.entries.items() if entry.begun and not entry.over]
        if not lying:
            return computed
        top = self.entries[max(lying)]
        return max(computed, top.tier) if top.decided.floor else top.tier

    # what is fed

    def decide(self, event: Decided) -> None:
        """A decision, numbered like everything: it applies to higher numbers."""
        self.arrive(event)
        clock = self.steps[-1].clock
        entry = self.entries[event.seq] = Lying(event, event.until, event.tier or LOWEST)
        unknown = event.act == "assign" and event.tier is None
        if event.until <= clock or event.until <= event.since or unknown:
            entry.over = True  # it only stands in the history
        elif event.since <= clock:
            self._start(event.seq, event.seq, clock)

    def take_back(self, event: TakenBack) -> None:
        """A decision ends early: when the clock reaches that, never before it is known."""
        self.arrive(event)
        clock = self.steps[-1].clock
        entry = self.entries.get(event.of)
        if entry is None or entry.over:
            return
        entry.ends = min(entry.ends, max(event.since, clock))
        if not entry.begun:
            entry.over = entry.ends <= entry.decided.since
        elif entry.ends <= clock:
            self._end(event.of, event.seq, clock)

    # turns

    def _walk(self, step: Step, holds_after: int) -> None:
        self.steps.append(step)
        self.clock = step.clock
        while turns := [turn for turn in self._turns() if turn[0] <= step.clock]:
            at, what, number = min(turns)
            if what == OVERRIDE_END:
                self._end(number, holds_after, at)
            elif what == OVERRIDE_START:
                self._start(number, holds_after, at)
            else:
                for before in self._walk_ends(at, len(self.steps) - 1):
                    self.ends_judged += 1
                    self._say_end(before, holds_after)

    def _turns(self) -> list[tuple[datetime, int, int]]:
        """All that is judged without an activity: when, what, and of which number."""
        turns = [
            (entry.ends, OVERRIDE_END, number) if entry.begun else (entry.decided.since, OVERRIDE_START, number)
            for number, entry in self.entries.items()
            if not entry.over
        ]
        if self.standing.until is not None:
            turns.append((self.standing.until + self._tier().grace, PERIOD_END, 0))
        return turns

    def _start(self, number: int, holds_after: int, at: datetime) -> None:
        entry, before = self.entries[number], self.effective
        if entry.decided.act == "freeze":
            entry.tier = before
        elif entry.decided.act == "lower":
            entry.tier = max(LOWEST, before - entry.decided.steps)
        entry.begun = True
        self._turned(f"override {number} begins", before, holds_after, at)

    def _end(self, number: int, holds_after: int, at: datetime) -> None:
        before = self.effective
        self.entries[number].over = True
        self._turned(f"override {number} ends", before, holds_after, at)

    def _turned(self, cause: str, before: int, holds_after: int, at: datetime) -> None:
        self._say("overridden", holds_after, self.standing.tier, cause, at)
        self.applied[-1] = (before, self.effective)

    def _say(self, kind: str, holds_after: int, tier_from: int, cause: str, at: datetime) -> None:
        super()._say(kind, holds_after, tier_from, cause, at)
        self.applied.append((self._on_top(tier_from), self.effective))
