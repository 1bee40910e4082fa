"""Point validity by tier on a real PostgreSQL: the same books whenever a standing becomes known, and an entry that says why points move."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from points_svc.handlers.explain_entry import explain_cause
from points_svc.handlers.extend_lots import Wanted, extend_lots
from points_svc.handlers.verify_ledger import verify_members
from points_svc.main import say_all_again
from points_svc.store.proving import ProofStore
from tests.integration.points_svc.books import MEMBER, Books, activated, keyed, stood, told
from tests.unit.points_svc.lasting import MONTHS, interleaved, lasting, story_of
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, Step, local

LADDER = text(
    "SELECT CAST(ladder AS text) AS ladder, posted, debt, earned_net FROM account WHERE member_id = :member_id"
)


async def opened(books: Books) -> Books:
    await books.load(lasting())
    await books.apply([activated()])
    return books


async def after(books: Books, steps: list[Step]) -> Any:
    """The balance and what expires when, after these steps, applied in batches cut at random."""
    chance, records = random.Random(len(steps)), []
    for step in steps:
        records.append(told(step, MEMBER, SHANGHAI) if isinstance(step, Activity) else stood(step, MEMBER))  # type: ignore[arg-type]
        if chance.random() < 0.4 or step is steps[-1]:
            await books.apply(records)
            records = []
    async with books.database.reading() as tx:
        row = (await tx.run(LADDER, member_id=MEMBER)).one()
    return tuple(row), (await books.outcome()).nets


async def test_the_books_are_the_same_whenever_a_standing_becomes_known(new_books: Callable[[], Any]) -> None:
    """INVARIANT: with every interleaving of `tiers` and `activities` the same balance expires at the same instants, and everything can be
    said again from the entries. A lot re-dated in place, points moved by the latest standing instead of the one that holds, or a sign-in
    whose version was guessed, would break it."""
    moved = 0
    for seed in (3, 8):
        chance, story = random.Random(seed), story_of(seed)
        orders = [story.facts + story.activities, story.activities + story.facts]
        orders.append(interleaved(chance, story.activities, story.facts))
        seen = []
        for steps in orders:
            books: Books = await opened(await new_books())
            seen.append(await after(books, steps))
            assert await books.broken() == {}
            moved += sum(entry["kind"] == "redated" for entry in (await books.dump())["transfer"])
            said = sorted(str(one) for one in await books.said())
            async with books.database.transaction() as tx:
                await tx.run(text("DELETE FROM outbox"))
            await say_all_again(books.database, books.shelf, None)
            assert sorted(str(one) for one in await books.said()) == said
        assert all(one == seen[0] for one in seen), f"seed {seed}"
    assert moved > 5


async def test_an_entry_says_by_which_standing_points_last_longer_and_the_ledger_proves_it(books: Books) -> None:
    await opened(books)
    s = Script(programme=lasting())
    s.sign_in(datetime(2025, 3, 3, 4, tzinfo=UTC))
    s.buy(10_000)
    s.stand("diamond", after=0)
    s.join("quiz", s.now + timedelta(days=1))
    await after(books, s.steps)
    async with books.database.reading() as tx:
        why = await explain_cause(MEMBER, "standing 1", books.store(tx))
        earned = await explain_cause(MEMBER, "activity 3", books.store(tx))
    assert why is not None
    assert earned is not None
    assert earned["entries"][0]["to_lot"]["expires_at"] == local(SHANGHAI, 2028, 4, 1)
    assert f"points last {MONTHS['diamond']} months" in " ".join(earned["entries"][0]["sentences"])
    redated = [entry for entry in why["entries"] if entry["rule"] == "point validity"]
    assert [entry["points"] for entry in redated] == [-100, 100, -5, 5]
    assert redated[1]["from_lots"] == []
    assert redated[1]["to_lot"]["expires_at"] == local(SHANGHAI, 2028, 4, 1)
    assert "At the tier diamond points last 36 months" in " ".join(redated[0]["sentences"])
    assert (await books.outcome()).posted == 5 + 100 + 100 + 30
    async with books.database.auditing() as tx:
        proof = await verify_members(None, 10, ProofStore(tx))
    assert (proof["members"], proof["breaks"]) == (1, [])


async def test_what_a_tier_has_shortened_can_be_extended_and_the_books_hold(books: Books) -> None:
    """Broken by a proof that compares an extension with the lot that the points were in at first."""
    await opened(books)
    s = Script(programme=lasting())
    s.register()
    s.stand("gold", after=1)
    s.buy(10_000, at=local(SHANGHAI, 2025, 1, 10, 9))
    s.stand("regular", after=1)  # 12 months and no longer 24
    await after(books, s.steps)
    wanted = Wanted(MEMBER, "moving house", "anna", days=60)
    async with books.database.transaction() as tx:
        await extend_lots(keyed("an-extension-of-sixty-days", wanted), wanted, s.now, books.store(tx))
    assert (await books.outcome()).lots == ((local(SHANGHAI, 2026, 4, 2), 100),)
    assert await books.broken() == {}
