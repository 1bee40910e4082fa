"""Points as money at the checkout, over HTTP on a real PostgreSQL (domain.md 3.5)."""

from __future__ import annotations

import pytest

from tests.integration.points_svc.books import MEMBER, Books, activated
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import Script


@pytest.fixture
async def open_till(till: Checkout, books: Books) -> Checkout:
    """A programme is in force."""
    await books.apply([activated()])
    return till


async def test_a_quote_says_how_many_points_may_pay_an_order_and_why(open_till: Checkout) -> None:
    offer = await open_till.see(f"/v1/members/{MEMBER}/checkout?order_amount_minor=20000")
    assert (offer["available"], offer["points_max"], offer["worth_minor"], offer["because"]) == (100, 100, 100, None)
    offer = await open_till.see(f"/v1/members/{MEMBER}/checkout?order_amount_minor=150")
    assert (offer["points_min"], offer["points_max"], offer["worth_minor"]) == (1, 45, 45)
    assert offer["why"] == {
        "order_amount_minor": 150, "worth_minor": 45, "share_minor": 45, "max_share_percent": 30, "points_per_major_unit": 100,
        "min_points": 1,
    }  # fmt: skip


async def test_a_hold_for_an_order_may_not_pay_more_than_the_share_of_it(open_till: Checkout) -> None:
    refused = await open_till.hold(46, order_amount_minor=150)
    assert (refused.status_code, refused.json()["type"]) == (409, "share_exceeded")
    assert (refused.json()["share_minor"], refused.json()["worth_minor"]) == (45, 46)
    assert (await open_till.spend(46, order_amount_minor=150)).json()["type"] == "share_exceeded"
    assert await open_till.figures() == (100, 0, 0, 100)
    assert (await open_till.hold(45, order_amount_minor=150)).status_code == 201
    assert (await open_till.spend(45, order_amount_minor=150)).status_code == 201
    entries = (await open_till.see(f"/v1/members/{MEMBER}/statement?limit=3"))["items"]
    assert [entry["why"]["checkout"]["share_minor"] for entry in entries if entry["kind"] == "reserved"] == [45, 45]


async def test_a_quote_is_nothing_while_points_are_owed_and_says_so(open_till: Checkout, books: Books) -> None:
    assert (await open_till.spend(80)).status_code == 201
    script = Script(number=2, now=open_till.clock.at)
    script.refund("o1", amount=10000)
    await books.play(script)
    offer = await open_till.see(f"/v1/members/{MEMBER}/checkout?order_amount_minor=20000")
    assert (offer["points_max"], offer["because"]) == (0, "in_debt")


async def test_without_a_programme_nobody_knows_what_points_are_worth(till: Checkout) -> None:
    refused = await till.hold(1, order_amount_minor=150)
    assert (refused.status_code, refused.json()["type"]) == (409, "no_programme")
    offer = await till.see(f"/v1/members/{MEMBER}/checkout?order_amount_minor=20000")
    assert (offer["points_max"], offer["because"]) == (0, "no_programme")


@pytest.mark.parametrize("amount", [-1, 10**12 + 1, 2**63, 1.5, "1", True])
async def test_an_amount_that_is_none_is_422_and_moves_nothing(open_till: Checkout, amount: object) -> None:
    """T-L04: of what an order may come to."""
    for answer in (
        await open_till.hold(1, order_amount_minor=amount),
        await open_till.spend(1, order_amount_minor=amount),
    ):
        assert (answer.status_code, answer.json()["type"]) == (422, "invalid")
    assert await open_till.figures() == (100, 0, 0, 100)


async def test_a_quote_for_no_member_is_404_and_for_no_amount_422(open_till: Checkout) -> None:
    path = "/v1/members/00000000-0000-0000-0000-00000000004d/checkout"
    assert (await open_till.client.get(f"{path}?order_amount_minor=1")).status_code == 404
    for wrong in ("", "?order_amount_minor=-1", "?order_amount_minor=x", f"?order_amount_minor={2**63}"):
        assert (await open_till.client.get(path + wrong)).status_code == 422
