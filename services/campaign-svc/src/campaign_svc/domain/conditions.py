"""Condition trees (domain.md 5): a fact compared with a value, or all / any / not of others. A tree is data; here it becomes a closure
that says yes or no, and an explanation that says which leaf was true or false. The one thing not to break: the closure and the
explanation are made from the same comparison of the same leaf, so an explanation can never contradict a decision."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Value = int | str | bool
Facts = Mapping[str, Value]
Holds = Callable[[Facts], bool]


class Node(Protocol):
    """One node of a tree, as the programme document writes it: exactly one of fact, all, any, not; none of them is *always*."""

    @property
    def fact(self) -> str | None: ...
    @property
    def op(self) -> str | None: ...
    @property
    def value(self) -> Value | tuple[str, ...] | None: ...
    @property
    def all(self) -> Sequence[Node]: ...
    @property
    def any(self) -> Sequence[Node]: ...
    @property
    def not_(self) -> Node | None: ...


def _in(found: Value, wanted: Any) -> bool:
    return found in wanted


def _not_in(found: Value, wanted: Any) -> bool:
    return found not in wanted


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "in": _in,
    "not in": _not_in,
}
ORDERED = frozenset({">=", ">", "<=", "<"})


@dataclass(frozen=True, slots=True)
class Ladder:
    """The programme's tiers, lowest first, so that `tier >= silver` has a meaning."""

    tiers: tuple[str, ...]

    @property
    def lowest(self) -> str:
        return self.tiers[0]

    def such_that(self, op: str, tier: str) -> frozenset[str]:
        """The tiers that stand in this order to `tier`."""
        compare, place = COMPARISONS[op], self.tiers.index(tier)
        return frozenset(name for index, name in enumerate(self.tiers) if compare(index, place))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A leaf made ready: the comparison by itself, and the words for it."""

    fact: str
    words: str
    compare: Callable[[Any, Any], bool]
    wanted: object

    def holds(self, facts: Facts) -> bool:
        return self.compare(facts[self.fact], self.wanted)


def comparison(node: Node, ladder: Ladder, tier_facts: frozenset[str]) -> Comparison:
    """The comparison of a checked leaf. An order among tiers becomes membership in the tiers it names."""
    if node.fact is None or node.op is None:
        raise ValueError("not a leaf")
    wanted = f"[{', '.join(node.value)}]" if isinstance(node.value, tuple) else str(node.value)
    words = f"{node.fact} {node.op} {wanted}"
    if node.fact in tier_facts and node.op in ORDERED:
        return Comparison(node.fact, words, _in, ladder.such_that(node.op, str(node.value)))
    value = frozenset(node.value) if isinstance(node.value, tuple) else node.value
    return Comparison(node.fact, words, COMPARISONS[node.op], value)


def facts_of(node: Node) -> frozenset[str]:
    """The names of all facts that a tree asks for."""
    if node.fact is not None:
        return frozenset({node.fact})
    children = [*node.all, *node.any, *([node.not_] if node.not_ is not None else [])]
    return frozenset[str]().union(*(facts_of(child) for child in children))


def conjuncts(node: Node) -> list[Node]:
    """The parts of a tree that must all hold: what stands under `all`, and under `all` within it."""
    if node.all:
        return [part for child in node.all for part in conjuncts(child)]
    return [] if is_always(node) else [node]


def is_always(node: Node) -> bool:
    return node.fact is None and not node.all and not node.any and node.not_ is None


def compiled(node: Node, ladder: Ladder, tier_facts: frozenset[str]) -> Holds:
    """The tree as one closure over facts."""
    if node.fact is not None:
        leaf = comparison(node, ladder, tier_facts)
        fact, compare, wanted = leaf.fact, leaf.compare, leaf.wanted
        return lambda facts: compare(facts[fact], wanted)
    if node.not_ is not None:
        inner = compiled(node.not_, ladder, tier_facts)
        return lambda facts: not inner(facts)
    if node.any:
        some = [compiled(child, ladder, tier_facts) for child in node.any]
        return lambda facts: any(holds(facts) for holds in some)
    every = [compiled(child, ladder, tier_facts) for child in node.all]
    if len(every) == 1:
        return every[0]
    return lambda facts: all(holds(facts) for holds in every)


@dataclass(frozen=True, slots=True)
class Explained:
    """A node with its verdict. `found` is the fact's value where the node is a leaf."""

    says: str
    held: bool
    found: Value | None = None
    parts: tuple[Explained, ...] = ()

    def leaves(self) -> list[Explained]:
        return [leaf for part in self.parts for leaf in part.leaves()] if self.parts else [self]


def explained(node: Node, facts: Facts, ladder: Ladder, tier_facts: frozenset[str]) -> Explained:
    """The whole tree with the verdict of every node: nothing is cut short, so every leaf has its answer."""
    if node.fact is not None:
        leaf = comparison(node, ladder, tier_facts)
        return Explained(leaf.words, leaf.holds(facts), facts[leaf.fact])
    if node.not_ is not None:
        inner = explained(node.not_, facts, ladder, tier_facts)
        return Explained("not", not inner.held, parts=(inner,))
    if node.any:
        some = tuple(explained(child, facts, ladder, tier_facts) for child in node.any)
        return Explained("any", any(part.held for part in some), parts=some)
    every = tuple(explained(child, facts, ladder, tier_facts) for child in node.all)
    return Explained("all" if every else "always", all(part.held for part in every), parts=every)
