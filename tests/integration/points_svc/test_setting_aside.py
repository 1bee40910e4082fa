"""A record that cannot be applied: set aside, replayed or given up, without losing a number (architecture.md 2, poison)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from laurel_kit.dead_letters import DeadLetters
from laurel_kit.decoding import Unreadable
from laurel_kit.hearing import BrokenNumbers, RawRecord
from tests.integration.points_svc.books import MEMBER, Books, told
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, programme

LETTERS = text("SELECT id FROM dead_letter ORDER BY id")


def records(script: Script) -> list[RawRecord]:
    return [told(step, MEMBER, SHANGHAI) for step in script.steps if isinstance(step, Activity)]


async def set_aside(books: Books, record: RawRecord) -> int:
    """As the loop does when a record alone cannot be applied."""
    (placed,) = books.place([record])
    await books.applier.apply_dead(placed, placed.offset, Unreadable("failed", "test"))
    async with books.database.reading() as tx:
        return int((await tx.run(LETTERS)).scalars().all()[-1])


async def test_a_refund_of_an_order_that_is_not_known_fails_alone_and_its_followers_wait(books: Books) -> None:
    script = Script()
    script.refund("nowhere", amount=100)
    script.buy(10000, "o1")
    await books.load(programme())
    refund, purchase = records(script)
    with pytest.raises(ValueError, match="not known"):
        await books.applier.apply(books.peek([refund]))
    letter = await set_aside(books, refund)
    await books.apply([purchase])
    async with books.database.reading() as tx:
        assert len((await tx.run(LETTERS)).all()) == 2  # the purchase stands behind the refund
    report = await DeadLetters(books.applier).discard(letter)
    assert (report.replayed, report.detail) == (1, "")
    assert (await books.outcome()).nets == {"o1": 100}
    assert await books.broken() == {}


async def test_what_was_set_aside_by_mistake_is_replayed_in_order(books: Books) -> None:
    script = Script()
    script.buy(10000, "o1")
    script.refund("o1", amount=5000)
    script.join("x")
    await books.load(programme())
    first, *rest = records(script)
    letter = await set_aside(books, first)
    await books.apply(rest)
    assert (await DeadLetters(books.applier).replay(letter)).replayed == 3
    assert (await books.outcome()).posted == 80
    assert await books.broken() == {}


async def test_a_gap_in_a_members_numbers_halts_the_lane(books: Books) -> None:
    script = Script()
    script.buy(10000, "o1")
    script.buy(10000, "o2")
    await books.load(programme())
    with pytest.raises(BrokenNumbers):
        await books.apply(records(script)[1:])
