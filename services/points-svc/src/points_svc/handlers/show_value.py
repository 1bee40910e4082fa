"""A member's stored value, its statement, why an entry is what it is, and what the shop owes. The one thing not to break: money stands in
fields named `minor` beside their currency, and in no sum with points."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from points_svc.domain import stored_value, telling
from points_svc.domain.account import AVAILABLE, HELD, Entry, Lot
from points_svc.domain.stored_value import Wallet
from points_svc.handlers.pay_with_value import document
from points_svc.handlers.top_up_value import balance, end_of
from points_svc.store import PointsStore, explaining

HOLDS_SHOWN_MAX = 100
LATER_TOLD_MAX = 100


async def show_value(member_id: UUID, now: datetime, store: PointsStore) -> dict[str, Any] | None:
    """What a member has now; None: no such member. Who has never paid anything in has nothing."""
    if await store.read_account(member_id) is None:
        return None
    wallet = await store.wallets.of_member(member_id)
    account = None if wallet is None else await store.read_any(wallet.account_id)
    if wallet is None or account is None:
        return {
            "member_id": member_id, "at": now, "account_id": None, "currency": None, "available_minor": 0,
            "paid_available_minor": 0, "bonus_available_minor": 0, "held_minor": 0, "account_frozen": False,
            "lots": [], "holds": [],
        }  # fmt: skip
    await store.read_live_lots([account])
    holds = await store.holds_before(wallet.account_id, account.seq + 1, HOLDS_SHOWN_MAX, only_open=True)
    return {
        "member_id": member_id,
        "at": now,
        "account_id": wallet.account_id,
        "currency": wallet.currency,
        **balance(account, now),
        "account_frozen": account.halted,
        "lots": [_lot(lot) for lot in sorted(account.lots.values(), key=lambda lot: lot.turn)],
        "holds": [document(wallet, hold, 0, now) for hold in holds],
    }


async def show_value_statement(
    member_id: UUID, before: int | None, limit: int, store: PointsStore
) -> dict[str, Any] | None:
    """A page of entries, newest first, each with its reason, and the lots they speak of; None: no such member."""
    if await store.read_account(member_id) is None:
        return None
    wallet = await store.wallets.of_member(member_id)
    account = None if wallet is None else await store.read_any(wallet.account_id)
    if wallet is None or account is None:
        return {"currency": None, "items": [], "next": None, "lots": []}
    entries = await store.entries_before(wallet.account_id, account.seq + 1 if before is None else before, limit)
    oldest = entries[-1].seq if entries else 1
    spoken_of = {entry.lot for entry in entries if entry.lot is not None}
    spoken_of |= {lot for entry in entries for lot, _ in entry.consumed}
    await store.read_lots([(account, lot) for lot in spoken_of])
    return {
        "currency": wallet.currency,
        "items": [entry_document(entry) for entry in entries],
        "next": oldest if oldest > 1 else None,
        "lots": [_lot(lot) for lot in sorted(account.lots.values(), key=lambda lot: lot.turn)],
    }


async def explain_value(member_id: UUID, seq: int, store: PointsStore) -> dict[str, Any] | None:
    """Why one entry of a member's stored value is what it is; None: there is none."""
    wallet = await store.wallets.of_member(member_id)
    return None if wallet is None else await explain_of(wallet, seq, store)


async def explain_of(wallet: Wallet, seq: int, store: PointsStore) -> dict[str, Any] | None:
    """The same, of a wallet."""
    entry = await explaining.entry(store.tx, wallet.account_id, seq)
    if entry is None:
        return None
    touched = {lot for lot, _ in entry.consumed} | ({entry.lot} if entry.lot is not None else set())
    lots = {lot.lot: lot for lot in await explaining.lots(store.tx, wallet.account_id, touched)}
    after = [] if entry.lot is None else await explaining.later(
        store.tx, wallet.account_id, entry.lot, seq, LATER_TOLD_MAX
    )  # fmt: skip
    from_lots = [_seen(lots[lot]) | {"amount_minor": amount} for lot, amount in entry.consumed if lot in lots]
    return {
        "entry_id": f"{wallet.account_id}:{seq}",
        "member_id": wallet.member_id,
        "currency": wallet.currency,
        **entry_document(entry),
        "rule": entry.why.get("rule"),
        "version": entry.why.get("version"),
        **telling.factors_of(entry.why),
        "from_lots": from_lots,
        "to_lot": _seen(lots[entry.lot]) if entry.lot in lots else None,
        "afterwards": [
            {"entry": one.seq, "kind": one.kind, "amount_minor": one.points, "at": one.at, "cause": one.cause}
            for one in after
        ],
        "sentences": [
            *telling.sentences_of(entry.kind, entry.cause, entry.order_id, entry.why),
            f"{entry.amount:,} minor units of {wallet.currency} moved from {entry.debit} to {entry.credit}.",
            *(f"{one['amount_minor']:,} of them came from lot {one['lot']}, which is {one['kind']} value." for one in from_lots),
        ],
    }  # fmt: skip


async def show_value_liability(now: datetime, store: PointsStore) -> dict[str, Any]:
    """What the shop owes in stored value, per currency."""
    return {"at": now, "currencies": await store.wallets.liability(now)}


def entry_document(entry: Entry) -> dict[str, Any]:
    """`gained_minor`: what the member gained; holding only sets it apart."""
    mine = (AVAILABLE, HELD)
    return {
        "entry": entry.seq,
        "cause": entry.cause,
        "at": entry.at,
        "kind": entry.kind,
        "gained_minor": ((entry.credit in mine) - (entry.debit in mine)) * entry.amount,
        "amount_minor": entry.amount,
        "from": entry.debit,
        "to": entry.credit,
        "order_id": entry.order_id,
        "lot": entry.lot,
        "consumed": [{"lot": lot, "amount_minor": amount} for lot, amount in entry.consumed],
        "why": entry.why,
    }


def _lot(lot: Lot) -> dict[str, Any]:
    return {
        "lot": lot.lot,
        "kind": lot.kind,
        "granted_minor": lot.granted,
        "remaining_minor": lot.remaining,
        "since": lot.earned_at,
        "expires_at": end_of(lot.expires_at),
        "with_lot": None if lot.kind != stored_value.BONUS else lot.lot - stored_value.BONUS_LOTS_FROM,
    }


def _seen(lot: explaining.LotSeen) -> dict[str, Any]:
    return {
        "lot": lot.lot,
        "kind": lot.kind,
        "made_by": lot.made_by,
        "granted_minor": lot.granted,
        "remaining_minor": lot.remaining,
        "since": lot.earned_at,
        "expires_at": end_of(lot.expires_at),
    }
