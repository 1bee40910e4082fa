"""Points for growth tasks: tier-svc judges what is done, points-svc keeps the books, each on its own real database; what one says the other
hears, in any order of the two topics."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import text

from laurel_cli.stack import Stack
from laurel_contracts.activities import ReviewPosted
from laurel_contracts.decisions import MemberRegistered
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE
from laurel_kit.hearing import RawRecord
from points_svc.handlers.explain_entry import explain_cause
from points_svc.main import say_all_again
from tests.integration.points_svc.books import Books, cuts
from tests.integration.tier_svc.world import Log, World, programme_of, purchase, refund
from tests.support.emptied import Emptied
from tests.unit.points_svc.script import REFERENCE
from tier_svc.main import migrations as tier_migrations

NOON = datetime(2026, 5, 4, 4, tzinfo=UTC)  # 12:00 in Shanghai
ANNA, BEN = UUID(int=1), UUID(int=2)
TASKS: list[dict[str, Any]] = [
    {"id": "three-a-month", "done_by": "purchase", "count": 3, "per": "month", "growth": 10, "points": 200},
    {"id": "big", "done_by": "purchase", "least_minor": 5_000, "per": "week", "points": 40},
    {"id": "first-review", "done_by": "review", "points": 15},
]
SAID = text("SELECT key, type, event_id, number, body FROM outbox WHERE topic = 'tiers' ORDER BY id")


def words() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    return document | {"campaigns": [], "tasks": TASKS}


@dataclass
class Shop:
    """The two services. `log`: what the door has said to both."""

    tiers: World
    books: Books
    log: Log
    judged: int = 0  # so many records tier-svc has read

    def tell(self, data: Any, days: float = 0, member: UUID = ANNA) -> int:
        return self.log.tell(member, data, NOON + timedelta(days=days))

    async def standings(self) -> list[RawRecord]:
        """tier-svc reads on; all that it has said on `tiers`."""
        if self.judged < len(self.log.records[0]):
            await self.tiers.drink_in(self.log.cut(5, self.judged))
            self.judged = len(self.log.records[0])
        async with self.tiers.database.reading() as tx:
            rows = (await tx.run(SAID)).all()
        said = []
        for row in rows:
            headers = [(HEADER_TYPE, row.type.encode()), (HEADER_ID, str(row.event_id).encode())]
            if row.number is not None:
                headers.append((HEADER_NUMBER, str(row.number).encode()))
            said.append(RawRecord("tiers", 0, 0, row.key, bytes(row.body), headers))
        return said

    async def settle(self) -> None:
        await self.books.apply([*await self.standings(), *self.log.records[0]])


@pytest.fixture(scope="session")
def tier_side(points_postgres: Stack) -> Emptied:
    return Emptied(points_postgres, tier_migrations())


@pytest.fixture
async def shop(tier_side: Emptied, books: Books) -> AsyncIterator[Shop]:
    url = await tier_side.take()
    tiers, log, programme = World(url), Log(), programme_of(words())
    await tiers.load(words())
    await books.load(programme)
    log.activate(words())
    yield Shop(tiers, books, log)
    await tiers.database.close()
    await tier_side.give_back(url)
    assert await books.broken() == {}


async def test_a_task_done_is_worth_its_points_once_and_the_entry_says_why(shop: Shop) -> None:
    """INVARIANT: a task's points are posted once, in a lot that dates from the activity that completes it, however often it is told."""
    shop.tell(MemberRegistered(), -3)
    for n in range(3):
        shop.tell(purchase(f"o{n}", 1_000), n)
    await shop.settle()
    await shop.books.apply(await shop.standings())  # as `resay` says it again
    assert (await shop.books.outcome()).posted == 30 + 200
    async with shop.books.database.reading() as tx:
        told = await explain_cause(ANNA, "task 1", shop.books.store(tx))
        assert await explain_cause(ANNA, "task 2", shop.books.store(tx)) is None
    assert told is not None
    (entry,) = told["entries"]
    assert (entry["kind"], entry["points"], entry["rule"], entry["version"]) == ("task_done", 200, "task", 1)
    assert entry["inputs"]["task_cause"] == "activity 4"
    assert entry["to_lot"]["earned_at"] == NOON + timedelta(days=2)
    assert entry["sentences"][0] == (
        "activity 4 made a difference to growth task three-a-month: task three-a-month is done on 2026-05-06 with activity 4: "
        "3 were asked for."
    )
    said_of_points = [each for _, _, each in await shop.books.said() if each.cause == "task 1"]
    assert [(one.postings[0].kind, one.postings[0].points) for one in said_of_points] == [("task_done", 200)]


async def test_a_refund_that_undoes_a_task_takes_its_points_back_and_what_was_spent_is_owed(shop: Shop) -> None:
    """INVARIANT: what tier-svc takes back goes back, also where the member has spent it; done again it pays the debt first."""
    shop.tell(MemberRegistered(), -3)
    shop.tell(purchase("o0", 6_000), 0)
    await shop.settle()
    assert (await shop.books.outcome()).posted == 60 + 40
    await shop.books.spend(100, "all-of-it-00001", NOON + timedelta(days=1))
    told, said = len(shop.log.records[0]), len(await shop.standings())
    shop.tell(refund("o0", "f", 6_000), 2)
    await shop.books.apply([*(await shop.standings())[said:], *shop.log.records[0][told:]])
    outcome = await shop.books.outcome()
    assert (outcome.posted, outcome.debt) == (0, 100)


def _interleaved(first: Sequence[RawRecord], second: Sequence[RawRecord], seed: int) -> Iterator[RawRecord]:
    """Two topics, each in its own order, mixed in lumps: now one service is ahead, now the other."""
    chance, ours, theirs = random.Random(seed), list(first), list(second)
    while ours or theirs:
        lane = chance.choice([lane for lane in (ours, theirs) if lane])
        for _ in range(min(len(lane), chance.choice((1, 3, 20)))):
            yield lane.pop(0)


async def test_the_books_are_the_same_whatever_order_the_two_topics_are_read_in(shop: Shop, new_books: Any) -> None:
    """INVARIANT: whichever of `tiers` and `activities` is read first, and however both are cut, the same is left of each task, each order
    and each month of expiry. Points that dated from when they were heard of, or a change taken out of its place, would break it."""
    chance = random.Random(5)
    for member in (ANNA, BEN):
        shop.tell(MemberRegistered(), -40, member)
        bought: list[str] = []
        for n in range(45):
            day = chance.uniform(n / 2, n / 2 + 20)
            if bought and chance.random() < 0.3:
                order = bought.pop(chance.randrange(len(bought)))
                shop.tell(refund(order, f"f{order}", 6_000), day, member)
            elif chance.random() < 0.1:
                shop.tell(ReviewPosted(review_id=f"r{n}", order_id="x", sku=f"{member.int}-{n}", rating=5), day, member)
            else:
                bought.append(f"{member.int}-o{n}")
                shop.tell(purchase(bought[-1], 6_000), day, member)
    said = await shop.standings()
    assert sum(b'"points":0' in (record.value or b"") for record in said) >= 5  # tasks are undone too
    seen = []
    for seed in range(4):
        books: Books = shop.books if not seed else await new_books()
        if seed:
            await books.load(programme_of(words()))
        lanes = [said, shop.log.records[0]] if seed % 2 else [shop.log.records[0], said]
        mixed = [*lanes[0], *lanes[1]] if seed < 2 else list(_interleaved(said, shop.log.records[0], seed))
        await books.apply_cut(mixed, cuts("random", seed))
        dump = await books.dump()
        tasks = dump["task_reward"]
        assert {one["points"] for one in tasks} >= {"40", "200", "15"}
        assert sum(entry["kind"] == "task_taken_back" for entry in dump["transfer"]) >= 5
        seen.append((tasks, *[await books.outcome(member) for member in (ANNA, BEN)]))
        assert await books.broken() == {}
        if not seed:
            before = sorted(str(one) for one in await books.said())
            async with books.database.transaction() as tx:
                await tx.run(text("DELETE FROM outbox"))
            await say_all_again(books.database, books.shelf, None)
            assert sorted(str(one) for one in await books.said()) == before
    assert all(one == seen[0] for one in seen)
