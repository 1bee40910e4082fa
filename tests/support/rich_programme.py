"""A programme that uses what came after the first release: terms and grace, a club, benefits by tier, growth tasks, pending points, extra
rules, caps on what one member's activities earn another. The one thing not to break: whatever is added to the programme document is used
here too, or the convergence of the whole is not shown for it."""

from __future__ import annotations

from typing import Any

from tests.support.shop import reference


def rich() -> dict[str, Any]:
    """See the module; months and windows short enough that a year of baskets meets every end many times."""
    document = reference()
    document["points"] = points = dict(document["points"])
    points["purchase"] = dict(points["purchase"], pending_days=3, max_points_per_order=900)
    points["purchase"]["extra"] = [{"id": "in-store", "rate": "0.5", "channels": ["store"]}]
    points["referral"] = {"points": 200, "new_member_points": 100, "max_per_month": 1}
    points["share"] = {
        "points": 50,
        "max_per_month": 1_000,
        "waiting_days": 30,
    }  # a cap here is decided by who comes first
    points["review"] = dict(points["review"], caps=[{"points": 100, "per": "month", "kind": "clip"}])
    points["expiry"] = {"months": 24, "ends": "quarter"}
    document["tiers"] = tiers = dict(document["tiers"], ladder=[dict(tier) for tier in document["tiers"]["ladder"]])
    tiers |= {"validity_months": 2, "grace_days": 5, "grace_ends": "month", "on_lapse": "one_step"}
    tiers["period"] = {"kind": "rolling", "ends": "month"}
    _, silver, gold, diamond = tiers["ladder"]
    silver["keep"] = [{"any": [_spent(60, 6_000), {"metric": "active_days_in_days", "days": 30, "at_least": 9}]}]
    gold |= {
        "reach": [{"metric": "spend_total", "at_least": 200_000}, _spent(60, 30_000)],
        "keep": [_spent(60, 25_000)],
    }
    gold |= {"validity_months": 3, "on_lapse": "to_kept"}
    diamond |= {"reach": [{"metric": "growth_total", "at_least": 6_000}], "keep": [_spent(60, 40_000)]}
    tiers["clubs"] = [{
        "id": "regulars", "validity_months": 1, "on_lapse": "one_step", "on_refund": "at_period_end",
        "period": {"kind": "calendar", "dates": ["03-31", "06-30", "09-30", "12-31"]},
        "ladder": [
            {"id": "guest"},
            {"id": "friend", "reach": [_orders(4)], "keep": [_orders(2)]},
            {"id": "family", "reach": [{"all": [_orders(8), _spent(60, 20_000)]}], "keep": [_orders(5)]},
        ],
    }]  # fmt: skip
    document["benefits"] = {
        "catalogue": [
            {"id": "price", "kind": "member_price", "from_tier": "silver"},
            {
                "id": "delivery",
                "kind": "free_delivery",
                "from_tier": "gold",
                "limits": {"per_member": 2, "per": "month"},
            },
            {"id": "desk", "kind": "priority_service", "tiers": ["diamond"]},
        ]
    }
    document["tasks"] = [
        {"id": "four-a-month", "done_by": "purchase", "count": 4, "per": "month", "least_minor": 500, "growth": 100},
        {"id": "tell-us", "done_by": "review", "count": 3, "growth": 60},
    ]
    return document


def _spent(days: int, at_least: int) -> dict[str, Any]:
    return {"metric": "spend_in_days", "days": days, "at_least": at_least}


def _orders(at_least: int) -> dict[str, Any]:
    return {"metric": "orders_in_days", "days": 30, "at_least": at_least}
