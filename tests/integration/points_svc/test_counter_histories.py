"""Random histories at the counter: corrections, batches, reversals, rewards, cancellations, holds and refunds in any order. What is
promised after every few steps is that the books prove themselves (T-L06), and at the end that everything said can be said again."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from points_svc.main import say_all_again
from tests.integration.points_svc.books import MEMBER, Books, activated
from tests.integration.points_svc.test_saying import CLEAR, outbox
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import Script

BY = {"reason": "by chance", "actor": "staff/anna"}
OTHER = {"reason": "by chance", "actor": "staff/boris"}
KNOWN = {200, 201, 409}


class Counter:
    """One member and whatever a chance does at the counter; `open`: ids of what may be ended."""

    def __init__(self, till: Checkout, books: Books, seed: int) -> None:
        self.till, self.books, self.chance = till, books, random.Random(seed)
        self.open: dict[str, list[str]] = {"holds": [], "adjustments": [], "adjustment-batches": [], "redemptions": []}
        self.number, self.orders = 2, 1  # who has registered and bought o1

    async def step(self) -> int:
        """One request; its status."""
        act = self.chance.choice(
            [self.correct, self.correct_many, self.redeem, self.hold, self.end, self.end, self.buy]
        )
        self.till.clock.move(timedelta(hours=self.chance.choice([0, 1, 1, 30 * 24])))
        answer = await act()
        return answer.status_code if answer is not None else 200

    async def note(self, what: str, path: str, body: Any, named: str) -> Any:
        answer = await self.till.post(path, body)
        if answer.status_code == 201:
            self.open[what].append(answer.json()[named])
        return answer

    async def correct(self) -> Any:
        points = self.chance.choice([-30, -5, 7, 40, 12_000, -12_000])
        return await self.note(
            "adjustments", f"/v1/members/{MEMBER}/adjustments", BY | {"points": points}, "adjustment_id"
        )

    async def correct_many(self) -> Any:
        items = [{"member_id": str(MEMBER), "points": self.chance.choice([-20, 15, 11_000])}]
        return await self.note("adjustment-batches", "/v1/adjustment-batches", BY | {"items": items}, "batch_id")

    async def redeem(self) -> Any:
        body = {"reward_id": self.chance.choice(["mug", "coupon"])}
        return await self.note("redemptions", f"/v1/members/{MEMBER}/redemptions", body, "redemption_id")

    async def hold(self) -> Any:
        body = {"points": self.chance.randint(1, 60), "order_id": f"o{self.orders}", "order_amount_minor": 20_000}
        return await self.note("holds", f"/v1/members/{MEMBER}/holds", body, "hold_id")

    async def end(self) -> Any:
        what = self.chance.choice([name for name, ids in self.open.items() if ids] or ["holds"])
        if not self.open[what]:
            return None
        act = self.chance.choice(
            {
                "holds": ["capture", "void"], "adjustments": ["approve", "reject"],
                "adjustment-batches": ["approve", "reverse", "reverse"], "redemptions": ["cancel", "cancel", "fulfil"],
            }[what]
        )  # fmt: skip
        body: Any = {} if what == "holds" else {"actor": OTHER["actor"]} if act in {"approve", "reject"} else OTHER
        return await self.till.post(f"/v1/{what}/{self.chance.choice(self.open[what])}/{act}", body)

    async def buy(self) -> None:
        script = Script(number=self.number, now=self.till.clock.at)
        if self.orders and self.chance.random() < 0.5:
            script.refund(f"o{self.orders}", amount=100)  # fifty of them before an order is used up
        else:
            self.orders += 1
            script.buy(self.chance.randint(5_000, 30_000), f"o{self.orders}")
        self.number = script.number
        await self.books.play(script)


@pytest.mark.parametrize(
    ("seed", "steps"), [(1, 80), *[pytest.param(seed, 600, marks=pytest.mark.long) for seed in range(2, 8)]]
)
async def test_the_books_prove_themselves_whatever_happens_at_the_counter(
    till: Checkout, books: Books, seed: int, steps: int
) -> None:
    """An entry without its row, a row without its entry, points given back twice or stock not returned would break this."""
    await books.apply([activated()])
    for name, kind, stock in (("mug", "goods", 5), ("coupon", "coupon", 1_000)):
        reward = {"name": name, "kind": kind, "points": 9, "stock": stock, "valid_from": "2025-01-01T00:00:00Z"}
        key = {"Idempotency-Key": till.key()}
        assert (await till.client.put(f"/v1/rewards/{name}", json=reward, headers=key)).status_code == 200
    counter = Counter(till, books, seed)
    seen = []
    for step in range(steps):
        seen.append(await counter.step())
        if step % 8 == 0:
            assert await books.broken() == {}
    assert set(seen) <= KNOWN
    assert {200, 201} <= set(seen)
    first = sorted(row for row in await outbox(books) if row[1] is not None)
    async with books.database.transaction() as tx:
        await tx.run(CLEAR)
    await say_all_again(books.database, books.shelf, UUID(int=1))
    assert sorted(row for row in await outbox(books) if row[1] is not None) == first
