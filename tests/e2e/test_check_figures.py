"""The check figures of domain.md 3.7 through the real stack: HTTP, Kafka, four services; days closed by command."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import pytest

from tests.support.complete_journey import CURRENCY, ZONE, Basket, load_baskets
from tests.support.model_calendar import local_day, start_of_day
from tests.support.model_figures import ROWS, Row
from tests.support.model_figures import told as told_by_arrival
from tests.support.reports import purchase_report, refund_report
from tests.support.shop import Report, Shop, open_shop, reference, short

TIERS = ("regular", "silver", "gold", "diamond")
CLOSE_DELAY = timedelta(hours=6)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def baskets() -> list[Basket]:
    return load_baskets()


def bought(basket: Basket) -> Report:
    """A basket as the till reports it."""
    return purchase_report(
        f"pos/store-{basket.store_id}",
        f"basket-{basket.basket_id}",
        basket.time.isoformat(),
        str(basket.household_id),
        str(basket.basket_id),
        basket.lines,
        currency=CURRENCY,
    )


def came_back_whole(basket: Basket, at: datetime) -> Report:
    """All of a basket given back, line by line."""
    lines = [(line.line_id, line.quantity, line.amount_minor) for line in basket.lines if line.amount_minor]
    return refund_report("desk", f"back-{basket.basket_id}", at.isoformat(), str(basket.basket_id), "whole", lines)


def arrivals(baskets: Sequence[Basket], refund_after: timedelta, *, late: bool) -> Iterator[tuple[datetime, Report]]:
    """Reports in order of arrival, purchases before refunds, then id."""
    for arrival, is_refund, _, basket in told_by_arrival(baskets, refund_after, late):
        yield arrival, came_back_whole(basket, arrival) if is_refund else bought(basket)


def row_of(shop: Shop, run: str) -> Row:
    """What the services say now, as a row of the table."""
    shop.settle()
    members = shop.members()
    held = Counter(item["tier"] for item in shop.services.tier.standings())
    balances = list(shop.services.points.balances())
    told = shop.services.tier.summary()
    assert len(balances) == len(members)
    assert shop.trial_balance()["sum"] == 0
    assert not any(shop.trial_balance()["invariants"].values())
    return Row(
        run,
        tuple(held[tier] for tier in TIERS),
        sum(item["earned_net"] for item in balances),
        told["ends_judged"],
        told["demotions"],
        told["corrected"]["in_tier"],
        told["corrected"]["in_period_only"],
    )


def show(row: Row, began: float, shop: Shop) -> None:
    sys.stdout.write(f"\n{row}  {time.monotonic() - began:.0f} s  {shop.counts}\n")


def test_a_year_as_it_is_and_then_three_days_closed(baskets: list[Basket]) -> None:
    began = time.monotonic()
    with open_shop(reference(campaigns=False)) as shop:
        shop.report([bought(basket) for basket in baskets])
        assert shop.counts == {"accepted": 155_848}
        found = [row_of(shop, ROWS[0].run)]
        show(found[0], began, shop)
        for expected, day in zip(ROWS[1:4], ("2018-07-01", "2019-01-01", "2020-01-01"), strict=True):
            shop.services.member.close_day(day)
            shop.rested = False
            found.append(row_of(shop, expected.run))
            show(found[-1], began, shop)
    assert found == list(ROWS[:4])


def test_every_tenth_basket_comes_back_after_three_days(baskets: list[Basket]) -> None:
    began = time.monotonic()
    with open_shop(reference(campaigns=False)) as shop:
        shop.report([report for _, report in arrivals(baskets, timedelta(hours=72), late=False)])
        assert set(shop.counts) == {"accepted"}, shop.remarks[:5]
        found = row_of(shop, ROWS[4].run)
        show(found, began, shop)
    assert found == ROWS[4]


def test_the_short_programme_with_late_arrivals_refunds_and_every_day_closed(baskets: list[Basket]) -> None:
    began = time.monotonic()
    first = local_day(min(basket.time for basket in baskets), ZONE)
    days = [first + timedelta(days=n) for n in range((date(2018, 2, 15) - first).days + 1)]
    closes = [(start_of_day(day, ZONE), {"command": "day.close", "as_of": str(day)}) for day in days]
    told = [(at + CLOSE_DELAY, 0, command) for at, command in closes]
    told += [(at, 1, report) for at, report in arrivals(baskets, timedelta(hours=720), late=True)]
    told.sort(key=lambda each: each[:2])
    with open_shop(short()) as shop:
        shop.tell(item for _, _, item in told)
        assert set(shop.counts) == {"accepted"}, shop.remarks[:5]
        found = row_of(shop, ROWS[5].run)
        show(found, began, shop)
    assert found == ROWS[5]
