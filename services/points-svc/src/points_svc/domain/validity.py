"""Points that last as long as the tier says under which they were earned, also where that becomes known late: what is left of them moves on
into a lot with the right expiry, by two entries, as an extension does. The one thing not to break: what was decided meanwhile (spent,
expired) stays decided, and an extension that somebody asked for is never shortened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from points_svc.domain import calendar, earning, ledger
from points_svc.domain.account import (
    AWARD_LOTS_FROM,
    MOVED_LOTS_FROM,
    REDATED,
    Account,
    Dated,
    Lot,
    Order,
    Why,
    by_request,
    is_over,
)
from points_svc.domain.rules import Rules

RulesAt = Callable[[datetime], Rules | None]
NOTHING_LASTS: Mapping[int, Rules] = {}  # by tier: see `came_back`
POINT_VALIDITY: Why = {"rule": "point validity"}
CAME_BACK: Why = {"rule": "validity of what came back"}


def order_follows(account: Account, order: Order, rules: Rules, why: Why) -> None:
    """The order's tier has changed: its points last as long as that one says."""
    if rules.lasting:
        _redate(account, order.dated, rules, order.tier, why | POINT_VALIDITY)


def others_follow(account: Account, above: int, rules_at: RulesAt, why: Why) -> None:
    """The same for what was earned by anything but money, by activities numbered above a number."""
    orders = {order.seq for order in account.orders.values()}
    origins = {lot.origin: lot.earned_at for lot in account.lots.values()}
    for number, earned_at in sorted(origins.items()):
        if above < number < AWARD_LOTS_FROM and number not in orders:
            rules = rules_at(earned_at)
            if rules is not None and rules.lasting:
                day = calendar.local_day(earned_at, rules.zone)
                _redate(account, Dated(number, earned_at, day), rules, account.tier, why | POINT_VALIDITY)


def came_back(account: Account, numbers: Iterable[int], rules: Mapping[int, Rules], why: Why) -> None:
    """Points are back in these lots, out of a hold or from another member: they last as long as if they had been there when their tier
    became known. `rules`: all versions, where points last by tier at any of them; else none. By which tier an order earned stands in it. Of
    anything else no tier is kept: its points follow those that were free then."""
    if not rules:
        return
    orders = {order.seq: order for order in account.orders.values()}
    for number in sorted({account.lots[one].origin for one in numbers}):
        order = orders.get(number)
        if order is None:
            _follow_the_others(account, number, why | CAME_BACK)
        elif rules[order.version].lasting:
            _redate(account, order.dated, rules[order.version], order.tier, why | CAME_BACK)


def home(account: Account, order: Order, rules: Rules) -> Lot | None:
    """The lot that more points of an order come into; None: it has none yet."""
    newest = ledger.where_points_live(account, order.seq)
    if newest is None:
        return None
    until = rules.expiry_at(order.tier).expires_at(order.day) if rules.lasting else _slid_to(account, newest, rules)
    if not (rules.lasting or order.confirmed_at is not None or until > newest.expires_at):
        return newest
    family = ledger.family(account, order.seq)
    from_ = None if order.confirmed_at is None else max(order.at, order.confirmed_at)
    fitting = [
        lot
        for lot in family
        if (lot.expires_at == until or (by_request(lot) and lot.expires_at > until))
        and (from_ is None or lot.available_at <= from_)
    ]
    if fitting:
        return fitting[-1]
    moved = _moved_to(account, family[0], until)
    if from_ is not None:
        moved.available_at = min(moved.available_at, from_)
    return moved


def _slid_to(account: Account, newest: Lot, rules: Rules) -> datetime:
    """Until when points of an order last that come now. Where expiry slides, as long as everything else does: purchases have prolonged
    nothing of this order where nothing was left of it. What is over by the clock stays over."""
    if not rules.expiry.slides or account.lives_until is None or is_over(newest, account):
        return newest.expires_at
    return max(newest.expires_at, account.lives_until)


def _redate(account: Account, activity: Dated, rules: Rules, tier: str | None, why: Why) -> None:
    policy = rules.expiry_at(tier)
    why = why | {"version": rules.version, "tier": tier or rules.lowest_tier, "validity_months": policy.months}
    _move_all(account, activity.number, policy.expires_at(activity.day), why)


def _follow_the_others(account: Account, number: int, why: Why) -> None:
    moved = [lot for lot in ledger.family(account, number) if lot.lot >= MOVED_LOTS_FROM]
    if moved:
        _move_all(account, number, moved[-1].expires_at, why)  # by the latest standing


def _move_all(account: Account, number: int, until: datetime, why: Why) -> None:
    for lot in ledger.family(account, number):
        if not lot.remaining or lot.expires_at == until or is_over(lot, account):
            continue
        if by_request(lot) and lot.expires_at > until:
            continue
        reason = why | {
            "lot": lot.lot, "points": lot.remaining, "expired_before": lot.expires_at, "expires_at": until,
        }  # fmt: skip
        ledger.move(account, lot, _moved_to(account, lot, until), REDATED, reason)


def _moved_to(account: Account, lot: Lot, until: datetime) -> Lot:
    dated = Dated(MOVED_LOTS_FROM + account.seq + 1, lot.earned_at, lot.earned_at.date())  # the day plays no part
    moved = earning.lot_until(account, lot.kind, dated, until, pending=earning.still_pending(lot, until))
    moved.extends = lot.origin
    return moved
