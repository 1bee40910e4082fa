"""Points are given to another member (domain.md 3.5): the sender's side, under a key. The one thing not to break: nothing of the receiver
is touched here; what has left the sender is said to the receiver's partition in the transaction that took it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc import events
from points_svc.domain import handovers, ledger
from points_svc.domain.account import Why
from points_svc.domain.between import RETURNED, UNDER_WAY, Arrival, Handover
from points_svc.handlers.hold_points import close, open_account
from points_svc.handlers.once import Answer, Keyed, once, refused, said
from points_svc.store import PointsStore

SENT = 201
ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transfer as asked for, checked in form. `receiver_known`, `receiver_frozen`: as read before, without a lock; the receiver's own
    books have the last word when the points arrive."""

    member_id: UUID
    to_member_id: UUID
    points: int
    reason: str | None = None
    receiver_known: bool = True
    receiver_frozen: bool = False


class ReceiverUnknown(Exception):
    """Nothing has been heard of the receiver."""


def link_to(handover_id: UUID) -> str:
    """Where a transfer is seen."""
    return f"/v1/transfers/{handover_id}"


async def receiver_of(member_id: UUID, store: PointsStore) -> tuple[bool, bool]:
    """Whether the receiver is known, and whether frozen; in a reading of its own, because his rows may lie elsewhere."""
    account = await store.read_account(member_id)
    return account is not None and account.activity > 0, account is not None and account.frozen


async def transfer_points(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Take the points off the sender and send them on their way."""

    async def decide() -> Answer:
        account = await open_account(wanted.member_id, now, store)
        if not wanted.receiver_known:
            raise ReceiverUnknown
        handover_id = derived_id("transfer", asked.scope, asked.key)
        why: Why = {
            "rule": "transfer", "transfer_id": handover_id, "key": asked.key, "points": wanted.points,
            "to_member_id": wanted.to_member_id, "order": "soonest expiry first",
        }  # fmt: skip
        if wanted.reason:
            why["reason"] = wanted.reason
        ledger.open_page(account, f"transfer {handover_id}", now)
        made = handovers.hand_over(
            account, handover_id, wanted.to_member_id, wanted.points, now, why=why, reason=wanted.reason,
            receiver_frozen=wanted.receiver_frozen,
        )  # fmt: skip
        await close(account, store)
        if isinstance(made, Handover):
            store.say([events.handed_over(account.member_id, account.lots, made, store.partition_of(made.receiver_id))])
            return said(SENT, document(wanted.member_id, made, None), link_to(handover_id))
        return refused(made, account, f"/v1/members/{wanted.member_id}/balance")

    return await once(asked, now, store, decide)


async def show_transfer(handover_id: UUID, store: PointsStore) -> dict[str, Any] | None:
    """One transfer as both sides have it; None: there is none."""
    found = await store.between.named(handover_id)
    return None if found is None else document(*found)


def document(member_id: UUID, handover: Handover, arrival: Arrival | None) -> dict[str, Any]:
    """A transfer as everybody sees it. `under_way` until the receiver has taken it, or it is back."""
    state, ended_at = handover.state, handover.ended_at
    if state == UNDER_WAY and arrival is not None and arrival.because is None:
        state, ended_at = ARRIVED, arrival.at
    return {
        "transfer_id": handover.handover_id,
        "member_id": member_id,
        "to_member_id": handover.receiver_id,
        "points": handover.points,
        "reason": handover.reason,
        "state": state,
        "made_at": handover.made_at,
        "ended_at": ended_at,
        "because": arrival.because if arrival is not None and state == RETURNED else None,
        "lots": [{"lot": lot, "points": points} for lot, points in handover.parts],
    }
