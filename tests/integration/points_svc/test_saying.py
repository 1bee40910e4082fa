"""What points-svc says: one statement per cause that moved the account, and the same again from the books."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import event, text

from laurel_contracts.registry import decoder
from laurel_kit.resaying import for_a_moment
from points_svc.handlers.say_again import ENTRIES_PER_TRANSACTION, MEMBERS_PER_TRANSACTION
from points_svc.main import say_all_again, saying_again
from tests.fault.ledger.laying import Laid, lay
from tests.fault.ledger.test_overspending import url_of
from tests.integration.points_svc.books import Books, activated, cuts
from tests.integration.points_svc.histories import make
from tests.unit.points_svc.script import Script, programme

ALL = text("SELECT event_id, key, number, partition, type, body FROM outbox WHERE topic = 'points' ORDER BY id")
CLEAR = text("DELETE FROM outbox")


async def outbox(books: Books) -> list[tuple[Any, ...]]:
    async with books.database.reading() as tx:
        rows = (await tx.run(ALL)).all()
    return [(r.event_id, r.key, r.number, r.partition, r.type, bytes(r.body)) for r in rows]


async def test_everything_said_can_be_said_again_under_the_same_ids_and_numbers(books: Books) -> None:
    history = make(11, members=10, events=150, days_per_step=3.0, close_days=9)
    await books.load(programme())
    await books.apply([activated(partition=partition) for partition in range(3)])
    await books.apply_cut([*history.campaigns, *history.activities, *history.tiers], cuts(50))
    first = sorted(await outbox(books), key=str)
    async with books.database.transaction() as tx:
        await tx.run(CLEAR)
    said = await say_all_again(books.database, books.shelf, None)
    again = await outbox(books)
    assert said == len(again)
    assert sorted(again, key=str) == first
    one = history.members[0]
    async with books.database.transaction() as tx:
        await tx.run(CLEAR)
    await say_all_again(books.database, books.shelf, one)
    assert await outbox(books) == [row for row in again if row[1] == one.bytes]


async def test_everybody_is_said_again_a_moment_at_a_time(books: Books) -> None:
    """INVARIANT: no request does more than a page when its time is over, a page asks the database equally often however many members it
    has, and pages leave nobody out. What would break it: all pages in one request, a statement per member, a cursor that skips."""
    members = 2 * MEMBERS_PER_TRANSACTION + 20
    later = datetime(2040, 1, 1, tzinfo=UTC)
    await lay(url_of(books), [(UUID(int=n + 1), [Laid(1, 10, later), Laid(2, 5, later)]) for n in range(members)])
    asked = 0

    def count(*_: Any) -> None:
        nonlocal asked
        asked += 1

    event.listen(books.database.engine.sync_engine, "before_cursor_execute", count)
    pages: list[int] = []
    statements: set[int] = set()
    after = None
    while not pages or after is not None:
        asked = 0
        page = await for_a_moment(saying_again(books.database, books.shelf, None), after, seconds=0)
        pages.append(page.said)
        statements.add(asked)
        after = page.next
    assert pages == [2 * MEMBERS_PER_TRANSACTION, 2 * MEMBERS_PER_TRANSACTION, 40, 0]
    assert max(statements) <= 8
    rows = await outbox(books)
    assert [(row[1], row[2]) for row in rows] == [(UUID(int=n + 1).bytes, k) for n in range(members) for k in (1, 2)]
    at_once = await for_a_moment(saying_again(books.database, books.shelf, None), None, seconds=60)
    assert (at_once.said, at_once.next) == (2 * members, None)


async def test_a_page_ends_with_the_member_with_whom_it_has_entries_enough(books: Books) -> None:
    """INVARIANT: accounts are locked for as long as a bounded number of entries takes. What would break it: pages of so many members,
    whatever the length of their ledgers (a hold waited for more than 3 s behind one, T-P05)."""
    later = datetime(2040, 1, 1, tzinfo=UTC)
    lots = [ENTRIES_PER_TRANSACTION // 2, ENTRIES_PER_TRANSACTION // 2, 3, ENTRIES_PER_TRANSACTION + 1, 2]
    await lay(url_of(books), [(UUID(int=n + 1), [Laid(k + 1, 10, later) for k in range(lots[n])]) for n in range(5)])
    pages: list[tuple[int, int | None]] = []
    after = None
    while not pages or after is not None:
        page = await for_a_moment(saying_again(books.database, books.shelf, None), after, seconds=0)
        pages.append((page.said, page.next.int if page.next else None))
        after = page.next
    assert pages == [(lots[0] + lots[1], 2), (lots[2] + lots[3], 4), (lots[4], 5), (0, None)]


async def test_numbers_run_without_a_gap_and_balances_follow_each_other(books: Books) -> None:
    history = make(12, members=5, events=80)
    await books.load(programme())
    await books.apply([activated(partition=partition) for partition in range(3)])
    await books.apply_cut(history.facts_ahead, cuts(30))
    numbers: dict[object, int] = {}
    balance: dict[object, int] = {}
    for who, number, said in await books.said():
        assert number == numbers.get(who, 0) + 1
        numbers[who] = number
        moved = sum(posting.points for posting in said.postings)
        assert said.posted - said.debt == balance.get(who, 0) + moved
        assert sum(points for _, points in said.ladder) == said.posted - said.held
        balance[who] = said.posted - said.debt


async def test_a_cause_that_moves_nothing_says_nothing(books: Books) -> None:
    script = Script()
    script.register()
    script.buy(0, "nothing")
    script.stand("silver")
    script.buy(80, "less than a point")
    await books.play(script)
    assert await books.said() == []


async def test_a_programme_is_reported_with_its_hash(books: Books) -> None:
    await books.load(programme())
    await books.load(programme())
    rows = await outbox(books)
    assert len({row[0] for row in rows}) == 1
    event = decoder("laurel.programme.loaded.v1").decode(rows[0][5])
    assert (event.data.service, event.data.version, rows[0][3], rows[0][1]) == ("points-svc", 1, 0, None)
    assert msgspec.json.decode(rows[0][5])["specversion"] == "1.0"
