"""One programme version as tier-svc needs it: the ladder with its conditions, the calendar, and which version is in force when. The one
thing not to break: an end is judged by the version in force at the end, an activity by the one in force at the clock (domain.md 2.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tier_svc.domain.conditions import LARGEST_ORDER, SPEND_TOTAL, Clause, ConditionWords, Gauges
from tier_svc.domain.periods import Calendar
from tier_svc.domain.tasks import Task, TaskWords
from tier_svc.domain.terms import Terms

LOWEST = 0  # rank of the tier that a member joins at


class TierWords(Protocol):
    """A tier as the programme document writes it."""

    @property
    def id(self) -> str: ...
    @property
    def reach(self) -> Sequence[ConditionWords]: ...
    @property
    def keep(self) -> Sequence[ConditionWords]: ...
    @property
    def validity_months(self) -> Any: ...  # these four: unset, and falsy, where the document says nothing
    @property
    def on_lapse(self) -> Any: ...
    @property
    def permanent(self) -> Any: ...
    @property
    def requalify(self) -> Any: ...


class TierRulesWords(Protocol):
    """The part `tiers` of the programme document."""

    @property
    def ladder(self) -> Sequence[TierWords]: ...
    @property
    def validity_months(self) -> int: ...
    @property
    def on_lapse(self) -> str: ...
    @property
    def on_refund(self) -> str: ...
    @property
    def grace_days(self) -> int: ...
    @property
    def grace_ends(self) -> Any: ...  # these two: unset, and falsy, where the document says nothing
    @property
    def period(self) -> Any: ...


class MainRulesWords(TierRulesWords, Protocol):
    """The main ladder, and the clubs beside it."""

    @property
    def clubs(self) -> Any: ...  # unset, and falsy, where the document says nothing


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of the ladder: any clause of `reach` lifts, any of `keep` holds. `permanent`: no end and no refund takes it away.
    `renews`: who reaches it again while he is in it begins a new period."""

    id: str
    reach: tuple[Clause, ...]
    keep: tuple[Clause, ...]
    terms: Terms
    on_lapse: str
    permanent: bool
    renews: bool


class Rules:
    """One version. `ladder` is lowest first; a tier's rank is its place there. `clubs`: structures beside the main ladder, by id. Their
    windows (`also`) are carried on with those of the main ladder: `of_main` says where the main list of values has a club's."""

    def __init__(
        self,
        version: int,
        words: TierRulesWords,
        *,
        not_qualifying: Collection[str],
        calendar: Calendar,
        tasks: Sequence[TaskWords] = (),
        also: Iterable[ConditionWords] = (),
    ) -> None:
        self.version = version
        self.calendar = calendar
        self.not_qualifying = frozenset(not_qualifying)
        self.tasks = tuple(Task.of(each) for each in tasks)
        self.lowers_at_once = words.on_refund == "at_once"
        self.gauges = Gauges((*_conditions_of(words), *also))
        self.ladder = tuple(
            Tier(
                tier.id, self._clauses(tier.reach), self._clauses(tier.keep), Terms.of(words, tier),
                tier.on_lapse or words.on_lapse, bool(tier.permanent), tier.requalify == "repeatedly",
            )
            for tier in words.ladder
        )  # fmt: skip
        self.slots_used = frozenset(
            leaf.slot for tier in self.ladder for clause in (*tier.reach, *tier.keep) for leaf in clause
        )
        self.counts_from_lapses = not self.slots_used.isdisjoint((SPEND_TOTAL, LARGEST_ORDER))
        self.clubs: dict[str, Rules] = {}
        self.of_main: tuple[int, ...] = ()
        self._ranks = {tier.id: rank for rank, tier in enumerate(self.ladder)}

    @classmethod
    def with_clubs(
        cls,
        version: int,
        words: MainRulesWords,
        *,
        not_qualifying: Collection[str],
        calendar: Calendar,
        tasks: Sequence[TaskWords] = (),
    ) -> Rules:
        """The main ladder with the clubs of the same document. Tasks are the programme's, and stand by the main ladder."""
        clubs = words.clubs or ()
        also = [condition for club in clubs for condition in _conditions_of(club)]
        rules = cls(version, words, not_qualifying=not_qualifying, calendar=calendar, tasks=tasks, also=also)
        for club in clubs:
            its = rules.clubs[club.id] = cls(version, club, not_qualifying=not_qualifying, calendar=calendar)
            its.of_main = tuple(map(rules.gauges.names.index, its.gauges.names))
        return rules

    def rank(self, tier: str) -> int:
        """The place of a tier; "" is the lowest, at which everybody joins. Raises KeyError for a tier this version lacks."""
        return self._ranks[tier] if tier else LOWEST

    def knows(self, tier: str) -> bool:
        """Whether the ladder has this tier."""
        return tier in self._ranks

    def name(self, tier: str) -> str:
        """The tier's id, also of the one everybody joins at."""
        return tier or self.ladder[LOWEST].id

    def _clauses(self, words: Iterable[ConditionWords]) -> tuple[Clause, ...]:
        return tuple(clause for condition in words for clause in self.gauges.clauses(condition))


def _conditions_of(words: TierRulesWords) -> Iterable[ConditionWords]:
    return (condition for tier in words.ladder for condition in (*tier.reach, *tier.keep))


class Timeline:
    """Which version is in force when: the latest activation whose `effective_from` is at or before the instant (None: from the
    beginning; of two at the same instant the later one)."""

    def __init__(self, activations: Sequence[tuple[datetime | None, Rules]]) -> None:
        self.activations = tuple(activations)
        self._only = self.activations[0][1] if len(self.activations) == 1 and self.activations[0][0] is None else None

    def at(self, instant: datetime) -> Rules:
        """The version in force. Raises LookupError when there is none."""
        if self._only is not None:
            return self._only
        found: Rules | None = None
        found_from: datetime | None = None
        for effective_from, rules in self.activations:
            if effective_from is None:
                if found_from is None:
                    found = rules
            elif effective_from <= instant and (found_from is None or effective_from >= found_from):
                found, found_from = rules, effective_from
        if found is None:
            raise LookupError(f"no programme version is in force at {instant.isoformat()}")
        return found
