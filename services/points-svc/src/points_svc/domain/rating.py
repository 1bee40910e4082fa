"""What an order is worth (domain.md 3.1): exact integers, rounded down once, at the end. The one thing not to break: the same lines,
refunds, version and tier give the same points, whenever and however often they are rated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from points_svc.domain import earning, ledger, sliding, stacking
from points_svc.domain.account import EARNED, Account, Dated, NoEffect, Order, Part, Why
from points_svc.domain.rules import MILLIONTHS, Rate, Rules, decimal_of


class Line(Protocol):
    """One line of a purchase as reported."""

    @property
    def line_id(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


class Purchase(Protocol):
    """A purchase as reported (domain.md 2.1)."""

    @property
    def order_id(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def lines(self) -> Iterable[Line]: ...
    @property
    def amount_minor(self) -> int: ...


def rate_purchase(account: Account, purchase: Purchase, dated: Dated, rules: Rules) -> None:
    """The order earns at the standing in force for its number; its points come into a lot of its own."""
    order = Order(
        order_id=purchase.order_id,
        seq=dated.number,
        at=dated.at,
        day=dated.day,
        version=rules.version,
        tier=account.tier,
        ordinal=account.ordinal,
        amount_minor=purchase.amount_minor,
        unallocated_minor=0,
        parts=parts_of(purchase, rules),
        net=0,
        is_new=True,
    )
    account.orders[order.order_id] = order
    points = points_of(order, rules)
    why = why_of(order, rules, points)
    if rules.extra:
        why["extra"] = _extra_of(purchase, rules)
    if not points:
        account.no_effects.append(NoEffect(account.cause, dated.at, why))
        return
    order.net = points
    account.earned_net += points
    if rules.lasting:
        why["validity_months"] = rules.expiry_at(order.tier).months
    if rules.by_event:
        why["activation"] = rules.activation
    lot = earning.order_lot(account, order, rules)
    ledger.put(account, lot, points, EARNED, why, order_id=order.order_id)
    if rules.expiry.slides:
        sliding.prolong(account, dated, rules)


def parts_of(purchase: Purchase, rules: Rules) -> list[Part]:
    """The order's lines by rate. Those at the plain rate come first and are not named, because most orders have no others."""
    plain = Part(rules.plain.millionths, purchase.amount_minor)
    if not rules.special and not rules.extra:
        return [plain]
    others: dict[Rate, tuple[int, list[str]]] = {}
    for line in purchase.lines:
        rate = rules.special.get(line.category)
        if rules.extra and not (rate is not None and rate.excluded):
            own = rules.plain if rate is None else rate
            added = sum(extra.millionths for extra in stacking.applied(rules.extra, line.category, purchase.channel))
            rate = Rate(own.millionths + added) if added else rate
        if rate is not None:
            left, ids = others.get(rate, (0, []))
            ids.append(line.line_id)
            others[rate] = (left + line.amount_minor, ids)
            plain.left -= line.amount_minor
    return [plain, *(Part(rate.millionths, left, rate.excluded, tuple(ids)) for rate, (left, ids) in others.items())]


def _extra_of(purchase: Purchase, rules: Rules) -> list[dict[str, object]]:
    """Which rules added what, to which lines."""
    lines: dict[str, list[str]] = {}
    for line in purchase.lines:
        rate = rules.special.get(line.category)
        if rate is None or not rate.excluded:
            for extra in stacking.applied(rules.extra, line.category, purchase.channel):
                lines.setdefault(extra.id, []).append(line.line_id)
    return [
        {
            "rule": e.id,
            "rate": decimal_of(e.millionths),
            "priority": e.priority,
            "stack_group": e.group,
            "lines": lines[e.id],
        }
        for e in rules.extra
        if e.id in lines
    ]


def points_of(order: Order, rules: Rules) -> int:
    """floor(Σ left × rate × multiplier ÷ minor units); an unallocated refund U leaves (L − U) ÷ L of every line (3.1, 3.3.1)."""
    weighted = sum([part.left * part.rate for part in order.parts]) * rules.multiplier(order.tier)
    divisor = MILLIONTHS * MILLIONTHS * rules.minor_units
    if order.unallocated_minor:
        left = order.left_by_lines
        weighted *= left - order.unallocated_minor
        divisor *= left or 1
    points = weighted // divisor
    if rules.points_max_per_order is not None:
        points = min(points, rules.points_max_per_order)
    return points


def why_of(order: Order, rules: Rules, points: int) -> Why:
    """Everything the figure was made from (domain.md 7): rule, version, inputs, factors, cap, result."""
    why: Why = {
        "rule": "purchase",
        "version": rules.version,
        "amount_minor": order.amount_minor,
        "parts": [
            {"left_minor": part.left, "rate": decimal_of(part.rate)} | ({"excluded": True} if part.excluded else {})
            for part in order.parts
            if part.left or len(order.parts) == 1
        ],
        "tier": order.tier or rules.lowest_tier,
        "ordinal": order.ordinal,
        "multiplier": decimal_of(rules.multiplier(order.tier)),
        "minor_units": rules.minor_units,
        "points": points,
    }
    if order.unallocated_minor:
        why["unallocated_minor"] = order.unallocated_minor
    if rules.points_max_per_order is not None:
        why["points_max_per_order"] = rules.points_max_per_order
    return why
