"""Which campaigns a moment fires: an index by trigger and by cheap leaves (performance.md D). Every part of a tree that asks for one
fact becomes one integer mask per class of that fact's values; an event ANDs one mask per fact and meets only survivors with a closure.
The one thing not to break: a mask is computed by running the part's own closure, so the index can only say what the tree says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from campaign_svc.domain.catalogue import TIER_FACTS, Fact, fact_named
from campaign_svc.domain.conditions import Facts, Holds, Ladder, Node, Value, compiled, conjuncts, facts_of

C = TypeVar("C")
_OTHER = "\x00"  # a word that no document can contain: stands for every word that no leaf names
_REMEMBERED_MAX = 4096  # combinations of survivors kept ready; a programme has far fewer


def _named_values(node: Node) -> Iterator[Value]:
    """Every value that a leaf of this tree compares with."""
    if node.fact is not None and node.value is not None:
        yield from node.value if isinstance(node.value, tuple) else (node.value,)
    for child in (*node.all, *node.any, *([node.not_] if node.not_ is not None else [])):
        yield from _named_values(child)


class WordMasks:
    """Masks of a fact whose values are words, tiers or truths."""

    def __init__(self, fact: str, parts: Sequence[tuple[int, Node, Holds]], everybody: int) -> None:
        named = {value for _, node, _ in parts for value in _named_values(node)} | {True, False}
        self.fact = fact
        self._masks = {value: _mask(fact, value, parts, everybody) for value in named}
        self._other = _mask(fact, _OTHER, parts, everybody)

    def at(self, value: Value) -> int:
        return self._masks.get(value, self._other)


class TierMasks(WordMasks):
    """Masks of a tier: an order among tiers reaches tiers that no leaf names, so every step of the ladder has its own."""

    def __init__(self, fact: str, parts: Sequence[tuple[int, Node, Holds]], everybody: int, ladder: Ladder) -> None:
        super().__init__(fact, parts, everybody)
        self._masks |= {tier: _mask(fact, tier, parts, everybody) for tier in ladder.tiers}


class IntegerMasks:
    """Masks of an integer: named values n1 < n2 < … cut the line into below n1, n1, between, n2, …, above the last."""

    def __init__(self, fact: str, parts: Sequence[tuple[int, Node, Holds]], everybody: int) -> None:
        named = sorted({value for _, node, _ in parts for value in _named_values(node) if isinstance(value, int)})
        self.fact = fact
        self._named = named
        samples = [sample for value in named for sample in (value - 1, value)] + [named[-1] + 1]
        self._masks = [_mask(fact, sample, parts, everybody) for sample in samples]

    def at(self, value: Value) -> int:
        if not isinstance(value, int):
            raise TypeError(f"{self.fact} is {value!r}, not an integer")
        place = bisect_left(self._named, value)
        exact = place < len(self._named) and self._named[place] == value
        return self._masks[2 * place + exact]


def _mask(fact: str, value: Value, parts: Sequence[tuple[int, Node, Holds]], everybody: int) -> int:
    """All campaigns but those of which a part about this fact fails at this value."""
    mask = everybody
    for index, _, holds in parts:
        if not holds({fact: value}):
            mask &= ~(1 << index)
    return mask


@dataclass(frozen=True, slots=True)
class Entry(Generic[C]):
    """One campaign in the index. `holds` is its whole tree, `residual` what the masks leave to be asked (None: nothing)."""

    campaign: C
    holds: Holds
    residual: Holds | None


class Index(Generic[C]):
    """The campaigns of one trigger, in the document's order."""

    def __init__(self, trigger: str, campaigns: Sequence[tuple[C, Node]], ladder: Ladder) -> None:
        self.trigger = trigger
        self._everybody = (1 << len(campaigns)) - 1
        by_fact: dict[str, list[tuple[int, Node, Holds]]] = {}
        self.entries: list[Entry[C]] = []
        for index, (campaign, tree) in enumerate(campaigns):
            rest: list[Holds] = []
            for part in conjuncts(tree):
                asked, holds = facts_of(part), compiled(part, ladder, TIER_FACTS)
                if len(asked) == 1:
                    by_fact.setdefault(next(iter(asked)), []).append((index, part, holds))
                else:
                    rest.append(holds)
            self.entries.append(Entry(campaign, compiled(tree, ladder, TIER_FACTS), _together(rest)))
        names = frozenset[str]().union(*(facts_of(tree) for _, tree in campaigns))
        self.facts: dict[str, Fact] = {name: _known(trigger, name) for name in sorted(names)}
        self._kept = [name for name, fact in self.facts.items() if not fact.moves and name != "tier"]
        self._masks: list[tuple[str, Callable[[Value], int]]] = [
            (fact, self._masks_of(fact, parts, ladder).at) for fact, parts in by_fact.items()
        ]
        self._remembered: dict[int, tuple[Entry[C], ...]] = {}

    def _masks_of(self, fact: str, parts: list[tuple[int, Node, Holds]], ladder: Ladder) -> WordMasks | IntegerMasks:
        kind = self.facts[fact].type
        if kind == "integer":
            return IntegerMasks(fact, parts, self._everybody)
        return (
            TierMasks(fact, parts, self._everybody, ladder)
            if kind == "tier"
            else WordMasks(fact, parts, self._everybody)
        )

    def matching(self, facts: Facts) -> list[C]:
        """The campaigns whose tree holds, in the document's order."""
        mask = self._everybody
        for fact, at in self._masks:
            mask &= at(facts[fact])
            if not mask:
                return []
        return [entry.campaign for entry in self._survivors(mask) if entry.residual is None or entry.residual(facts)]

    def kept(self, facts: Facts) -> dict[str, Value]:
        """The facts that must be kept with the decision, because nothing else can tell them later."""
        return {name: facts[name] for name in self._kept}

    def _survivors(self, mask: int) -> tuple[Entry[C], ...]:
        known = self._remembered.get(mask)
        if known is None:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            known = tuple(self.entries[index] for index in range(len(self.entries)) if mask >> index & 1)
            self._remembered[mask] = known
        return known


def _together(parts: list[Holds]) -> Holds | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return lambda facts: all(holds(facts) for holds in parts)


def _known(trigger: str, name: str) -> Fact:
    fact = fact_named(trigger, name)
    if fact is None:
        raise KeyError(f"{trigger} knows no fact {name}")
    return fact
