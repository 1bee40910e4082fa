"""The catalogue of facts: for every trigger, which facts a condition may ask for, of which type, and where each value comes from.
The one thing not to break: a fact always has a value of its type (a missing word is "", a missing count 0), so that a tree is total
and a leaf that compares a wrong type is refused when the programme is checked, not met on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple, Protocol

from campaign_svc.domain.conditions import Value

PURCHASE = "laurel.purchase.recorded.v1"
REFUND = "laurel.purchase.refunded.v1"
STANDING_RAISED = "standing.raised"

FactType = Literal["integer", "word", "truth", "tier"]
OPERATORS: dict[FactType, frozenset[str]] = {
    "integer": frozenset({"==", "!=", ">=", ">", "<=", "<"}),
    "word": frozenset({"==", "!=", "in", "not in"}),
    "truth": frozenset({"==", "!="}),
    "tier": frozenset({"==", "!=", ">=", ">", "<=", "<", "in", "not in"}),
}


class OrderFigures(Protocol):
    """What the catalogue asks of an order."""

    @property
    def amount_minor(self) -> int: ...
    @property
    def left_minor(self) -> int: ...
    def category_left_minor(self, category: str) -> int: ...


class Moment(NamedTuple):
    """What is known when something may fire a campaign. `data` is the event's own shape; `order` is None without one;
    `orders_count` counts the member's purchases by number, this one included."""

    data: Any
    tier: str
    local_day: date | None
    orders_count: int
    order: OrderFigures | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: its type, its meaning in words (with units), how to take it from the moment. `choices`: the only words there are.
    `moves`: the value changes after the decision (a refund), so it is taken from the order and never from what was kept."""

    type: FactType
    says: str
    of: Callable[[Moment], Value]
    choices: frozenset[str] = frozenset()
    moves: bool = False


def _order(moment: Moment) -> OrderFigures:
    if moment.order is None:
        raise ValueError("a fact about an order was asked for where there is none")
    return moment.order


def _day(moment: Moment) -> date:
    if moment.local_day is None:
        raise ValueError("the activity bears no programme-local day")
    return moment.local_day


_ANY_TIME: dict[str, Fact] = {
    "tier": Fact("tier", "the tier that the activity is rated at", lambda m: m.tier),
    "orders_count": Fact("integer", "the member's orders so far, by number", lambda m: m.orders_count),
}
_ON_A_DAY: dict[str, Fact] = _ANY_TIME | {
    "local_day_of_month": Fact("integer", "1 to 31, in the programme's zone", lambda m: _day(m).day),
    "local_month": Fact("integer", "1 to 12, in the programme's zone", lambda m: _day(m).month),
    "local_weekday": Fact("integer", "1 Monday to 7 Sunday, in the programme's zone", lambda m: _day(m).isoweekday()),
    "local_date": Fact("word", "the programme-local day, as 2018-01-31", lambda m: _day(m).isoformat()),
}
_PURCHASE: dict[str, Fact] = {
    "order_amount_minor": Fact("integer", "the whole order, in minor units", lambda m: _order(m).amount_minor),
    "order_left_minor": Fact(
        "integer", "what refunds have left of it, all lines, in minor units", lambda m: _order(m).left_minor, moves=True
    ),
    "channel": Fact("word", "store or online", lambda m: m.data.channel, frozenset({"store", "online"})),
    "store_id": Fact("word", "the store; empty where there is none", lambda m: m.data.store_id or ""),
    "lines_count": Fact("integer", "lines of the order", lambda m: len(m.data.lines)),
    "points_used": Fact("integer", "points spent on the order, as the channel says", lambda m: m.data.points_used or 0),
    "coupons_used_count": Fact("integer", "coupon codes on the order", lambda m: len(m.data.coupon_codes)),
    "shared": Fact("truth", "the order carries a share", lambda m: m.data.share_id is not None),
}
# What fires a campaign (`when`), and what may be asked then. A refund fires nothing: it makes what its order caused be judged again.
CATALOGUE: dict[str, dict[str, Fact]] = {
    PURCHASE: _ON_A_DAY | _PURCHASE,
    "laurel.member.signed-in.v1": _ON_A_DAY | {"channel": Fact("word", "where", lambda m: m.data.channel)},
    "laurel.review.posted.v1": _ON_A_DAY
    | {
        "rating": Fact("integer", "1 to 5", lambda m: m.data.rating),
        "photos": Fact("integer", "photos of the review", lambda m: m.data.photos),
        "sku": Fact("word", "what was reviewed; empty where only the line is named", lambda m: m.data.sku or ""),
    },
    "laurel.product.shared.v1": _ON_A_DAY
    | {
        "sku": Fact("word", "what was shared", lambda m: m.data.sku),
        "network": Fact("word", "where it was shared", lambda m: m.data.network),
    },
    "laurel.activity.joined.v1": _ON_A_DAY
    | {"activity_id": Fact("word", "what was joined", lambda m: m.data.activity_id)},
    "laurel.complaint.filed.v1": _ON_A_DAY | {"kind": Fact("word", "kind of complaint", lambda m: m.data.kind)},
    "laurel.survey.answered.v1": _ON_A_DAY
    | {
        "survey_id": Fact("word", "which survey", lambda m: m.data.survey_id),
        "score": Fact("integer", "0 to 10", lambda m: m.data.score),
    },
    "laurel.member.registered.v1": _ON_A_DAY
    | {"referred": Fact("truth", "somebody brought the member", lambda m: m.data.referrer_id is not None)},
    STANDING_RAISED: _ANY_TIME
    | {
        "tier": Fact("tier", "the tier that was reached", lambda m: m.tier),
        "tier_before": Fact("tier", "the tier before", lambda m: m.data.computed_from),
        "tier_effective": Fact("tier", "the tier that applies, overrides considered", lambda m: m.data.effective_to),
    },
}
TIER_FACTS: frozenset[str] = frozenset(
    name for facts in CATALOGUE.values() for name, fact in facts.items() if fact.type == "tier"
)
_CATEGORY_LEFT = re.compile(r"^category_left_minor\((?P<category>[^()]{1,200})\)$")


def fact_named(trigger: str, name: str) -> Fact | None:
    """The fact of this name that the trigger knows; a fact may bear a parameter, `category_left_minor(food)`. None: nobody knows it."""
    known = CATALOGUE[trigger].get(name)
    if known is not None or trigger != PURCHASE:
        return known
    match = _CATEGORY_LEFT.match(name)
    if match is None:
        return None
    category = match["category"]
    return Fact(
        "integer",
        f"what refunds have left of the lines of {category}, rounded down, in minor units",
        lambda moment: _order(moment).category_left_minor(category),
        moves=True,
    )


def needs_lines(names: frozenset[str]) -> bool:
    """Whether the order's lines must be kept, because a refund may change one of these facts line by line."""
    return any(_CATEGORY_LEFT.match(name) for name in names)


def facts_at(moment: Moment, catalogue: Mapping[str, Fact]) -> dict[str, Value]:
    """The values of these facts at the moment."""
    return {name: fact.of(moment) for name, fact in catalogue.items()}
