"""Points as money at the checkout (domain.md 3.5): what they are worth, and how many of them may pay an order. The one thing not to break:
points are never worth more than the programme says, and never pay more than its share of an order; what does not come out even stays
with the shop."""

from __future__ import annotations

from dataclasses import dataclass

from points_svc.domain.account import Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused

HUNDRED_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Quote:
    """How an order may be paid with points: at least `points_min`, at most `points_max`, which pay `worth_minor`. `points_max` 0: not at
    all."""

    points_min: int
    points_max: int
    worth_minor: int


def worth_minor(points: int, rules: Rules) -> int:
    """What points pay, in minor units, rounded down."""
    return points * rules.minor_units // rules.checkout.points_per_major_unit


def quote(order_amount_minor: int, available: int, rules: Rules) -> Quote:
    """The most points that this member may pay such an order with: no more than he has, worth no more than the share, and no point for
    nothing: where points are worth less than a minor unit, as few of them as pay the same."""
    share = share_minor(order_amount_minor, rules)
    points = min(available, share * rules.checkout.points_per_major_unit // rules.minor_units)
    paid = worth_minor(points, rules)
    fewest = -(-paid * rules.checkout.points_per_major_unit // rules.minor_units)
    if not paid or fewest < rules.checkout.min_points:
        return Quote(rules.checkout.min_points, 0, 0)
    return Quote(rules.checkout.min_points, fewest, paid)


def share_minor(order_amount_minor: int, rules: Rules) -> int:
    """The part of an order that points may pay, in minor units, rounded down."""
    return order_amount_minor * rules.checkout.max_share_percent // HUNDRED_PERCENT


def refusal(points: int, order_amount_minor: int, rules: Rules) -> Refused | None:
    """Why so many points cannot pay an order of this amount; None: they can."""
    share, paid = share_minor(order_amount_minor, rules), worth_minor(points, rules)
    below = points < rules.checkout.min_points
    if not below and paid <= share:
        return None
    kind = "below_minimum" if below else "share_exceeded"
    return Refused(kind, {"points": points, **why_of(points, order_amount_minor, rules)})


def why_of(points: int, order_amount_minor: int, rules: Rules) -> Why:
    """Everything that a limit was made from."""
    return {
        "order_amount_minor": order_amount_minor,
        "worth_minor": worth_minor(points, rules),
        "share_minor": share_minor(order_amount_minor, rules),
        "max_share_percent": rules.checkout.max_share_percent,
        "points_per_major_unit": rules.checkout.points_per_major_unit,
        "min_points": rules.checkout.min_points,
    }
