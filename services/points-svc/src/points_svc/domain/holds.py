"""Holds (domain.md 3.5, reliability.md 3.5): points reserved for a checkout, then captured, voided or expired; and spending, which is both
at once. The one thing not to break: a hold ends once, and every point of it is then either spent or back in the lot it came from; where
points last by tier it goes on from there into the lot that its tier says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from points_svc.domain import ledger, spending, validity
from points_svc.domain.account import CAPTURED, LAPSED, OPEN, VOIDED, Account, Hold, Lot, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused


def make(
    account: Account,
    hold_id: UUID,
    points: int,
    now: datetime,
    *,
    expires_at: datetime,
    why: Why,
    order_id: str | None = None,
) -> Hold | Refused:
    """Reserve points until `expires_at`, from the lots that expire soonest."""
    refused = spending.refusal(account, points, now)
    if refused is not None:
        return refused
    lots = spending.spendable(account, now)
    return reserve(account, lots, hold_id, points, now, expires_at=expires_at, why=why, order_id=order_id)


def reserve(
    account: Account,
    lots: list[Lot],
    hold_id: UUID,
    points: int,
    now: datetime,
    *,
    expires_at: datetime,
    why: Why,
    order_id: str | None = None,
) -> Hold:
    """Reserve out of these lots, in this order; the caller has seen that they suffice."""
    parts = ledger.reserve(account, lots, points, why, order_id=order_id)
    hold = Hold(hold_id, account.seq, points, order_id, now, expires_at, parts, is_new=True)
    account.holds[hold_id] = hold
    return hold


def capture(
    account: Account,
    hold: Hold,
    points: int | None,
    now: datetime,
    *,
    why: Why,
    order_id: str | None = None,
    rules: Mapping[int, Rules] = validity.NOTHING_LASTS,
) -> Refused | None:
    """Spend all of a hold, or the first so many points of it; the rest is released at once. None: done. Debt is no obstacle: what is
    held was not taken when points were taken back (domain.md 3.3.2). `rules`: see `validity.came_back`."""
    wanted = hold.points if points is None else points
    refused = _not_open(hold, now) or _not_capturable(account, hold, wanted, order_id)
    if refused is not None:
        return refused
    if order_id is not None:
        hold.order_id = order_id
    paid, rest = _split(hold.parts, wanted)
    ledger.redeem(account, paid, why, order_id=hold.order_id)
    _release(account, hold, rest, "captured in part", rules)
    _end(account, hold, CAPTURED, now)
    hold.captured = wanted
    return None


def void(
    account: Account, hold: Hold, now: datetime, *, rules: Mapping[int, Rules] = validity.NOTHING_LASTS
) -> Refused | None:
    """Give the hold up: all of it is released. None: done."""
    refused = _not_open(hold, now)
    if refused is None:
        _release(account, hold, hold.parts, "voided", rules)
        _end(account, hold, VOIDED, now)
    return refused


def expire(account: Account, hold: Hold, now: datetime, *, rules: Mapping[int, Rules] = validity.NOTHING_LASTS) -> None:
    """The hold's time is over: all of it is released."""
    if hold.state != OPEN or now < hold.expires_at:
        raise ValueError(f"hold {hold.hold_id} does not expire at {now.isoformat()}: it is {state_at(hold, now)}")
    _release(account, hold, hold.parts, "expired", rules)
    _end(account, hold, LAPSED, now)


def spend(
    account: Account, hold_id: UUID, points: int, now: datetime, *, why: Why, order_id: str | None = None
) -> Hold | Refused:
    """Hold and capture at once."""
    made = make(account, hold_id, points, now, expires_at=now, why=why, order_id=order_id)
    if isinstance(made, Hold):
        capture_at_once(account, made, now, why)
    return made


def capture_at_once(account: Account, made: Hold, now: datetime, why: Why) -> None:
    """All of a hold that the same cause has just made is spent."""
    ledger.redeem(account, made.parts, why, order_id=made.order_id)
    _end(account, made, CAPTURED, now)
    made.captured = made.points


def state_at(hold: Hold, now: datetime) -> str:
    """Past `expires_at` a hold is expired, whether or not anybody has swept."""
    return LAPSED if hold.state == OPEN and now >= hold.expires_at else hold.state


def due(account: Account, now: datetime) -> list[Hold]:
    """Open holds of an account whose time is over, the longest over first."""
    over = [hold for hold in account.holds.values() if hold.state == OPEN and now >= hold.expires_at]
    return sorted(over, key=lambda hold: (hold.expires_at, hold.seq))


def is_captured_so(hold: Hold, points: int | None, order_id: str | None) -> bool:
    """Whether just this has been done before: then it is answered as it was, and not refused."""
    wanted = hold.points if points is None else points
    same_order = order_id is None or order_id == hold.order_id
    return hold.state == CAPTURED and hold.captured == wanted and same_order


def _not_open(hold: Hold, now: datetime) -> Refused | None:
    state = state_at(hold, now)
    if state == OPEN:
        return None
    return Refused(f"hold_{state}", {"state": state, "points": hold.points, "captured": hold.captured})


def _not_capturable(account: Account, hold: Hold, wanted: int, order_id: str | None) -> Refused | None:
    if account.halted:
        return Refused("account_frozen", {"state": hold.state, "points": hold.points})
    if account.frozen:
        return Refused("member_frozen", {"state": hold.state, "points": hold.points})
    if wanted > hold.points:
        return Refused("capture_exceeds_hold", {"state": hold.state, "points": hold.points, "wanted": wanted})
    if order_id is not None and hold.order_id is not None and order_id != hold.order_id:
        return Refused("order_differs", {"state": hold.state, "order_id": hold.order_id})
    return None


def _split(
    parts: tuple[tuple[int, int], ...], wanted: int
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The first `wanted` points, and the others."""
    paid, rest = [], []
    for lot, points in parts:
        first = min(points, wanted)
        wanted -= first
        if first:
            paid.append((lot, first))
        if points > first:
            rest.append((lot, points - first))
    return tuple(paid), tuple(rest)


def _release(
    account: Account, hold: Hold, parts: tuple[tuple[int, int], ...], because: str, rules: Mapping[int, Rules]
) -> None:
    why: Why = {"rule": "release", "hold_id": hold.hold_id, "because": because, "expires_at": hold.expires_at}
    for lot, points in parts:
        ledger.release(account, account.lots[lot], points, why | {"points": points}, order_id=hold.order_id)
    validity.came_back(account, [lot for lot, _ in parts], rules, {"hold_id": hold.hold_id, "because": because})


def _end(account: Account, hold: Hold, state: str, now: datetime) -> None:
    hold.state, hold.ended_at, hold.ended_by, hold.is_changed = state, now, account.cause, True
