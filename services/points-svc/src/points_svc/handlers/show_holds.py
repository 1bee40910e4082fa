"""Holds as they stand. The one thing not to break: a hold past its end is shown as expired, whether or not anybody has swept."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from points_svc.handlers.hold_points import document
from points_svc.store import PointsStore


async def show_hold(hold_id: UUID, now: datetime, store: PointsStore) -> dict[str, Any] | None:
    """One hold of points; None: there is none."""
    found = await store.hold(hold_id)
    if found is None or await store.wallets.named(found[0]) is not None:
        return None
    return document(*found, now)


async def show_holds(
    member_id: UUID, before: int, limit: int, now: datetime, store: PointsStore, *, only_open: bool
) -> dict[str, Any] | None:
    """A page of a member's holds, the latest first; None: no such member."""
    if await store.read_account(member_id) is None:
        return None
    found = await store.holds_before(member_id, before, limit, only_open=only_open)
    last = found[-1].seq if len(found) == limit else None
    return {"items": [document(member_id, hold, now) for hold in found], "next": last}
