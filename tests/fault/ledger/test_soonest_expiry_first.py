"""Points are taken from the lots that expire soonest (domain.md 3.5), laid beside a heap in Python that knows nothing of the product.

INVARIANT: after any redemptions every lot holds what the heap says it holds.
What would break it: an order by the time earned, by number, or by what happens to be read first; lots that are over counted as spendable.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.fault.ledger.callers import all_at_once, until_answered
from tests.fault.ledger.laying import Laid, lay
from tests.fault.ledger.test_overspending import CLIENTS, NOW, url_of
from tests.fault.postgres.bank import fetch
from tests.fault.report import record, seed_of
from tests.integration.points_svc.books import Books
from tests.integration.points_svc.till import open_checkout

pytestmark = pytest.mark.fault

SEED = 514
OVER = 10  # of a hundred lots these are over already


class Heap:
    """One member's points: (end, earned, number, points left)."""

    def __init__(self, laid: list[Laid]) -> None:
        self.left = {one.lot: one.points for one in laid}
        self.turn = [(one.expires_at, one.earned_at, one.lot) for one in laid if one.expires_at > NOW]
        heapq.heapify(self.turn)

    def take(self, points: int) -> None:
        while points:
            lot = self.turn[0][2]
            taken = min(points, self.left[lot])
            self.left[lot] -= taken
            points -= taken
            if not self.left[lot]:
                heapq.heappop(self.turn)

    @property
    def there(self) -> int:
        return sum(self.left[lot] for _, _, lot in self.turn)


def lots_at_random(rng: random.Random, count: int) -> list[Laid]:
    """Ends that often fall together, some of them over; times earned that often fall together too."""
    laid = []
    for n in range(1, count + 1):
        days = -rng.randint(1, 20) if rng.randrange(100) < OVER else rng.randint(1, 60)
        earned: datetime = NOW - timedelta(days=30 + rng.randint(0, 20))
        laid.append(Laid(n, rng.randint(1, 50), NOW + timedelta(days=days), earned))
    return laid


async def redeem_and_compare(books: Books, members: int, lots: int, redemptions: int) -> None:
    seed = seed_of("T-L14", SEED)
    began = time.monotonic()
    rng = random.Random(seed)
    heaps: dict[UUID, Heap] = {}

    def everybody() -> Iterator[tuple[UUID, list[Laid]]]:
        for n in range(members):
            laid = lots_at_random(rng, lots)
            heaps[UUID(int=n + 1)] = Heap(laid)
            yield UUID(int=n + 1), laid

    await lay(url_of(books), everybody(), members_per_copy=50)
    wrong: list[str] = []
    async with open_checkout(books, NOW, pool_size=CLIENTS) as till:

        async def redeem(member: UUID, share: float) -> None:
            heap = heaps[member]
            points = max(1, int(heap.there * share))
            heap.take(points)
            answer = await until_answered(till, f"/v1/members/{member}/spendings", {"points": points})
            if answer.status_code != 201:
                wrong.append(answer.text)

        # One member's redemptions differ in size alone, so it does not matter in which order callers come to be served.
        jobs = [(rng.choice(list(heaps)), rng.choice([0.001, 0.01, 0.05])) for _ in range(redemptions)]
        await all_at_once([lambda m=m, s=s: redeem(m, s) for m, s in jobs], CLIENTS)  # type: ignore[misc]
        rows = await fetch(url_of(books), "SELECT member_id, lot, remaining FROM lot")
        differ = sum(heaps[row["member_id"]].left[row["lot"]] != row["remaining"] for row in rows)
        broken = await books.broken()
    is_held = not differ and not broken and not wrong and len(rows) == members * lots
    figure = (
        f"{len(rows):,} lots, {redemptions:,} redemptions: {differ} lots differ from the model, {len(wrong)} refused"
    )
    record("T-L14", figure, "0 differences", is_held, seed, time.monotonic() - began)
    assert is_held, (figure, wrong[:3], broken)


async def test_every_point_is_taken_from_the_earliest_expiry(books: Books) -> None:
    """T-L14: 6,000 lots."""
    await redeem_and_compare(books, 60, 100, 400)


@pytest.mark.long
@pytest.mark.full
async def test_every_point_of_a_million_lots_is_taken_from_the_earliest_expiry(books: Books) -> None:
    """T-L14: 10,000 members with 100 lots each."""
    await redeem_and_compare(books, 10_000, 100, 10_000)
