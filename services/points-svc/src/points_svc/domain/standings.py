"""Which tier rates which purchase (domain.md 3.1, 4.7), and what happens when that becomes known late. The one thing not to break: purchase
n is rated by the fact with the highest ordinal among those that hold after a lower number, never by the latest that has been heard."""

from __future__ import annotations

from collections.abc import Mapping

from points_svc.domain import earning, ledger, rating, validity
from points_svc.domain.account import RATED_AGAIN, Account, Order, Why
from points_svc.domain.rules import Rules


def reach(account: Account, seq: int) -> None:
    """The account comes to activity `seq`: facts that hold after a lower number are in force from here on."""
    if account.ahead:
        for ordinal, holds_after, tier in account.ahead:
            if holds_after < seq and ordinal > account.ordinal:
                account.ordinal, account.tier = ordinal, tier
        account.ahead = [fact for fact in account.ahead if fact[1] >= seq]


def learn(
    account: Account,
    *,
    ordinal: int,
    holds_after: int,
    tier: str,
    why: Why,
    rules: Mapping[int, Rules],
    rules_at: validity.RulesAt | None = None,
) -> None:
    """A standing fact becomes known. It is kept for what is to come, and orders that it holds for are rated again: the difference is
    posted in the order's own lot. Facts come in the order of their ordinals, so each outranks what rated those orders before. `rules_at`:
    the version in force at an instant, for what bears no version here."""
    if holds_after > account.activity:
        account.ahead.append((ordinal, holds_after, tier))
        return
    account.ordinal, account.tier = ordinal, tier
    for order in sorted(account.orders.values(), key=lambda order: order.seq):
        if order.seq > holds_after:
            _rate_again(account, order, why, rules[order.version])
    if rules_at is not None:
        validity.others_follow(account, holds_after, rules_at, why)


def _rate_again(account: Account, order: Order, why: Why, rules: Rules) -> None:
    """As 3.3.5: what is added repays debt first, like an award; what is taken away is taken like a refund."""
    tier_before = order.tier or rules.lowest_tier
    order.tier, order.ordinal, order.is_changed = account.tier, account.ordinal, True
    validity.order_follows(account, order, rules, why)
    before, order.net = order.net, rating.points_of(order, rules)
    change = order.net - before
    if not change:
        return
    account.earned_net += change
    why = rating.why_of(order, rules, order.net) | why | {"tier_before": tier_before, "points_before": before}
    if change < 0:
        ledger.take(account, account.lots.get(order.seq), -change, RATED_AGAIN, why, order_id=order.order_id)
        return
    lot = validity.home(account, order, rules) or earning.order_lot(account, order, rules)
    ledger.put(account, lot, change, RATED_AGAIN, why, order_id=order.order_id)
