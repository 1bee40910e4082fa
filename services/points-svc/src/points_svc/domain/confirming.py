"""Points that wait until their order is confirmed: what is left of them moves into a lot that can be spent, by two entries, as an extension
does. The one thing not to break: what has been said of the pending points can be said again, so no lot changes its dates."""

from __future__ import annotations

from points_svc.domain import earning, ledger
from points_svc.domain.account import (
    ACTIVATED,
    EXTENDED_LOTS_FROM,
    MOVED_LOTS_FROM,
    Account,
    Dated,
    Lot,
    NoEffect,
    Why,
    by_request,
    is_over,
)
from points_svc.domain.rules import Rules


def confirm(account: Account, order_id: str, dated: Dated, rules: Rules) -> None:
    """The order has been confirmed. `rules`: the version by which it was rated. The page is open."""
    order = account.orders.get(order_id)
    if order is None:
        raise ValueError(f"order {order_id!r} is not known; the door holds its confirmation back")
    why: Why = {"rule": "confirmation", "version": rules.version, "order_id": order_id, "activation": rules.activation}
    if not rules.by_event:
        account.no_effects.append(NoEffect(account.cause, dated.at, why | {"because": "its points wait for no event"}))
        return
    order.confirmed_at, order.is_changed = dated.at, True
    available_at, moved = max(order.at, dated.at), account.seq
    for lot in ledger.family(account, order.seq):
        if lot.remaining and lot.available_at > available_at and not is_over(lot, account):
            reason = why | {
                "lot": lot.lot, "points": lot.remaining, "available_before": lot.available_at, "available_at": available_at,
            }  # fmt: skip
            to = _available(account, lot)
            to.available_at = available_at
            ledger.move(account, lot, to, ACTIVATED, reason)
    if account.seq == moved:
        account.no_effects.append(NoEffect(account.cause, dated.at, why | {"because": "nothing of it waits"}))


def _available(account: Account, lot: Lot) -> Lot:
    """Where points go that wait no longer. They expire as they would have; a life that was asked for stays one that was."""
    number = (EXTENDED_LOTS_FROM if by_request(lot) else MOVED_LOTS_FROM) + account.seq + 1
    to = earning.lot_until(account, lot.kind, Dated(number, lot.earned_at, lot.earned_at.date()), lot.expires_at)
    to.extends = lot.lot if lot.extends is None else lot.extends
    return to
