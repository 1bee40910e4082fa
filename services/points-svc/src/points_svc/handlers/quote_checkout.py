"""How many points may pay for an order, and what they are worth. The one thing not to break: a quote changes nothing, and a hold of what
was quoted is granted as long as nothing else happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from points_svc.domain import checkout, spending
from points_svc.domain.account import Account, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused
from points_svc.store import PointsStore


class NoProgramme(Exception):
    """No programme version is in force here: nobody guesses what a point is worth."""


async def quote_checkout(
    member_id: UUID, order_minor: int, order_id: str | None, now: datetime, store: PointsStore
) -> dict[str, Any] | None:
    """The most that may be used now; None: no such member."""
    account = await store.read_account(member_id)
    if account is None:
        return None
    rules = await store.rules_in_force(account.day.partition, now)
    if rules is None:
        raise NoProgramme
    await store.read_live_lots([account])
    already = await store.points_on_order(member_id, order_id, now) if order_id is not None else 0
    barred = spending.refusal(account, 0, now)
    available = 0 if barred else spending.worth_at(account, now).available
    found = checkout.quote(order_minor, already, available, rules)
    return {
        "member_id": member_id,
        "order_id": order_id,
        "points": found.points,
        "worth_minor": found.worth_minor,
        "why": checkout.why(order_minor, rules)
        | {
            "version": rules.version, "available": available, "share_minor": found.share_minor,
            "points_already": already, "points_by_share": found.points_by_share,
            "barred": None if barred is None else barred.kind,
        },
    }  # fmt: skip


async def share_refusal(
    account: Account,
    points: int,
    order_minor: int,
    order_id: str | None,
    *,
    rules: Rules | None,
    now: datetime,
    store: PointsStore,
    chosen_before: bool = False,
) -> Refused | None:
    """Why so many points cannot pay for this order; the account is locked, so that no other hold for it comes between."""
    if rules is None:
        return Refused("no_programme")
    already = await store.points_on_order(account.member_id, order_id, now) if order_id is not None else 0
    return checkout.refusal(points, order_minor, already, rules, chosen_before=chosen_before)


def worth_why(points: int, order_minor: int, rules: Rules) -> Why:
    """What a hold of points as money keeps as its reason."""
    return checkout.why(order_minor, rules) | {"worth_minor": checkout.worth_minor(points, rules)}
