"""Refunds (domain.md 3.3): the order is rated again with what is left, and the difference is taken back; points that were spent on it come
back. The one thing not to break: all refunds of an order together take back exactly what it earned, in any order and any split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from points_svc.domain import calendar, earning, ledger, rating
from points_svc.domain.account import (
    GIVEN_BACK,
    REDEEMED,
    RETURNED_LOTS_FROM,
    TAKEN_BACK,
    Account,
    Dated,
    Lot,
    NoEffect,
    Order,
    Why,
    is_over,
)
from points_svc.domain.rules import Rules

DAYS_GIVEN_AFTER_EXPIRY = 31  # points that come back after their lot's expiry last until the start of this local day


class RefundLine(Protocol):
    """What came back of one line, minor units."""

    @property
    def line_id(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


class Refund(Protocol):
    """A refund as reported: by lines, or one unallocated amount."""

    @property
    def refund_id(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def lines(self) -> Sequence[RefundLine]: ...
    @property
    def amount_minor(self) -> int | None: ...


def refund(account: Account, refund: Refund, dated: Dated, rules: Rules, order_rules: Rules) -> None:
    """`rules`: of the refund's time; `order_rules`: the version the order was rated by, which goes on to rate it."""
    order = account.orders.get(refund.order_id)
    if order is None:
        raise ValueError(f"order {refund.order_id!r} is not known; the door holds such a refund back")
    _reduce(order, refund)
    before, order.net = order.net, rating.points_of(order, order_rules)
    account.earned_net += order.net - before
    why = rating.why_of(order, order_rules, order.net) | {
        "rule": "refund",
        "refund_id": refund.refund_id,
        "refunded_minor": order.refunded_minor,
        "points_before": before,
    }
    moved = account.seq
    if order.net < before:
        own = account.lots.get(order.seq)
        ledger.take(account, own, before - order.net, TAKEN_BACK, why, order_id=order.order_id)
    _return_spent(account, order, dated, rules)
    if account.seq == moved:
        account.no_effects.append(NoEffect(account.cause, dated.at, why))


def _reduce(order: Order, refund: Refund) -> None:
    """Take the refund off what is left, by line or unallocated. The door has seen that it is not above it."""
    order.is_changed = True
    if not refund.lines:
        if refund.amount_minor is None:
            raise ValueError(f"refund {refund.refund_id!r} has neither lines nor an amount")
        order.unallocated_minor += refund.amount_minor
    part_of = {line: part for part in order.parts for line in part.lines or ()}
    for line in refund.lines:
        part_of.get(line.line_id, order.parts[0]).left -= line.amount_minor
    if any(part.left < 0 for part in order.parts) or order.unallocated_minor > order.left_by_lines:
        raise ValueError(f"refund {refund.refund_id!r} is above what is left of order {order.order_id!r}")


def _return_spent(account: Account, order: Order, dated: Dated, rules: Rules) -> None:
    """Points spent on the order come back (3.3.4): in all floor(spent × refunded ÷ amount), the last spent first, into their own lots;
    where such a lot has expired by the member's clock, into one that lasts until the start of the 31st local day after the refund."""
    payments = account.payments.get(order.order_id, [])
    spent = sum(payment.amount for payment in payments)
    if not spent or not order.amount_minor:
        return
    returned = sum(payment.returned for payment in payments)
    missing = spent * order.refunded_minor // order.amount_minor - returned
    why: Why = {
        "rule": "return of points spent",
        "version": rules.version,
        "points_spent": spent,
        "refunded_minor": order.refunded_minor,
        "amount_minor": order.amount_minor,
        "points_returned_before": returned,
    }
    for place, payment in enumerate(payments):
        amount = min(missing, payment.amount - payment.returned)
        if amount <= 0:
            continue
        missing -= amount
        payment.returned += amount
        payment.is_changed = True
        lot = account.lots[payment.lot]
        if is_over(lot, account):
            number = RETURNED_LOTS_FROM + (dated.number << 16) + place
            lot = _lot_after(account, amount, Dated(number, lot.earned_at, dated.day), rules)
        ledger.put(account, lot, amount, GIVEN_BACK, why, source=REDEEMED, order_id=order.order_id)


def _lot_after(account: Account, amount: int, dated: Dated, rules: Rules) -> Lot:
    """What came out of a lot that is over by now goes into one that was earned at the same time and lasts a little longer."""
    until = calendar.start_of_day_after(dated.day, DAYS_GIVEN_AFTER_EXPIRY, rules.zone)
    lot = earning.lot_until(account, "returned", dated, until)
    lot.granted = amount  # issued long ago, granted anew
    return lot
