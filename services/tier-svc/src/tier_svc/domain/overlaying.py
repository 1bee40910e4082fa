"""Overrides (domain.md 4.4, 4.5): what lies on top of the computed tier, and for how long. The one thing not to break: the computed tier
goes on underneath and is never written by an override; its end, by itself or because it is taken back, shows what is below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Literal

from tier_svc.domain.ladder import LOWEST, Rules

Mode = Literal["floor", "exact"]
Act = Literal["assign", "freeze", "lower"]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """That the override numbered `of` is to end when the clock reaches `since`. `at`: the clock when this came; nothing ends before."""

    seq: int
    of: int
    since: datetime
    at: datetime
    reason: str
    actor: str

    @property
    def ends(self) -> datetime:
        """When what is taken back ends, unless it is over by then."""
        return max(self.since, self.at)


@dataclass(frozen=True, slots=True)
class Override:
    """One numbered entry. `tier` of a sanction (freeze, lower) is settled at its start, `steps` below the tier that applied then; `begun`:
    whether its start has been judged. `starts`: from which instant on it lay on top; None: never so far. `taken`: what ends it early."""

    seq: int
    tier: str
    since: datetime
    until: datetime
    mode: Mode
    reason: str
    actor: str
    act: Act = "assign"
    steps: int = 0
    begun: bool = False
    starts: datetime | None = None
    taken: TakenBack | None = None

    @property
    def ends(self) -> datetime:
        """When it no longer lies on top."""
        return self.until if self.taken is None else min(self.until, self.taken.ends)

    def with_taken(self, taken: TakenBack) -> Override:
        """Taken back; of several the one that ends it first counts."""
        if taken.of == self.seq < taken.seq and taken.ends < self.ends:
            return replace(self, taken=taken)
        return self

    def applied_to(self, rules: Rules, computed: str) -> str:
        """The tier that applies with this on top of a computed one."""
        if self.mode == "floor" and rules.rank(computed) >= rules.rank(self.tier):
            return computed
        return self.tier

    def told(self) -> str:
        """What it does, as a sentence of a reason."""
        words = {"freeze": "frozen at", "lower": f"lowered by {self.steps} to"}
        does = words.get(self.act, "at least" if self.mode == "floor" else "exactly")
        return f"{does} {self.tier} until {self.until.isoformat()}: {self.reason} ({self.actor})"

    def how_it_ends(self) -> tuple[str, str]:
        """Of which cause, and why."""
        if self.taken is None:
            return "ends", self.told()
        taken = self.taken
        why = f"taken back from {taken.since.isoformat()} on: {taken.reason} ({taken.actor}); it was {self.told()}"
        return f"taken back by {taken.seq}", why


class Overlay:
    """A member's overrides that are not over yet. `changed`: those whose entry in the history has to be written; `taken`: what has come of
    taking back."""

    __slots__ = ("changed", "entries", "taken", "top")

    def __init__(self, entries: Iterable[Override] = ()) -> None:
        self.entries: tuple[Override, ...] = tuple(entries)
        self.changed: dict[int, Override] = {}
        self.taken: list[TakenBack] = []
        self.top = self._top() if self.entries else None

    def effective(self, rules: Rules, computed: str) -> str:
        """The tier that applies now."""
        return computed if self.top is None else self.top.applied_to(rules, computed)

    @property
    def next_turn(self) -> datetime | None:
        """The next start or end."""
        return min((each.ends if each.begun else each.since for each in self.entries), default=None)

    def take(self, entry: Override, rules: Rules, clock: datetime) -> None:
        """A new entry. One that is over, or whose tier the version does not know, only stands in the history."""
        self.changed[entry.seq] = entry
        if entry.until > clock and entry.since < entry.until and (entry.act != "assign" or rules.knows(entry.tier)):
            self.entries = (*self.entries, entry)

    def take_back(self, taken: TakenBack) -> None:
        """One is to end early. What is over by then only stands in the history; what would end before it begins never begins."""
        self.taken.append(taken)
        entries = (each.with_taken(taken) for each in self.entries)
        self.entries = tuple(each for each in entries if each.begun or each.since < each.ends)

    def turn(self, instant: datetime, rules: Rules, computed: str) -> Iterator[tuple[str, str, Override]]:
        """Ends and starts up to an instant, which the clock has just reached: ends first, each once what is on top has changed; with the
        words of its cause and of its reason."""
        for entry in [each for each in self.entries if each.begun and each.ends <= instant]:
            self.entries = tuple(each for each in self.entries if each.seq != entry.seq)
            self.top = self._top()
            yield *entry.how_it_ends(), entry
        for entry in [each for each in self.entries if not each.begun and each.since <= instant]:
            begun = replace(self._settled(entry, rules, computed), begun=True, starts=max(entry.since, instant))
            self.entries = tuple(begun if each.seq == entry.seq else each for each in self.entries)
            self.changed[begun.seq] = begun
            self.top = self._top()
            yield "begins", begun.told(), begun

    def _settled(self, entry: Override, rules: Rules, computed: str) -> Override:
        if entry.act == "assign":
            return entry
        rank = rules.rank(self.effective(rules, computed)) - (entry.steps if entry.act == "lower" else 0)
        return replace(entry, tier=rules.ladder[max(rank, LOWEST)].id)

    def _top(self) -> Override | None:
        return max((each for each in self.entries if each.begun), key=lambda each: each.seq, default=None)


def as_taken_back(entries: Iterable[Override], taken: Sequence[TakenBack]) -> list[Override]:
    """Overrides from their history, each as it was taken back."""
    ended = []
    for entry in entries:
        ended.append(reduce(Override.with_taken, taken, entry))
    return ended


def lying_on(entries: Iterable[Override], instant: datetime) -> Override | None:
    """Which of a member's overrides lay on top at an instant, by the whole of their history."""
    on = [each for each in entries if each.starts is not None and each.starts <= instant < each.ends]
    return max(on, key=lambda each: each.seq, default=None)
