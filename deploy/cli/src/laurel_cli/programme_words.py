"""Two programme versions side by side, rule by rule, in words: what would be different for members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from laurel_contracts.programme import Campaign, Condition, Leaf, Programme

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Change:
    """One rule that differs."""

    rule: str
    before: str
    after: str


def differences(before: Programme, after: Programme) -> list[Change]:
    """What changes from one version to the other, in the order of the document; the version number itself is no change."""
    old, new = dict(rules(before)), dict(rules(after))
    names = [*new, *(name for name in old if name not in new)]
    return [
        Change(name, old.get(name, ABSENT), new.get(name, ABSENT))
        for name in names
        if name != "version" and old.get(name) != new.get(name)
    ]


def condition_in_words(condition: Condition, currency: str, exponent: int) -> str:
    """A tier condition as a person says it: spend in 365 days of at least 1000.00 USD."""
    if condition.always:
        return "always"
    if condition.all:
        return " and ".join(condition_in_words(each, currency, exponent) for each in condition.all)
    metric = str(condition.metric)
    name = metric.removesuffix("_in_days").replace("_", " ") + (f" in {condition.days} days" if condition.days else "")
    in_money = metric.startswith("spend") or metric == "largest_order"

    def amount(value: int) -> str:
        return money(value, exponent, currency) if in_money else f"{value:,}"

    bounds = [
        *([f"at least {amount(condition.at_least)}"] if condition.at_least is not None else []),
        *([f"at most {amount(condition.at_most)}"] if condition.at_most is not None else []),
    ]
    return f"{name} {' and '.join(bounds)}"


def money(minor: int, exponent: int, currency: str) -> str:
    """Minor units as people write them: 123456 → 1,234.56 USD."""
    whole, rest = divmod(abs(minor), 10**exponent)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole:,}" + (f".{rest:0{exponent}d}" if exponent else "") + f" {currency}"


def rules(programme: Programme) -> Iterator[tuple[str, str]]:
    """Every rule of a programme as (name, value in words)."""
    for name in ("programme", "version", "currency", "exponent", "zone"):
        yield name, str(getattr(programme, name))
    yield "a day is closed after local midnight by", f"{programme.close_delay_hours} hours"
    for part, rule in (
        ("points on purchases", programme.points.purchase),
        ("points on sign-ins", programme.points.sign_in),
        ("points on reviews", programme.points.review),
        ("points on joining", programme.points.join),
        ("points on referrals", programme.points.referral),
        ("points on shares", programme.points.share),
        ("expiry of points", programme.points.expiry),
    ):
        for name, value in _leaves(msgspec.to_builtins(rule)):
            yield f"{part}: {name}", value
    yield "tiers: a period lasts", f"{programme.tiers.validity_months} months"
    yield "tiers: on lapse", programme.tiers.on_lapse
    yield "tiers: on refund", programme.tiers.on_refund
    for tier in programme.tiers.ladder:
        for kind, conditions in (("reached by", tier.reach), ("kept by", tier.keep)):
            words = [condition_in_words(each, programme.currency, programme.exponent) for each in conditions]
            yield f"tier {tier.id}: {kind}", " or ".join(words) or ABSENT
        yield f"tier {tier.id}: multiplier", tier.multiplier
        yield f"tier {tier.id}: discount", f"{tier.discount_percent} %"
        yield f"tier {tier.id}: name", tier.name or ABSENT
    if not isinstance(programme.benefits, msgspec.UnsetType):
        for pack in programme.benefits.packs:
            yield f"benefit pack {pack.id}", pack.name or ABSENT
        for benefit in programme.benefits.catalogue:
            for name, value in _leaves(msgspec.to_builtins(benefit)):
                yield f"benefit {benefit.id}: {name}", value
    for task in () if isinstance(programme.tasks, msgspec.UnsetType) else programme.tasks:
        for name, value in _leaves(msgspec.to_builtins(task)):
            yield f"task {task.id}: {name}", value
    for campaign in programme.campaigns:
        yield from _campaign(campaign, programme)


def _campaign(campaign: Campaign, programme: Programme) -> Iterator[tuple[str, str]]:
    called = f"campaign {campaign.id}:"
    yield f"{called} name", campaign.name or ABSENT
    yield f"{called} fires on", campaign.when
    yield f"{called} for whom", leaf_in_words(campaign.who, programme.currency, programme.exponent)
    gives = [
        f"{award.points:,} points" if award.kind == "points" else f"coupon {award.coupon}" for award in campaign.what
    ]
    yield f"{called} gives", ", ".join(gives)
    limits = campaign.limits
    for name, limit in (("per member", limits.per_member), ("per member and tier", limits.per_member_and_tier)):
        yield f"{called} at most {name}", ABSENT if limit is None else f"{limit:,}"
    yield f"{called} budget", ABSENT if limits.budget is None else f"{limits.budget:,} awards"
    yield f"{called} taken back when a refund undoes the reason", "yes" if campaign.taken_back else "no"


def leaf_in_words(leaf: Leaf, currency: str, exponent: int) -> str:
    """A campaign's condition as one sentence."""
    for joint, parts in ((" and ", leaf.all), (" or ", leaf.any)):
        if parts:
            words = [leaf_in_words(part, currency, exponent) for part in parts]
            return joint.join(f"({word})" if " or " in word and joint == " and " else word for word in words)
    if leaf.not_ is not None:
        return f"not ({leaf_in_words(leaf.not_, currency, exponent)})"
    if leaf.fact is None:
        return "everybody"
    value = leaf.value
    if leaf.fact.endswith("_minor") and isinstance(value, int):
        return f"{leaf.fact.removesuffix('_minor').replace('_', ' ')} {leaf.op} {money(value, exponent, currency)}"
    shown = ", ".join(value) if isinstance(value, tuple) else value
    return f"{leaf.fact.replace('_', ' ')} {leaf.op} {shown}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The values of nested plain data with their paths; lists of plain values are one value."""
    if isinstance(value, dict):
        if not value and path:
            yield path, ABSENT
        for name, inner in value.items():
            yield from _leaves(inner, f"{path} {name}".strip().replace("_", " "))
    elif isinstance(value, list | tuple) and any(isinstance(each, dict) for each in value):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{path} {number}")
    elif isinstance(value, list | tuple):
        yield path, ", ".join(str(each) for each in value) or ABSENT
    else:
        yield path, ABSENT if value is None or value == "" else str(value)
