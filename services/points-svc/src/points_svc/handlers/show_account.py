"""What a member has, what he had, and why. The one thing not to break: all figures of an answer are of one moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from points_svc.domain import spending
from points_svc.domain.account import AVAILABLE, DEBT, HELD, Account, Entry, Lot, Order
from points_svc.domain.rules import decimal_of
from points_svc.handlers.hold_points import document
from points_svc.store import PointsStore

SOON_DAYS = 30  # as the first reminder before an expiry (domain.md 3.4)
HOLDS_SHOWN_MAX = 100  # with a balance; all of them stand in the list of holds


async def show_balance(member_id: UUID, now: datetime, store: PointsStore) -> dict[str, Any] | None:
    """The balance at `now`; None: no such member."""
    account = await store.read_account(member_id)
    if account is None:
        return None
    await store.read_live_lots([account])
    worth = spending.worth_at(account, now)
    lots = sorted(account.lots.values(), key=lambda lot: lot.turn)
    holds = (
        await store.holds_before(member_id, account.seq + 1, HOLDS_SHOWN_MAX, only_open=True) if account.held else []
    )
    return {
        "member_id": member_id,
        "at": now,
        "posted": account.posted,
        "available": worth.available,
        "pending": worth.pending,
        "overdue": worth.overdue,
        "held": account.held,
        "debt": account.debt,
        "earned_net": account.earned_net,
        "active": account.active,
        "account_frozen": account.halted,
        "lots": [_lot(lot) for lot in lots],
        "holds": [document(member_id, hold, now) for hold in holds],
    }


async def show_statement(
    member_id: UUID, before: int | None, limit: int, now: datetime, store: PointsStore
) -> dict[str, Any] | None:
    """A page of entries, newest first, each with its reason; the lots they speak of as they stand now, and what expires soon."""
    account = await store.read_account(member_id)
    if account is None:
        return None
    entries = await store.entries_before(member_id, before if before is not None else account.seq + 1, limit)
    oldest = entries[-1].seq if entries else 1
    spoken_of = {entry.lot for entry in entries if entry.lot is not None}
    spoken_of |= {lot for entry in entries for lot, _ in entry.consumed}
    await store.read_lots([(account, lot) for lot in spoken_of])
    return {
        "items": [entry_document(entry) for entry in entries],
        "next": oldest if oldest > 1 else None,
        "lots": [_lot(lot) for lot in sorted(account.lots.values(), key=lambda lot: lot.turn)],
        "expiring": _expiring(account, now),
    }


def _expiring(account: Account, now: datetime) -> dict[str, Any]:
    """What expires soon if nobody spends it. Held points lie in no lot: they come back, or they are spent."""
    until = now + timedelta(days=SOON_DAYS)
    soon = [(at, points) for at, points in sorted(account.ladder.items()) if now < at <= until]
    return {
        "within_days": SOON_DAYS,
        "points": sum(points for _, points in soon),
        "at": [{"expires_at": at, "points": points} for at, points in soon],
    }


async def show_orders(member_id: UUID, after: int, limit: int, store: PointsStore) -> dict[str, Any]:
    """A page of orders with their net points, in stream order."""
    orders = await store.orders_after(member_id, after, limit)
    return {
        "items": [_order(order) for order in orders],
        "next": orders[-1].seq if len(orders) == limit else None,
    }


async def show_order(member_id: UUID, order_id: str, store: PointsStore) -> dict[str, Any] | None:
    """One order, and every entry it caused."""
    order = await store.order(member_id, order_id)
    if order is None:
        return None
    entries = await store.entries_of_order(member_id, order_id)
    return _order(order) | {"entries": [entry_document(entry) for entry in entries]}


def _lot(lot: Lot) -> dict[str, Any]:
    return {
        "lot": lot.lot,
        "kind": lot.kind,
        "granted": lot.granted,
        "remaining": lot.remaining,
        "earned_at": lot.earned_at,
        "available_at": lot.available_at,
        "expires_at": lot.expires_at,
        "extends": lot.extends,
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """`points`: what the member gained. Owing more is a loss; repaying moves what he has to what he owed, holding only sets it apart."""
    mine = (AVAILABLE, HELD, DEBT)
    gained = (entry.credit in mine) - (entry.debit in mine)
    return {
        "entry": entry.seq,
        "cause": entry.cause,
        "at": entry.at,
        "kind": entry.kind,
        "points": gained * entry.amount,
        "amount": entry.amount,
        "from": entry.debit,
        "to": entry.credit,
        "order_id": entry.order_id,
        "lot": entry.lot,
        "consumed": [{"lot": lot, "points": points} for lot, points in entry.consumed],
        "why": entry.why,
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "activity": order.seq,
        "at": order.at,
        "points": order.net,
        "amount_minor": order.amount_minor,
        "refunded_minor": order.refunded_minor,
        "tier": order.tier,
        "ordinal": order.ordinal,
        "programme_version": order.version,
        "parts": [
            {"left_minor": part.left, "rate": decimal_of(part.rate), "excluded": part.excluded} for part in order.parts
        ],
    }
