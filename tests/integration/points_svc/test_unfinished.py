"""What /progress says has been begun and has not ended, so that `laurel settle` waits for it."""

from __future__ import annotations

import runpy
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.handlers import rate_activities
from points_svc.store import dump, unfinished
from tests.integration.points_svc.books import MEMBER, Books, ended
from tests.integration.points_svc.handing import Post, give
from tests.integration.points_svc.test_sweeping import sweep
from tests.integration.points_svc.test_transfers import go_on, lives
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import SHANGHAI, local

SISTER = UUID(int=2)
MIGRATIONS = Path(__file__).parents[3] / "services/points-svc/migrations/versions"
REST = {"accounts_to_sweep": 0, "handovers_under_way": 0}


async def seen(books: Books) -> dict[str, int]:
    async with books.database.reading() as tx:
        return await unfinished.counts(tx)


async def test_a_closed_day_is_unfinished_until_everybody_is_swept(
    till: Checkout, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken by a progress that knows positions alone: the record has been read."""
    monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", 0)
    await lives(books, till)
    assert await seen(books) == REST
    await books.apply([ended(local(SHANGHAI, 2026, 3, 1))])
    assert await seen(books) == REST  # nothing was over by then
    await books.apply([ended(local(SHANGHAI, 2026, 4, 1))])
    for left in (2, 1, 0):
        assert await seen(books) == REST | {"accounts_to_sweep": left}
        await sweep(books, 1)


async def test_points_are_unfinished_until_they_lie_with_somebody(till: Checkout, books: Books) -> None:
    """Also those that come back. Broken by counting what was refused as taken."""
    script = await lives(books, till)
    since = len(script.steps)
    post = Post(books)
    assert (await give(till, 30, SISTER)).status_code == 201
    assert (await give(till, 20, SISTER)).status_code == 201
    assert (await seen(books))["handovers_under_way"] == 2
    script.freeze(frozen=True)
    await go_on(books, script, SISTER, since)
    first = (await post.waiting())[0]
    await books.apply([first])
    assert (await seen(books))["handovers_under_way"] == 2  # refused, and on its way back
    await post.carry()
    assert await seen(books) == REST
    assert (await till.figures(MEMBER))[0] == 100


async def test_what_was_under_way_before_the_directory_was_made_is_in_it(till: Checkout, books: Books) -> None:
    """The migration's own statement, on books that hold one handover of each kind. Broken by a directory that begins empty."""
    script = await lives(books, till)
    since = len(script.steps)
    post = Post(books)
    await give(till, 10, SISTER)
    await post.carry()  # arrived
    await give(till, 20, SISTER)
    script.freeze(frozen=True)
    await go_on(books, script, SISTER, since)
    waiting = await post.waiting()
    await books.apply([waiting[0]])  # refused, not back yet
    revision = runpy.run_path(str(MIGRATIONS / "0011_under_way.py"))

    async def again(tx: Transaction) -> int:
        before = (await tx.run(text("DELETE FROM handover_under_way RETURNING handover_id"))).scalars().all()
        await tx.run(text(revision["SO_FAR"]))
        after = (await tx.run(text("SELECT handover_id FROM handover_under_way"))).scalars().all()
        assert sorted(before) == sorted(after)
        return len(after)

    assert await books.database.in_transaction(again) == 1


OF_NO_STREAM = {
    "account_freeze", "dead_letter", "expiry_round", "idempotency", "programme", "reminder", "reminder_pass", "seal", "sealed",
    "sealed_up_to", "spending",
}  # fmt: skip


def test_a_new_table_is_compared_or_it_is_said_why_not() -> None:
    """Broken by a table of a new revision that no comparison of two histories looks at."""
    made = {
        line.partition("CREATE TABLE ")[2].split()[0]
        for file in MIGRATIONS.glob("0*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "CREATE TABLE " in line
    }
    assert made - dump.TABLES.keys() <= OF_NO_STREAM
    assert dump.TABLES.keys() <= made
