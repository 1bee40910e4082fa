"""Why an entry is what it is, why an activity earned nothing, and what became of the points (domain.md 7). The one thing not to break: one
call answers everything: rule, version, inputs, each factor and cap, the result, the lots before and after."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from points_svc.domain import telling
from points_svc.domain.account import REDEEMED, Entry
from points_svc.handlers.show_account import entry_document
from points_svc.handlers.show_value import explain_of
from points_svc.store import PointsStore, explaining

LATER_TOLD_MAX = 100


async def explain_entry(member_id: UUID, seq: int, store: PointsStore) -> dict[str, Any] | None:
    """One entry, of points or of stored value; None: there is none."""
    wallet = await store.wallets.named(member_id)
    if wallet is not None:
        return await explain_of(wallet, seq, store)
    entry = await explaining.entry(store.tx, member_id, seq)
    return None if entry is None else await _explained(member_id, entry, store)


async def explain_cause(member_id: UUID, cause: str, store: PointsStore) -> dict[str, Any] | None:
    """Everything a cause moved, or why it moved nothing; None: no such cause is known of this member. A wallet is no member."""
    if await store.wallets.named(member_id) is not None:
        return None
    entries = await explaining.of_cause(store.tx, member_id, cause)
    if entries:
        explained = [await _explained(member_id, entry, store) for entry in entries]
        return {"member_id": member_id, "cause": cause, "at": entries[0].at, "moved": True, "entries": explained}
    nothing = await explaining.no_effect(store.tx, member_id, cause)
    if nothing is None:
        return None
    why = nothing.why
    return {
        "member_id": member_id,
        "cause": cause,
        "at": nothing.at,
        "moved": False,
        "entries": [],
        "rule": why.get("rule"),
        "version": why.get("version"),
        **telling.factors_of(why),
        "sentences": ["No points were moved.", *telling.sentences_of("nothing", cause, None, why)],
    }


async def _explained(member_id: UUID, entry: Entry, store: PointsStore) -> dict[str, Any]:
    tx, why = store.tx, entry.why
    lots = {
        lot.lot: lot
        for lot in await explaining.lots(
            tx, member_id, {lot for lot, _ in entry.consumed} | ({entry.lot} if entry.lot is not None else set())
        )
    }
    later = [] if entry.lot is None else await explaining.later(tx, member_id, entry.lot, entry.seq, LATER_TOLD_MAX)
    returned = await explaining.returned(tx, member_id, entry.seq) if entry.credit == REDEEMED else 0
    sentences = [
        *telling.sentences_of(entry.kind, entry.cause, entry.order_id, why),
        telling.moved(entry),
        *(_taken(lots[lot], points) for lot, points in entry.consumed if lot in lots),
    ]
    if entry.lot in lots:
        sentences.append(_put(lots[entry.lot]))
    sentences += [telling.later(one.kind, one.points, one.at.isoformat(), one.cause) for one in later]
    if returned:
        sentences.append(f"{returned:,} of the points spent have come back since.")
    return {
        "entry_id": f"{member_id}:{entry.seq}",
        "member_id": member_id,
        **entry_document(entry),
        "rule": why.get("rule"),
        "version": why.get("version"),
        **telling.factors_of(why),
        "from_lots": [_lot(lots[lot]) | {"points": points} for lot, points in entry.consumed if lot in lots],
        "to_lot": _lot(lots[entry.lot]) if entry.lot in lots else None,
        "afterwards": [
            {
                "entry_id": f"{member_id}:{one.seq}",
                "kind": one.kind,
                "points": one.points,
                "at": one.at,
                "cause": one.cause,
                "order_id": one.order_id,
            }
            for one in later
        ],
        "returned": returned,
        "sentences": sentences,
    }


def _lot(lot: explaining.LotSeen) -> dict[str, Any]:
    return {
        "lot": lot.lot,
        "kind": lot.kind,
        "made_by": lot.made_by,
        "granted": lot.granted,
        "remaining": lot.remaining,
        "earned_at": lot.earned_at,
        "available_at": lot.available_at,
        "expires_at": lot.expires_at,
    }


def _taken(lot: explaining.LotSeen, points: int) -> str:
    made = f" (entry {lot.made_by})" if lot.made_by is not None else ""
    return f"{points:,} came from lot {lot.lot}{made}, earned {lot.earned_at.date()} and valid until {lot.expires_at.date()}."


def _put(lot: explaining.LotSeen) -> str:
    return (
        f"They lie in lot {lot.lot}, which can be spent from {lot.available_at.isoformat()} until {lot.expires_at.isoformat()}; "
        f"{lot.remaining:,} are left in it now."
    )
