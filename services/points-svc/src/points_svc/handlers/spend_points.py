"""Points are spent: held and captured at once (domain.md 3.5). The one thing not to break: a key spends once and is answered once, also
with a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from points_svc.domain import holds, ledger, spending
from points_svc.domain.account import Account, Hold, Why
from points_svc.handlers.hold_points import above_share, close, hold_id_of, link_to, open_account
from points_svc.handlers.once import Answer, Keyed, once, refused, said
from points_svc.store import PointsStore

SPENT = 201


@dataclass(frozen=True, slots=True)
class Wanted:
    """A spending as asked for, checked in form. `order_amount_minor`: given where points are money at a checkout, as with a hold."""

    member_id: UUID
    points: int
    reason: str | None = None
    order_id: str | None = None
    order_amount_minor: int | None = None


async def spend_points(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Spend now what is there now."""

    async def decide() -> Answer:
        account = await open_account(wanted.member_id, now, store)
        ledger.open_page(account, f"spending {asked.key}", now)
        why, order_id = _why(asked, wanted), wanted.order_id
        if wanted.order_amount_minor is not None:
            rules = await store.rules_in_force(account.day.partition, now)
            no = await above_share(account, wanted, rules, why, now=now, store=store)
            if no is not None:
                await close(account, store)
                return refused(no, account, f"/v1/members/{wanted.member_id}/holds")
        made = holds.spend(account, hold_id_of(asked), wanted.points, now, why=why, order_id=order_id)
        await close(account, store)
        if isinstance(made, Hold):
            return said(SPENT, _document(asked, wanted, account, made, now), link_to(made.hold_id))
        return refused(made, account, f"/v1/members/{wanted.member_id}/holds")

    return await once(asked, now, store, decide)


def _why(asked: Keyed, wanted: Wanted) -> Why:
    why: Why = {"rule": "spending", "key": asked.key, "points": wanted.points, "order": "soonest expiry first"}
    return why | ({"reason": wanted.reason} if wanted.reason else {})


def _document(asked: Keyed, wanted: Wanted, account: Account, hold: Hold, now: datetime) -> dict[str, Any]:
    return {
        "key": asked.key,
        "member_id": wanted.member_id,
        "points": wanted.points,
        "order_id": wanted.order_id,
        "at": now,
        "posted": account.posted,
        "available": spending.worth_at(account, now).available,
        "debt": account.debt,
        "entry": hold.seq + 1,
        "hold_id": hold.hold_id,
        "lots": [
            {"lot": lot, "points": points, "expires_at": account.lots[lot].expires_at} for lot, points in hold.parts
        ],
    }
