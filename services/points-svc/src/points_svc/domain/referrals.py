"""When a referral is paid (domain.md 3.2): when the first purchase that still has anything left after its refund window is that old, by
the new member's clock. The one thing not to break: it is judged when the clock first gets there, on the way to an activity, so that what
comes after the window undoes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from points_svc.domain import calendar, earning, ledger
from points_svc.domain.account import HANDED_LOTS_FROM, REFERRED, Account, Dated, NoEffect, Order, Why
from points_svc.domain.between import Matured, Referral
from points_svc.domain.rules import Rules

CAUSE = "referral"  # a member is referred once


def begin(account: Account, referrer_id: UUID, versions: Mapping[int, Rules]) -> None:
    """The member has said at his registration who brought him. Purchases he made before count like any other."""
    if referrer_id == account.member_id or account.referral is not None:
        return
    account.referral = Referral(referrer_id)
    for order in account.orders.values():
        bought(account, order, versions[order.version])


def bought(account: Account, order: Order, rules: Rules) -> None:
    """A purchase sets out to outlive its refund window, if there is anything left of it."""
    if account.referral is not None and order.refunded_minor < order.amount_minor:
        account.referral.ripening.append((order.at + rules.refund_window, order.order_id, order.version))


def refunded(account: Account, order: Order) -> None:
    """A purchase of which nothing is left counts for nothing."""
    referral = account.referral
    if referral is not None and order.refunded_minor >= order.amount_minor:
        referral.ripening = [one for one in referral.ripening if one[1] != order.order_id]


def is_due(account: Account) -> bool:
    """Whether a purchase is old enough, by the member's clock."""
    due, clock = (account.referral.due if account.referral is not None else None), account.clock
    return due is not None and clock is not None and due <= clock


def pay(account: Account, versions: Mapping[int, Rules]) -> None:
    """The new member's own points, on a page of their own; the referrer is told of his. Both date from the clock that got there."""
    referral, clock = account.referral, account.clock
    if referral is None or clock is None:
        raise ValueError(f"no referral of {account.member_id} is due")
    due, order_id, version = min(referral.ripening)
    rules = versions[version]
    points, day = rules.referral.new_member_points, calendar.local_day(clock, rules.zone)
    why: Why = {
        "rule": "referral", "version": version, "referrer_id": referral.referrer_id, "order_id": order_id,
        "refund_window_days": rules.refund_window.days, "due": due, "clock": clock, "points": points,
    }  # fmt: skip
    ledger.open_page(account, CAUSE, clock)
    if points:
        lot = earning.new_lot(account, "referral", Dated(HANDED_LOTS_FROM + account.seq + 1, clock, day), rules)
        ledger.put(account, lot, points, REFERRED, why)
    else:
        account.no_effects.append(NoEffect(CAUSE, clock, why))
    ledger.close_page(account)
    account.matured = Matured(referral.referrer_id, clock, day, version)
    account.referral = None
