"""Spending holds under concurrency and is once per key (domain.md 3.5, reliability.md 3.3 and 3.4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import text

from laurel_kit.once import Answer, InFlight, KeyReused, KeyTooOld, claim
from laurel_kit.postgres import Transaction
from points_svc.handlers.hold_points import MemberUnknown
from tests.integration.points_svc.books import MEMBER, Books
from tests.unit.points_svc.script import SHANGHAI, Script, local

READ = text("SELECT posted FROM account WHERE member_id = :id")
WRITE = text("UPDATE account SET posted = :posted WHERE member_id = :id")


async def hundred(books: Books, *, register: bool = True) -> Script:
    script = Script()
    if register:
        script.register()
    script.buy(10000)
    await books.play(script)
    return script


async def test_ten_spendings_of_30_on_100_at_once_three_are_granted(books: Books) -> None:
    script = await hundred(books)
    answers = await asyncio.gather(*(books.spend(30, f"concurrent-{n:08d}", script.now) for n in range(10)))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 7
    outcome = await books.outcome()
    assert (outcome.posted, outcome.debt) == (10, 0)
    assert await books.broken() == {}


async def test_negative_control_read_then_write_without_a_lock_overspends(books: Books) -> None:
    """The same ten, with the balance read before and written after: what the lock is there for. At least one more is granted."""
    await hundred(books)
    everybody_has_read = asyncio.Barrier(5)

    async def careless() -> bool:
        async with books.database.transaction(pool_wait_seconds=5) as tx:
            posted = (await tx.run(READ, id=MEMBER)).scalar_one()
            await everybody_has_read.wait()
            if posted < 30:
                return False
            await tx.run(WRITE, id=MEMBER, posted=posted - 30)
            return True

    granted = sum(await asyncio.gather(*(careless() for _ in range(5))))
    assert granted * 30 > 100
    assert "I2" in await books.broken()
    assert "I4" in await books.broken()


async def test_one_key_spends_once_and_is_answered_the_same(books: Books) -> None:
    script = await hundred(books)
    first = await books.spend(30, "the-one-and-only", script.now)
    again = await books.spend(30, "the-one-and-only", script.now + timedelta(days=6, hours=23))
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    with pytest.raises(KeyTooOld, match="/v1/holds/"):
        await books.spend(30, "the-one-and-only", script.now + timedelta(days=7))
    assert (await books.outcome()).posted == 70


async def test_many_requests_with_one_key_at_once_move_the_balance_once(books: Books) -> None:
    script = await hundred(books)

    async def ask() -> Answer | None:
        try:
            return await books.spend(30, "everybody-at-once", script.now)
        except InFlight:
            return None

    answers = [answer for answer in await asyncio.gather(*(ask() for _ in range(8))) if answer is not None]
    assert len({answer.body for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert (await books.outcome()).posted == 70


async def test_a_second_request_meets_the_first_one_still_running(books: Books) -> None:
    script = await hundred(books)
    async with books.database.transaction() as tx:
        assert await claim(tx, "anybody", "still-running-key")
        with pytest.raises(InFlight):
            await books.spend(30, "still-running-key", script.now)


async def test_a_key_is_not_good_for_another_request(books: Books) -> None:
    script = await hundred(books)
    await books.spend(30, "used-already-0001", script.now)
    with pytest.raises(KeyReused):
        await books.spend(31, "used-already-0001", script.now)


async def test_a_refusal_stays_a_refusal_even_when_points_have_come(books: Books) -> None:
    script = await hundred(books)
    refused = await books.spend(101, "too-much-for-now-1", script.now)
    assert refused.status == 409
    assert msgspec.json.decode(refused.body)["type"] == "insufficient_points"
    more = Script(number=script.number, now=script.now)
    more.buy(10000, "o2")
    await books.play(more)
    assert (await books.spend(101, "too-much-for-now-1", script.now)).body == refused.body
    assert (await books.spend(101, "too-much-for-now-2", more.now)).status == 201


async def test_a_provisional_member_earns_and_cannot_spend(books: Books) -> None:
    script = await hundred(books, register=False)
    answer = await books.spend(1, "not-registered-yet", script.now)
    assert msgspec.json.decode(answer.body)["type"] == "member_not_active"
    with pytest.raises(MemberUnknown):
        await books.spend(1, "who-would-that-be", script.now, member=type(MEMBER)(int=99))


async def test_nothing_is_spent_from_a_lot_whose_time_is_over_although_no_day_was_closed(books: Books) -> None:
    script = Script()
    script.register()
    script.buy(10000, at=local(SHANGHAI, 2025, 1, 15, 12))
    await books.play(script)
    end = local(SHANGHAI, 2026, 2, 1)
    assert (await books.spend(1, "at-the-very-end-1", end)).status == 409
    assert (await books.spend(1, "just-before-the-end", end - timedelta(microseconds=1))).status == 201


async def test_points_are_spent_from_the_lots_that_expire_soonest(books: Books) -> None:
    script = Script()
    script.register()
    script.buy(1000, "late", at=local(SHANGHAI, 2025, 3, 15, 12))
    script.buy(2000, "early", at=local(SHANGHAI, 2025, 1, 15, 12))
    script.join("same month, earned later", at=local(SHANGHAI, 2025, 1, 16, 12))
    await books.play(script)
    answer = msgspec.json.decode((await books.spend(25, "fifo-by-expiry-001", script.now)).body)
    assert [(lot["lot"], lot["points"]) for lot in answer["lots"]] == [(3, 20), (4, 5)]


async def test_pending_points_cannot_be_spent_before_their_time(books: Books) -> None:
    from tests.unit.points_svc.script import programme

    script = Script(programme=programme(pending_days=14))
    script.register()
    script.buy(10000)
    await books.play(script)
    assert (await books.spend(1, "pending-for-14-days", script.now + timedelta(days=13))).status == 409
    assert (await books.spend(1, "available-after-14d", script.now + timedelta(days=14))).status == 201
    assert await books.broken() == {}


async def test_the_ledger_cannot_be_changed(books: Books) -> None:
    await hundred(books)
    for statement in ("UPDATE transfer SET amount = 1", "DELETE FROM transfer", "TRUNCATE transfer"):
        with pytest.raises(Exception, match=r"permission denied for table transfer|the ledger only grows"):
            await _run(books, statement)


async def _run(books: Books, statement: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.run(text(statement))

    await books.database.in_transaction(work)
