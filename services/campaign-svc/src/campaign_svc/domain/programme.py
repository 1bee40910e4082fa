"""One programme version as campaign-svc uses it: its campaigns checked against the catalogue, compiled and indexed by trigger. The one
thing not to break: a rule set is never changed after it is built; what was decided under a version can be explained under it for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from campaign_svc.domain.awards import AwardKind
from campaign_svc.domain.catalogue import CATALOGUE, OPERATORS, TIER_FACTS, Fact, fact_named, needs_lines
from campaign_svc.domain.conditions import Explained, Facts, Holds, Ladder, Node, compiled, explained, is_always
from campaign_svc.domain.matching import Index

TREE_DEPTH_MAX = 12  # deeper than any person can read
LEAVES_MAX = 200  # of one campaign
COUPON_CHARS_MAX = 200  # what an award that is said may hold: no reader would take a longer one


class AwardRule(Protocol):
    @property
    def kind(self) -> AwardKind: ...
    @property
    def points(self) -> int: ...
    @property
    def coupon(self) -> str | None: ...


class Limits(Protocol):
    """How often, for ever (domain.md 5): per member, per member and tier, and in all (`budget`). None: no end."""

    @property
    def per_member(self) -> int | None: ...
    @property
    def per_member_and_tier(self) -> int | None: ...
    @property
    def budget(self) -> int | None: ...


class Campaign(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def when(self) -> str: ...
    @property
    def who(self) -> Node: ...
    @property
    def what(self) -> Sequence[AwardRule]: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def taken_back(self) -> bool: ...


class Tier(Protocol):
    @property
    def id(self) -> str: ...


class TierRules(Protocol):
    @property
    def ladder(self) -> Sequence[Tier]: ...


class Programme(Protocol):
    @property
    def version(self) -> int: ...
    @property
    def tiers(self) -> TierRules: ...
    @property
    def campaigns(self) -> Sequence[Campaign]: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a document, and where (`$.campaigns[1].who.all[0].op`)."""

    path: str
    says: str


class Ruleset:
    """A programme version, ready to decide by."""

    def __init__(self, programme: Programme) -> None:
        self.version = programme.version
        self.ladder = Ladder(tuple(tier.id for tier in programme.tiers.ladder))
        self.campaigns: dict[str, Campaign] = {campaign.id: campaign for campaign in programme.campaigns}
        self._holds: dict[str, Holds] = {
            campaign.id: compiled(campaign.who, self.ladder, TIER_FACTS) for campaign in programme.campaigns
        }
        by_trigger: dict[str, list[Campaign]] = {}
        for campaign in programme.campaigns:
            by_trigger.setdefault(campaign.when, []).append(campaign)
        self.indexes: dict[str, Index[Campaign]] = {
            trigger: Index(trigger, [(campaign, campaign.who) for campaign in fired], self.ladder)
            for trigger, fired in by_trigger.items()
        }
        self.keeps_lines = any(needs_lines(frozenset(index.facts)) for index in self.indexes.values())

    def fired_by(self, trigger: str) -> Index[Campaign] | None:
        """The index of the campaigns that this trigger may fire; None: no campaign listens to it."""
        return self.indexes.get(trigger)

    def holds(self, campaign_id: str, facts: Facts) -> bool:
        return self._holds[campaign_id](facts)

    def explain(self, campaign: Campaign, facts: Facts) -> Explained:
        return explained(campaign.who, facts, self.ladder, TIER_FACTS)


def faults_of(programme: Programme) -> list[Fault]:
    """Everything that makes the campaigns of a document impossible to decide, with its path; empty: the document is sound."""
    ladder = tuple(tier.id for tier in programme.tiers.ladder)
    faults = [] if ladder else [Fault("$.tiers.ladder", "a programme needs a tier at least")]
    seen: set[str] = set()
    for place, campaign in enumerate(programme.campaigns):
        path = f"$.campaigns[{place}]"
        if campaign.id in seen:
            faults.append(Fault(f"{path}.id", f"there are two campaigns {campaign.id}"))
        seen.add(campaign.id)
        faults += _faults_of_campaign(campaign, path, ladder)
    return faults


def _faults_of_campaign(campaign: Campaign, path: str, ladder: Sequence[str]) -> Iterator[Fault]:
    if campaign.when not in CATALOGUE:
        yield Fault(
            f"{path}.when",
            f"nothing called {campaign.when} fires a campaign; what does: {', '.join(sorted(CATALOGUE))}",
        )
    else:
        yield from _faults_of_node(campaign.who, campaign.when, f"{path}.who", ladder, depth=0)
        leaves = _leaves(campaign.who)
        if leaves > LEAVES_MAX:
            yield Fault(f"{path}.who", f"{leaves} leaves; {LEAVES_MAX} is the most")
    if not campaign.what:
        yield Fault(f"{path}.what", "a campaign grants something")
    for place, rule in enumerate(campaign.what):
        yield from _faults_of_award(rule, f"{path}.what[{place}]")
    limits: Mapping[str, int | None] = {
        "per_member": campaign.limits.per_member,
        "per_member_and_tier": campaign.limits.per_member_and_tier,
        "budget": campaign.limits.budget,
    }
    for name, limit in limits.items():
        if limit is not None and limit < 1:
            yield Fault(f"{path}.limits.{name}", "a limit below 1 would grant nothing at all")


def _faults_of_award(rule: AwardRule, path: str) -> Iterator[Fault]:
    if rule.kind == "points" and (rule.points < 1 or rule.coupon is not None):
        yield Fault(path, "an award of points names at least one point and no coupon")
    if rule.kind == "coupon" and (not rule.coupon or rule.points):
        yield Fault(path, "an award of a coupon names the coupon and no points")
    if rule.coupon is not None and len(rule.coupon) > COUPON_CHARS_MAX:
        yield Fault(path, f"the coupon's name has {len(rule.coupon)} characters; {COUPON_CHARS_MAX} is the most")


def _faults_of_node(node: Node, trigger: str, path: str, ladder: Sequence[str], *, depth: int) -> Iterator[Fault]:
    said = [node.fact is not None, bool(node.all), bool(node.any), node.not_ is not None]
    if depth > TREE_DEPTH_MAX:
        yield Fault(path, f"deeper than {TREE_DEPTH_MAX}")
    elif sum(said) > 1:
        yield Fault(path, "a node is one of a fact, all, any, not")
    elif depth and is_always(node):
        yield Fault(path, "an empty node; only a whole tree may be empty, which means always")
    elif node.fact is not None:
        yield from _faults_of_leaf(node, trigger, path, ladder)
    elif node.op is not None or node.value is not None:
        yield Fault(path, "op and value belong to a fact")
    else:
        for kind, children in (("all", node.all), ("any", node.any)):
            for place, child in enumerate(children):
                yield from _faults_of_node(child, trigger, f"{path}.{kind}[{place}]", ladder, depth=depth + 1)
        if node.not_ is not None:
            yield from _faults_of_node(node.not_, trigger, f"{path}.not", ladder, depth=depth + 1)


def _faults_of_leaf(node: Node, trigger: str, path: str, ladder: Sequence[str]) -> Iterator[Fault]:
    fact = fact_named(trigger, node.fact or "")
    if fact is None:
        yield Fault(
            f"{path}.fact", f"{trigger} knows no fact {node.fact}; it knows {', '.join(sorted(CATALOGUE[trigger]))}"
        )
    elif node.op is None:
        yield Fault(f"{path}.op", "a fact is compared by an operator")
    elif node.op not in OPERATORS[fact.type]:
        wanted = ", ".join(sorted(OPERATORS[fact.type]))
        yield Fault(f"{path}.op", f"{node.fact} is of type {fact.type}, which knows {wanted}, not {node.op}")
    else:
        yield from _faults_of_value(node, fact, f"{path}.value", ladder)


def _faults_of_value(node: Node, fact: Fact, path: str, ladder: Sequence[str]) -> Iterator[Fault]:
    many = node.op in {"in", "not in"}
    if many and not (isinstance(node.value, tuple) and node.value):
        yield Fault(path, f"{node.op} wants a list of words")
        return
    values = node.value if isinstance(node.value, tuple) else (node.value,)
    if not many and isinstance(node.value, tuple):
        yield Fault(path, f"{node.op} wants one value, not a list")
        return
    for value in values:
        if fact.type == "integer" and (not isinstance(value, int) or isinstance(value, bool)):
            yield Fault(path, f"{node.fact} is an integer; {value!r} is not")
        elif fact.type == "truth" and not isinstance(value, bool):
            yield Fault(path, f"{node.fact} is true or false; {value!r} is neither")
        elif fact.type in {"word", "tier"} and not isinstance(value, str):
            yield Fault(path, f"{node.fact} is a word; {value!r} is not")
        elif fact.type == "tier" and value not in ladder:
            yield Fault(path, f"there is no tier {value}; the ladder is {', '.join(ladder)}")
        elif fact.choices and value not in fact.choices:
            yield Fault(path, f"{node.fact} is one of {', '.join(sorted(fact.choices))}, never {value}")


def _leaves(node: Node, depth: int = 0) -> int:
    """Those that are not too deep: a tree that is refused for its depth is not gone down to its end."""
    if node.fact is not None or depth > TREE_DEPTH_MAX:
        return 1
    children = [*node.all, *node.any, *([node.not_] if node.not_ is not None else [])]
    return sum(_leaves(child, depth + 1) for child in children)
