"""What the points outstanding would cost (issue 5, P35). The one thing not to break: money is an exact decimal of points times the cost of
one, and no figure is rounded but the share, downwards."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from points_svc.domain.rules import MILLIONTHS, decimal_of
from points_svc.store import PointsStore
from points_svc.store.liability import liability

ZONE_UNKNOWN = "UTC"  # where no programme is in force there are no points either


async def show_liability(now: datetime, store: PointsStore) -> dict[str, Any]:
    """By expiry month, with the cost of a point by the programme in force; and breakage so far."""
    rules = await store.rules_in_force(0, now)  # an activation is laid into every partition
    found = await liability(store.tx, now, ZONE_UNKNOWN if rules is None else rules.zone.key)
    each = None if rules is None else rules.cost_per_point
    return {
        "at": now,
        "currency": None if rules is None else rules.currency,
        "programme_version": None if rules is None else rules.version,
        "cost_per_point": None if each is None else decimal_of(each),
        "outstanding": found.outstanding,
        "cost": _cost(found.outstanding, each),
        "by_expiry_month": [
            {"month": month.month, "points": month.points, "pending": month.pending, "cost": _cost(month.points, each)}
            for month in found.months
        ],
        "pending": sum(month.pending for month in found.months),
        "overdue": sum(month.overdue for month in found.months),
        "held": found.held,
        "debt": found.debt,
        "breakage": {
            "issued": found.issued,
            "expired": found.expired,
            "share": _decimal(found.expired * MILLIONTHS // found.issued) if found.issued else None,
        },
    }


def _cost(points: int, each: int | None) -> str | None:
    return None if each is None else _decimal(points * each)


def _decimal(value: int) -> str:
    """Millionths as an exact decimal; not kept for the next time, because sums rarely come twice."""
    whole, rest = divmod(value, MILLIONTHS)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)
