"""What comes in another order than one would think: a refund before its purchase, a purchase before its member has registered.

INVARIANT: within 30 days of the business clock the order of arrival makes no difference to what a member has in the end; and who has not
registered earns but does not spend. What would break it: a refund that is forgotten or numbered before its order, waiting that goes by the
clock of the machine, a provisional member taken for a registered one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fault.report import record
from tests.support.lives import quick_sessions
from tests.support.reports import purchase_report, refund_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference

START = datetime(2024, 5, 2, 12, tzinfo=UTC)
SOON = timedelta(seconds=1)
WITHIN = (SOON, timedelta(days=1))
TOO_LATE = timedelta(days=31)
# What is refunded of an order of 250.00, before it is there: all, a part, two parts, two parts that are more than it together.
REFUNDS: dict[str, list[int]] = {"whole": [25_000], "part": [9_999], "two": [3_333, 3_333], "much": [20_000, 20_000]}
NETS = {"whole": 0, "part": 150, "two": 183, "much": 50}  # a point for every whole unit that is left of 250.00
UNREGISTERED = 12
SWEPT_SECONDS_MAX = 90.0  # the door looks once a minute

pytestmark = [pytest.mark.fault, pytest.mark.long]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    document = reference(campaigns=False)
    with quick_sessions(), open_shop(document, partitions=4, clock=START.isoformat()) as opened:
        yield opened


def move_clock(shop: Shop, at: datetime) -> None:
    """The business clock of the whole stack goes on, never back."""
    for name in ("campaign-svc", "points-svc", "tier-svc", "member-svc"):
        shop.stack.stop_service(name)
    shop.stack.up(without={"prometheus"}, clock=at.isoformat())


def test_a_purchase_before_registration_earns_and_is_spent_only_afterwards(shop: Shop) -> None:
    """T-K27: members whom nobody has registered earn, are refused with 409 when they spend, register, and spend. Whoever has not registered
    is still refused. (That unclaimed points are swept after 90 days is not in the product.)"""
    began = time.monotonic()
    names = [f"early-{n}" for n in range(UNREGISTERED)]
    at = START.isoformat()
    shop.tell([purchase_report("pos", name, at, name, f"order-of-{name}", [10_000], currency="USD") for name in names])
    shop.settle()
    members = {name: shop.services.member.find(f"card:{name}") for name in names}
    earned = [shop.services.points.balance(member)["posted"] for member in members.values()]
    before = [shop.spend(member, 10, f"before-registration-{name}") for name, member in members.items()]
    registered = names[:-1]
    shop.tell(
        [{"command": "register", "identifier": {"kind": "card", "value": name}, "time": at} for name in registered]
    )
    shop.settle()
    after = [shop.spend(members[name], 10, f"after-registration-{name}")[0] for name in names]
    left = [shop.services.points.balance(members[name])["posted"] for name in names]
    refusals = {answer["type"] for status, answer in before if status == 409}
    held = (
        earned == [100] * len(names)
        and {status for status, _ in before} == {409}
        and refusals == {"member_not_active"}
        and after == [201] * len(registered) + [409]
        and left == [90] * len(registered) + [100]
        and not any(shop.trial_balance()["invariants"].values())
    )
    figure = (
        f"{len(names)} unregistered: {earned.count(100)} earned, {[s for s, _ in before].count(409)} refused (409);"
        f" {len(registered)} registered: {after.count(201)} spent; sweep after 90 days: not in the product"
    )
    record("T-K27", figure, "earn yes, spend 409, afterwards yes", held, None, time.monotonic() - began)
    assert held, (earned, before, after, left)


def reports_of(kind: str, name: str, refunded_at: datetime, bought_at: datetime) -> tuple[Report, list[Report]]:
    """An order of a member of its own, and what is refunded of it. The order is dated when it comes, the refunds earlier."""
    order = purchase_report("pos", f"buy-{name}", bought_at.isoformat(), name, f"o-{name}", [25_000], currency="USD")
    refunds = [
        refund_report("desk", f"back-{n}-{name}", refunded_at.isoformat(), f"o-{name}", f"r-{n}", amount)
        for n, amount in enumerate(REFUNDS[kind])
    ]
    return order, refunds


def worth(shop: Shop, name: str) -> dict[str, Any]:
    """What a member has in the end."""
    member = shop.services.member.find(f"card:{name}")
    balance = shop.services.points.balance(member)
    return {
        "nets": [item["points"] for item in shop.services.points.orders(member)],
        "posted": balance["posted"],
        "debt": balance["debt"],
        "lots": [(lot["expires_at"], lot["remaining"]) for lot in balance["lots"] if lot["remaining"]],
        "tier": shop.standings()[name]["tier"],
    }


def test_a_refund_first_and_its_purchase_later_end_alike(shop: Shop) -> None:
    """T-K26: refunds first; their purchases 1 second, 1 day and 31 days later, by `time` and by the business clock. Up to 30 days a twin
    whose purchase came first has the same in the end; after 31 days the refunds are dead letters and the purchase stands whole."""
    began = time.monotonic()
    shop.counts.clear()
    for after in (*WITHIN, TOO_LATE):
        for kind in REFUNDS:
            shop.tell(reports_of(kind, f"{kind}-{after.days}-late", START, START + after)[1])
    waited = dict(shop.counts)
    differing, compared = [], 0
    for after in WITHIN:
        if after is not SOON:
            move_clock(shop, START + after + timedelta(minutes=1))
        for kind in REFUNDS:
            late, _ = reports_of(kind, f"{kind}-{after.days}-late", START, START + after)
            order, refunds = reports_of(kind, f"{kind}-{after.days}-due", START, START + after)
            shop.tell([late, order, *refunds])
            shop.settle()
            found, wanted = worth(shop, f"{kind}-{after.days}-late"), worth(shop, f"{kind}-{after.days}-due")
            compared += 1
            if found != wanted or found["nets"] != [NETS[kind]]:
                differing.append(f"{kind} after {after}: {found}, its twin {wanted}")
    move_clock(shop, START + TOO_LATE)
    given_up = await_sweep(shop)
    whole = []
    for kind in REFUNDS:
        shop.tell([reports_of(kind, f"{kind}-31-late", START, START + TOO_LATE)[0]])
        shop.settle()
        whole.append(worth(shop, f"{kind}-31-late")["nets"])
    told = sum(map(len, REFUNDS.values()))
    held = not differing and given_up == told and whole == [[250]] * len(REFUNDS) and waited == {"waiting": 3 * told}
    figure = (
        f"{compared} pairs of twins within 30 days: {len(differing)} differ; after 31 days {given_up} of {told} refunds"
        f" are dead letters, {whole.count([250])} of {len(REFUNDS)} purchases stand whole"
    )
    record("T-K26", figure, "same up to 30 days, then dead letter", held, None, time.monotonic() - began)
    assert differing == []
    assert (waited, given_up, whole) == ({"waiting": 3 * told}, told, [[250]] * len(REFUNDS))
    assert not any(shop.trial_balance()["invariants"].values())


def await_sweep(shop: Shop) -> int:
    """Refunds that the door has given up, once it has looked."""
    until = Deadline(SWEPT_SECONDS_MAX)
    while True:
        letters = [
            one for one in shop.services.member.dead_letters("open", 1000) if one["reason"] == "order_never_came"
        ]
        if letters or until.passed():
            return len(letters)
        until.wait()
