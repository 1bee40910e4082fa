"""Points as money at checkout (domain.md 3.5). The one thing not to break: worth is rounded down, so points never buy more than their
share of the order, and no way of cutting an order or a spending makes money."""

from __future__ import annotations

from dataclasses import dataclass

from points_svc.domain.account import Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused


@dataclass(frozen=True, slots=True)
class Quote:
    """How many points may pay for an order, and what they are worth in minor units. `share_minor`: what points may pay of it in all."""

    points: int
    worth_minor: int
    share_minor: int
    points_by_share: int


def worth_minor(points: int, rules: Rules) -> int:
    """What so many points are worth, minor units, rounded down."""
    return points * rules.minor_units // rules.checkout.points_per_major_unit


def share_minor(order_minor: int, rules: Rules) -> int:
    """What points may pay of an order in all, minor units, rounded down."""
    return order_minor * rules.checkout.max_share_percent // 100


def points_for(minor: int, rules: Rules) -> int:
    """The fewest points that are worth at least so much, where so much can be said in whole points; else what comes nearest below."""
    most = _ceil((minor + 1) * rules.checkout.points_per_major_unit, rules.minor_units) - 1
    return _ceil(worth_minor(most, rules) * rules.checkout.points_per_major_unit, rules.minor_units)


def quote(order_minor: int, already: int, available: int, rules: Rules) -> Quote:
    """The most that may be used now: of what is available, within what the share leaves beside `already`, and no point that buys
    nothing. 0 where that is below the minimum."""
    share = share_minor(order_minor, rules)
    by_share = points_for(max(0, share - _ceil_worth(already, rules)), rules)
    most = min(by_share, available)
    points = _ceil(worth_minor(most, rules) * rules.checkout.points_per_major_unit, rules.minor_units)
    if points < rules.checkout.min_points:
        points = 0
    return Quote(points, worth_minor(points, rules), share, by_share)


def refusal(
    points: int, order_minor: int, already: int, rules: Rules, *, chosen_before: bool = False
) -> Refused | None:
    """Why so many points cannot pay for an order that `already` points pay for; None: they can. `chosen_before`: they are held, and only
    now is it said for which order; then there may be as few as there are."""
    share = share_minor(order_minor, rules)
    worth = worth_minor(points + already, rules)
    figures = {
        "points": points, "points_already": already, "worth_minor": worth, "share_minor": share,
        "order_amount_minor": order_minor, "max_share_percent": rules.checkout.max_share_percent,
        "min_points": rules.checkout.min_points,
    }  # fmt: skip
    if worth > share:
        return Refused("checkout_share_exceeded", figures)
    few = points < rules.checkout.min_points and not chosen_before
    return Refused("checkout_below_minimum", figures) if few else None


def why(order_minor: int, rules: Rules) -> Why:
    """What the rule looked at."""
    return {
        "order_amount_minor": order_minor,
        "minor_units": rules.minor_units,
        "points_per_major_unit": rules.checkout.points_per_major_unit,
        "max_share_percent": rules.checkout.max_share_percent,
        "min_points": rules.checkout.min_points,
    }


def _ceil_worth(points: int, rules: Rules) -> int:
    return _ceil(points * rules.minor_units, rules.checkout.points_per_major_unit)


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
