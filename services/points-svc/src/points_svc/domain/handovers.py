"""Points go from one member to another (domain.md 3.5), each side in its own books. The one thing not to break: what has left one member
stands in clearing until it lies in a lot of the other or is back where it came from; and no lot lasts longer for having moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from points_svc.domain import earning, ledger, spending, validity
from points_svc.domain.account import (
    CLEARING,
    HANDED_LOTS_FROM,
    TRANSFER_RETURNED,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    Account,
    Dated,
    Why,
)
from points_svc.domain.between import RETURNED, UNDER_WAY, Arrival, Handover
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused


class HandedLot(Protocol):
    """Points of one lot on their way."""

    @property
    def points(self) -> int: ...
    @property
    def earned_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime: ...


def hand_over(
    account: Account,
    handover_id: UUID,
    receiver_id: UUID,
    points: int,
    now: datetime,
    *,
    why: Why,
    reason: str | None = None,
    receiver_frozen: bool = False,
) -> Handover | Refused:
    """Points leave the sender, those that expire soonest first, as a spending takes them."""
    refused = spending.refusal(account, points, now)
    if refused is None and receiver_frozen:
        refused = Refused("receiver_frozen", {"points": points, "to_member_id": receiver_id})
    if refused is not None:
        return refused
    parts = ledger.withdraw(account, spending.spendable(account, now), points, TRANSFERRED_OUT, why, credit=CLEARING)
    made = Handover(handover_id, receiver_id, account.seq, points, reason, now, parts, is_new=True)
    account.handovers[handover_id] = made
    return made


def why_not(account: Account, points: int) -> str | None:
    """Why the receiver cannot take so many points; None: he can. He earns before he registers, and so he may be given."""
    if not account.activity:
        return "member_unknown"
    if account.frozen:
        return "member_frozen"
    return "balance_too_large" if account.posted + points > ledger.POINTS_MAX else None


def take_in(account: Account, handover_id: UUID, parts: Iterable[HandedLot], at: datetime, *, why: Why) -> None:
    """Points come into lots of their own, each with the age and the expiry of the lot it came from; debt is repaid from them first."""
    points = 0
    for part in parts:
        points += part.points
        dated = Dated(HANDED_LOTS_FROM + account.seq + 1, part.earned_at, at.date())
        lot = earning.lot_until(account, "transfer", dated, part.expires_at)
        lot.granted = part.points  # issued to another member, long ago
        ledger.put(account, lot, part.points, TRANSFERRED_IN, why, source=CLEARING)
    account.arrivals[handover_id] = Arrival(handover_id, points, at)


def refuse(account: Account, handover_id: UUID, points: int, at: datetime, because: str) -> None:
    """The receiver does not take them: nothing of his moves."""
    account.arrivals[handover_id] = Arrival(handover_id, points, at, because)


def take_back(
    account: Account, handover: Handover, at: datetime, *, why: Why, rules: Mapping[int, Rules] = validity.NOTHING_LASTS
) -> bool:
    """What could not be handed over goes back into the lots it came from, once; debt is repaid first. False: it is back already. `rules`:
    see `validity.came_back`."""
    if handover.state != UNDER_WAY:
        return False
    for lot, points in handover.parts:
        ledger.put(account, account.lots[lot], points, TRANSFER_RETURNED, why | {"points": points}, source=CLEARING)
    validity.came_back(account, [lot for lot, _ in handover.parts], rules, why)
    handover.state, handover.ended_at, handover.is_changed = RETURNED, at, True
    return True
