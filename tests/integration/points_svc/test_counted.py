"""A spending keeps to the share of its order like a hold, and what is asked of rewards and corrections is counted by how it came out."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from laurel_kit.http import create_app
from points_svc.main import routers
from points_svc.metrics import PointsMetrics
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.shopping import offer, redeem
from tests.integration.points_svc.till import Checkout


async def test_a_spending_that_names_the_amount_pays_no_more_than_the_share_of_its_order(shop: Checkout) -> None:
    """What would break it: points at once beside points held, each judged by itself, that together pay the whole order."""
    order: dict[str, Any] = {"order_id": "o9", "order_amount_minor": 200}
    no = await shop.spend(61, **order)
    assert (no.status_code, no.json()["type"], no.json()["share_minor"]) == (409, "checkout_share_exceeded", 60)
    assert (await shop.spend(40, **order)).status_code == 201
    assert (await shop.hold(21, **order)).json()["points_already"] == 40
    assert (await shop.spend(21, **order)).json()["points_already"] == 40
    await shop.held(15, **order)
    assert (await shop.spend(6, **order)).json()["type"] == "checkout_share_exceeded"
    entry = (await shop.see(f"/v1/members/{MEMBER}/statement?limit=3"))["items"][1]
    assert (entry["why"]["order_amount_minor"], entry["why"]["worth_minor"]) == (200, 40)
    assert (await shop.spend(6, order_id="o9")).status_code == 201  # who names no amount is asked for none
    for bad in (0, -1, 1.5, "1", True, 10**12 + 1):
        assert (await shop.spend(1, order_amount_minor=bad)).status_code == 422


async def test_what_came_of_rewards_and_corrections_is_counted(shop: Checkout, books: Books) -> None:
    registry = CollectorRegistry()
    app = create_app(
        "points-svc", database=shop.database,
        routers=routers(shop.database, books.shelf, shop.clock, PointsMetrics(registry)),  # type: ignore[arg-type]
    )  # fmt: skip
    shop.client._transport.app = app  # type: ignore[attr-defined]
    await offer(shop, points=60)
    key = shop.key()
    for one in (key, key, None):
        await redeem(shop, key=one)
    who = {"reason": "r", "actor": "anna"}
    await shop.post(f"/v1/members/{MEMBER}/adjustments", {"points": 5, **who})
    await shop.post(f"/v1/members/{MEMBER}/adjustments", {"points": -500, **who})

    def counted(name: str, act: str) -> dict[str, float]:
        found = {r: registry.get_sample_value(name, {"act": act, "result": r}) for r in ("done", "replayed", "refused")}
        return {result: value for result, value in found.items() if value}

    assert counted("laurel_reward_requests_total", "offer") == {"done": 1}
    assert counted("laurel_reward_requests_total", "redeem") == {"done": 1, "replayed": 1, "refused": 1}
    assert counted("laurel_adjustment_requests_total", "adjust") == {"done": 1, "refused": 1}
