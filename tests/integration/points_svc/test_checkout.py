"""Points as money over HTTP (domain.md 3.5), and amounts that are none on every route (T-L04)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.integration.points_svc.books import MEMBER, Books, activated
from tests.integration.points_svc.till import Checkout

QUOTE = f"/v1/members/{MEMBER}/checkout-quote"
ROWS = text("""
SELECT (SELECT count(*) FROM transfer) + (SELECT count(*) FROM hold) + (SELECT count(*) FROM adjustment)
  + (SELECT count(*) FROM adjustment_batch) + (SELECT count(*) FROM idempotency)
""")


async def test_a_quote_says_how_many_points_what_they_are_worth_and_why(till: Checkout, books: Books) -> None:
    assert (await till.client.get(f"{QUOTE}?amount_minor=200")).json()["type"] == "no_programme"
    await books.apply([activated()])
    quote = await till.see(f"{QUOTE}?amount_minor=200&order_id=o9")
    assert (quote["points"], quote["worth_minor"]) == (60, 60)
    assert (quote["why"]["max_share_percent"], quote["why"]["available"], quote["why"]["version"]) == (30, 100, 1)
    assert (await till.see(f"{QUOTE}?amount_minor=100000"))["points"] == 100
    assert (await till.client.get(f"/v1/members/{UUID(int=77)}/checkout-quote?amount_minor=1")).status_code == 404


async def test_a_hold_above_the_share_is_refused_with_figures_and_all_holds_of_an_order_count(
    till: Checkout, books: Books
) -> None:
    """A share that is judged hold by hold pays the whole order in four."""
    await books.apply([activated()])
    order: dict[str, Any] = {"order_id": "o9", "order_amount_minor": 200}
    refused = await till.hold(61, **order)
    assert (refused.status_code, refused.json()["type"]) == (409, "checkout_share_exceeded")
    assert (refused.json()["share_minor"], refused.json()["worth_minor"]) == (60, 61)
    first = await till.held(40, **order)
    assert (await till.see(f"{QUOTE}?amount_minor=200&order_id=o9"))["points"] == 20
    assert (await till.hold(21, **order)).json()["points_already"] == 40
    await till.capture(first, points=35)
    await till.held(25, **order)
    assert (await till.hold(1, **order)).json()["type"] == "checkout_share_exceeded"
    entry = (await till.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"][0]
    assert (entry["why"]["order_amount_minor"], entry["why"]["worth_minor"]) == (200, 25)


async def test_an_order_that_is_named_at_the_capture_gets_no_more_than_its_share(till: Checkout, books: Books) -> None:
    """Broken by a share that is looked at only where the order is named: two holds of 30 % each pay 60 % of one order."""
    await books.apply([activated()])
    first, second = [await till.held(30, order_amount_minor=100) for _ in range(2)]
    assert (await till.capture(first, order_id="o9")).status_code == 200
    refused = await till.capture(second, order_id="o9")
    assert (refused.status_code, refused.json()["type"]) == (409, "checkout_share_exceeded")
    assert (refused.json()["points_already"], refused.json()["share_minor"]) == (30, 30)
    assert (await till.capture(second, order_id="o10", points=20)).status_code == 200
    plain = await till.held(40)  # what is not money at a checkout has no share
    assert (await till.capture(plain, order_id="o9")).status_code == 200


BAD = [0, -1, 2**63, 10**12 + 1, 1.0, "1", True, None]
SIGNED = [0, 2**63, -(2**63), 10**12 + 1, -(10**12) - 1, 1.0, "1", True, None]
WHO = {"reason": "r", "actor": "staff/anna"}
ASKED: list[tuple[str, Any]] = [
    *[(f"/v1/members/{MEMBER}/adjustments", WHO | {"points": n}) for n in SIGNED],
    *[
        ("/v1/adjustment-batches", WHO | {"items": [{"member_id": str(MEMBER), "points": n}]})
        for n in SIGNED
    ],
    ("/v1/adjustment-batches", WHO | {"items": []}),
    ("/v1/adjustment-batches", WHO | {"items": [{"member_id": str(MEMBER), "points": 1}] * 2}),
    *[(f"/v1/members/{MEMBER}/holds", {"points": 1, "order_amount_minor": n}) for n in BAD if n is not None],
]  # fmt: skip


async def test_amounts_that_are_none_are_422_on_every_route_and_write_no_row(till: Checkout, books: Books) -> None:
    """T-L04: zero, negative, 2^63, one above the cap, and what only looks like an integer."""
    await books.apply([activated()])
    async with books.database.reading() as tx:
        before = (await tx.run(ROWS)).scalar_one()
    for path, body in ASKED:
        answer = await till.post(path, body)
        assert (answer.status_code, answer.json()["type"]) == (422, "invalid"), (path, body)
    for amount in (0, -1, 2**63, 10**12 + 1, "1.5", "x"):
        assert (await till.client.get(f"{QUOTE}?amount_minor={amount}")).status_code == 422
    async with books.database.reading() as tx:
        assert (await tx.run(ROWS)).scalar_one() == before


@pytest.mark.parametrize("amount", [1, 10**12])
async def test_the_caps_themselves_are_amounts(till: Checkout, books: Books, amount: int) -> None:
    await books.apply([activated()])
    made = await till.post(f"/v1/members/{MEMBER}/adjustments", WHO | {"points": amount})
    assert made.status_code == 201
    assert (await till.client.get(f"{QUOTE}?amount_minor={amount}")).status_code == 200
