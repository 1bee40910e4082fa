"""A closed day is swept in chunks, whenever the sweeper gets to whom: nobody's books know of it (reliability.md 3.6)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_kit.hearing import RawRecord
from laurel_kit.postgres import Database, Transaction
from points_svc.handlers import rate_activities
from points_svc.handlers.extend_lots import Wanted, extend_lots
from points_svc.handlers.once import Answer
from points_svc.handlers.say_again import say_again
from points_svc.handlers.sweep_lots import sweep_lots
from points_svc.main import sweeping_is_due
from points_svc.store import Shelf
from tests.integration.points_svc.books import MEMBER, Books, activated, cuts, ended, keyed, told
from tests.integration.points_svc.histories import History, make
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

NewBooks = Callable[[], Awaitable[Books]]
PARTITIONS = 3
ROUNDS = text("SELECT count(*) FROM expiry_round")


async def is_due(books: Books) -> bool:
    async with books.database.reading() as tx:
        return await books.store(tx).sweeping_is_due()


async def sweep(books: Books, limit: int) -> int:
    """One chunk. Whoever looks before, as the job does, is told that there is one; and after the last one that there is none."""

    async def work(tx: Transaction) -> int:
        return await sweep_lots(limit, books.store(tx))

    due = await is_due(books)
    swept = await books.database.in_transaction(work)
    assert due or not swept
    assert swept or not await is_due(books)
    return swept


async def extend(books: Books, member: UUID, now: datetime) -> None:
    """All that lives lasts a hundred days longer."""
    wanted = Wanted(member, "a long winter", "staff-7", days=100)

    async def work(tx: Transaction) -> Answer:
        return await extend_lots(keyed(f"extension-of-{member}", wanted), wanted, now, books.store(tx))

    await books.database.in_transaction(work)


async def sweep_all(books: Books) -> None:
    while await sweep(books, 2):
        pass


async def said_again(books: Books) -> None:
    """What the second reading says is what was said."""
    said = {(member, number): data for member, number, data in await books.said()}
    async with books.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
        await say_again(None, None, books.store(tx))
    assert {(member, number): data for member, number, data in await books.said()} == said


async def live(books: Books, history: History, seed: int, sweeps: float, policy: str) -> None:
    """The log cut at random, with so many chunks of the sweeper after each batch, and spendings of everybody in the middle."""
    chance = random.Random(seed)
    await books.load(programme(pending_days=20, expiry={"policy": policy, "months": 3}))
    await books.apply([activated(partition=partition) for partition in range(PARTITIONS)])
    records = [*history.facts_ahead]
    half = len(records) // 2
    for part in (records[:half], records[half:]):
        start, sizes = 0, cuts("random", seed)
        while start < len(part):
            size = min(40, next(sizes))
            await books.apply(part[start : start + size])
            start += size
            if chance.random() < sweeps:
                await sweep(books, chance.randint(1, 3))
        if part is not records[half:]:
            for member in history.members:
                await books.spend(25, f"spending-of-{member}", history.times[len(history.times) // 2], member=member)
                await extend(books, member, history.times[len(history.times) // 2])
        await books.apply(history.campaigns)
    await sweep_all(books)
    assert await books.broken() == {}


async def test_who_cannot_look_because_everybody_reads_sweeps(new_books: NewBooks) -> None:
    """What would break it: a flood of questions about balances puts off what has expired."""
    books = await new_books()
    database = Database(
        str(books.database.url.render_as_string(hide_password=False)), application_name="looks", reading_size=1
    )
    try:
        assert not await sweeping_is_due(database, Shelf())
        async with database.reading():
            assert await sweeping_is_due(database, Shelf())
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("seed", "policy"),
    [(11, "rolling"), (13, "sliding"), *(pytest.param(12, p, marks=pytest.mark.long) for p in ("rolling", "sliding"))],
)
async def test_the_same_log_gives_the_same_books_whenever_the_sweeper_gets_to_whom(
    new_books: NewBooks, monkeypatch: pytest.MonkeyPatch, seed: int, policy: str
) -> None:
    """What would break it: an account that something happens to before the closed day has come to it."""
    history = make(seed, members=8, events=130, partitions=PARTITIONS, days_per_step=6.0, close_days=11)
    states = []
    ways = ((1_000, 0.0), (0, 0.0), (3, 0.5)) if policy == "rolling" else ((1_000, 0.0), (2, 0.3))
    for at_once, sweeps in ways:
        monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", at_once)
        books = await new_books()
        await live(books, history, seed, sweeps, policy)
        states.append((await books.dump(), sorted(await books.said(), key=lambda one: (one[0], one[1]))))
        await said_again(books)
    for dump, said in states[1:]:
        for table in dump:
            assert dump[table] == states[0][0][table], table
        assert said == states[0][1]
    expired = [row for row in states[0][0]["transfer"] if row["kind"] == "expired" and row["cause"].startswith("day")]
    assert len(expired) > 10
    assert {"extended", "taken_back", "spent"} <= {row["kind"] for row in states[0][0]["transfer"]}
    assert len({row["cause"] for row in expired}) > 5


async def closed(books: Books, members: int, days: list[date]) -> list[UUID]:
    """So many members with a lot that the first of these days has passed, none of them swept."""
    await books.load(programme())
    ids = [UUID(int=n + 1) for n in range(members)]
    records: list[RawRecord] = [activated()]
    for member in ids:
        script = Script()
        script.register()
        script.buy(10_000, f"o-{member}", at=local(SHANGHAI, 2025, 1, 15, 12))
        records += [told(step, member, SHANGHAI) for step in script.steps if isinstance(step, Activity)]
    await books.apply(records)
    await books.apply([ended(local(SHANGHAI, day.year, day.month, day.day)) for day in days])
    return ids


async def test_a_chunk_expires_so_many_accounts_and_the_next_one_goes_on(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", 3)
    await closed(books, 10, [date(2026, 2, 1)])
    assert [await sweep(books, 4) for _ in range(3)] == [4, 3, 0]
    dump = await books.dump()
    assert [row["cause"] for row in dump["transfer"] if row["kind"] == "expired"] == ["day 2026-02-01"] * 10
    assert await books.broken() == {}


async def test_a_day_that_came_to_nobody_yet_is_caught_up_with_its_own_date(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", 0)
    await closed(books, 3, [date(2026, 2, 1) + timedelta(days=n) for n in range(4)])
    await sweep_all(books)
    dump = await books.dump()
    assert {(row["cause"], row["amount"]) for row in dump["transfer"] if row["kind"] == "expired"} == {
        ("day 2026-02-01", "100")
    }
    async with books.database.reading() as tx:
        assert (await tx.run(ROUNDS)).scalar_one() == 1  # the last one stays, the others are over


async def test_who_comes_to_the_till_before_the_sweeper_is_swept_first(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", 0)
    await closed(books, 1, [date(2026, 2, 1)])
    script = Script(now=local(SHANGHAI, 2026, 2, 1, 9), number=2)
    script.buy(5_000, "new")
    await books.apply([told(script.steps[0], MEMBER, SHANGHAI)])  # type: ignore[arg-type]
    async with open_checkout(books, script.now) as checkout:
        answer = await checkout.spend(20)
        assert answer.status_code == 201, answer.text
    causes = [row["cause"] for row in (await books.dump())["transfer"]]
    grouped = [cause for cause, _ in itertools.groupby(causes)]
    assert grouped[:3] == ["activity 2", "day 2026-02-01", "activity 3"]
    assert await sweep(books, 10) == 0
    assert await books.broken() == {}


async def test_an_account_that_the_sweep_would_not_find_is_caught(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invariant has been seen to fail."""
    monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", 0)
    await closed(books, 2, [date(2026, 2, 1)])
    assert await books.broken() == {}
    async with books.database.transaction() as tx:
        await tx.run(text("UPDATE account SET next_expiry = NULL"))
    assert await books.broken() == {"swept": 2}
