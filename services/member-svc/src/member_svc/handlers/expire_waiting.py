"""Give up reports whose order has not come within 30 days of the business clock (domain.md 2.2.2). The one thing not to break: the
door and this take turns at the order's claim, so an order that comes in the last moment still gets what waits for it."""

from __future__ import annotations

from member_svc.domain import keys, outcomes
from member_svc.store import MemberStore

ORDERS_MAX = 500  # at once; the rest in the next transaction


async def expire_waiting(store: MemberStore) -> int:
    """Set aside what has waited too long; returns how many reports, 0 when nothing is left."""
    overdue = await store.orders.take_overdue(store.now, ORDERS_MAX)
    for waiting_id, report in overdue:
        identity = keys.hashed("waiting", waiting_id)
        await store.set_report_aside(
            identity, report, outcomes.ORDER_NEVER_CAME, "its order has not come within 30 days"
        )
    return len(overdue)
