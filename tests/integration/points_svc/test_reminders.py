"""Members are told 30, 7 and 1 days ahead what expires, by closed days, once (domain.md 3.4, ADR 0014)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from laurel_contracts.envelope import Event
from laurel_contracts.points import PointsExpiring
from laurel_kit.hearing import RawRecord
from laurel_kit.postgres import Transaction
from points_svc.handlers.remind_members import remind_members
from points_svc.handlers.say_again import say_again
from tests.integration.points_svc.books import MEMBER, Books, activated, ended, told
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

SAID = text("SELECT id, key, number, partition, body FROM outbox WHERE type = 'laurel.points.expiring.v1' ORDER BY id")
FORGET = text("DELETE FROM outbox")
EXPIRES = local(SHANGHAI, 2026, 4, 1)
Told = tuple[UUID | None, datetime, int, int]


def midnight(day: date) -> datetime:
    return local(SHANGHAI, day.year, day.month, day.day)


async def members(books: Books, count: int, **expiry: Any) -> None:
    """So many members with 100 points that expire with March 2026, and 50 that expire with April."""
    await books.load(programme(expiry=expiry))
    records: list[RawRecord] = [activated()]
    for n in range(count):
        script = Script()
        script.buy(10_000, f"a{n}", at=local(SHANGHAI, 2025, 3, 5, 12))
        script.buy(5_000, f"b{n}", at=local(SHANGHAI, 2025, 4, 5, 12))
        records += [told(step, UUID(int=n + 1), SHANGHAI) for step in script.steps if isinstance(step, Activity)]
    await books.apply(records)


async def remind(books: Books, limit: int = 100) -> int:
    """As the job does, until everybody has been looked at; in how many transactions."""
    chunks = 0
    while await books.database.in_transaction(lambda tx: remind_members(limit, books.store(tx))):
        chunks += 1
    return chunks


async def close(books: Books, day: date) -> None:
    await books.apply([ended(midnight(day))])


async def said(books: Books) -> list[Told]:
    async with books.database.reading() as tx:
        rows = (await tx.run(SAID)).all()
    assert all((row.key, row.number) == (None, None) for row in rows)
    decode = msgspec.json.Decoder(Event[PointsExpiring]).decode
    events = [decode(row.body) for row in rows]
    return [(e.subject, e.data.expires_at, e.data.days_ahead, e.data.points) for e in events]


async def test_each_distance_is_said_once_however_often_days_close_and_the_job_runs(books: Books) -> None:
    """What would break it: a reminder whose cause is the run of the job and not the points and the distance."""
    await members(books, 1)
    day = date(2026, 2, 27)
    while day < date(2026, 4, 1):
        await close(books, day)
        await remind(books)
        await remind(books)
        day += timedelta(days=1)
    first = [(MEMBER, EXPIRES, days, 100) for days in (30, 7, 1)]
    assert [one for one in await said(books) if one[1] == EXPIRES] == first
    # 1 April is the day on which the points of April have 30 days left, 31 March is not.
    assert [one for one in await said(books) if one[1] != EXPIRES] == []
    await close(books, date(2026, 4, 1))
    await remind(books)
    assert (await said(books))[3:] == [(MEMBER, local(SHANGHAI, 2026, 5, 1), 30, 50)]


@pytest.mark.parametrize(
    ("day", "days"),
    [
        (date(2026, 3, 1), None),  # 31 days are left
        (date(2026, 3, 2), 30),
        (date(2026, 3, 24), 30),
        (date(2026, 3, 25), 7),
        (date(2026, 3, 31), 1),
        (date(2026, 4, 1), None),  # over
    ],
)
async def test_a_day_that_closes_late_says_only_the_nearest_reminder(books: Books, day: date, days: int | None) -> None:
    await members(books, 1)
    await close(books, day)
    await remind(books)
    found = [one for one in await said(books) if one[1] == EXPIRES]
    assert found == ([] if days is None else [(MEMBER, EXPIRES, days, 100)])


async def test_members_are_looked_at_in_chunks_and_a_pass_that_was_cut_off_goes_on(books: Books) -> None:
    """What would break it: progress that is not kept with what is said."""
    await members(books, 10)
    await close(books, date(2026, 3, 25))
    for _ in range(2):
        assert await books.database.in_transaction(lambda tx: remind_members(3, books.store(tx)))
    assert len(await said(books)) == 6

    async def dies(tx: Transaction) -> None:
        await remind_members(3, books.store(tx))
        raise RuntimeError("before the commit")

    with pytest.raises(RuntimeError):
        await books.database.in_transaction(dies)
    assert len(await said(books)) == 6
    await remind(books, 3)
    assert sorted(await said(books), key=str) == sorted(
        ((UUID(int=n + 1), EXPIRES, 7, 100) for n in range(10)), key=str
    )


async def test_the_programme_says_how_far_ahead(books: Books) -> None:
    await members(books, 1, reminder_days=[14])
    for day in (date(2026, 3, 2), date(2026, 3, 18), date(2026, 3, 31)):
        await close(books, day)
        await remind(books)
    assert await said(books) == [(MEMBER, EXPIRES, 14, 100)]


async def test_what_was_said_is_said_again_under_the_same_ids_and_disturbs_no_number(books: Books) -> None:
    await members(books, 2)
    await close(books, date(2026, 3, 25))
    await remind(books)
    before, balances = await said(books), await books.said()
    async with books.database.transaction() as tx:
        await tx.run(FORGET)
        await say_again(None, None, books.store(tx))
    assert await said(books) == before
    assert await books.said() == sorted(balances, key=lambda one: (one[0], one[1]))
    assert await books.broken() == {}
