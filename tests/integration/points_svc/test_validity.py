"""Point validity by tier on a real PostgreSQL: the same books whenever a standing becomes known, and an entry that says why points move."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from points_svc.handlers.explain_entry import explain_cause
from points_svc.handlers.extend_lots import Wanted, extend_lots
from points_svc.handlers.verify_ledger import verify_members
from points_svc.main import say_all_again
from points_svc.store.proving import ProofStore
from tests.integration.points_svc.books import MEMBER, Books, activated, keyed, stood, told
from tests.integration.points_svc.handing import Post, give
from tests.integration.points_svc.till import Checkout, open_checkout
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


QUARTER = timedelta(minutes=15)


async def void(till: Checkout, hold: str) -> None:
    assert (await till.void(hold)).status_code == 200


async def capture_some(till: Checkout, hold: str) -> None:
    assert (await till.capture(hold, points=20)).status_code == 200


async def swept(till: Checkout, _hold: str) -> None:
    till.clock.move(QUARTER)
    assert await till.sweep() == 1


async def passed_by(till: Checkout, _hold: str) -> None:
    """Its time is over, and the next who asks for points finds it."""
    till.clock.move(QUARTER)
    await void(till, await till.held(1))


async def proven(books: Books) -> None:
    """The books hold, the entries alone give what stands, and all that was said is said again."""
    assert await books.broken() == {}
    async with books.database.auditing() as tx:
        assert (await verify_members(None, 10, ProofStore(tx)))["breaks"] == []
    said = sorted(str(one) for one in await books.said())
    async with books.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox WHERE topic = 'points'"))
    await say_all_again(books.database, books.shelf, None)
    assert sorted(str(one) for one in await books.said()) == said


@pytest.mark.parametrize("end", [void, capture_some, swept, passed_by])
@pytest.mark.parametrize(
    ("before", "points", "meanwhile", "until"),
    [
        ([], 50, ["gold"], local(SHANGHAI, 2027, 2, 1)),
        ([], 103, ["diamond", "gold"], local(SHANGHAI, 2027, 2, 1)),  # what was free has moved twice
        (["gold"], 153, ["diamond"], local(SHANGHAI, 2028, 2, 1)),  # held out of lots that are not the first
    ],
)
async def test_what_was_held_when_a_standing_became_known_lasts_as_long_as_it_says(
    books: Books,
    end: Callable[[Checkout, str], Awaitable[None]],
    before: list[str],
    points: int,
    meanwhile: list[str],
    until: datetime,
) -> None:
    """INVARIANT: what comes back out of a hold expires with what was free meanwhile. Broken by points that stay in the lot that the hold
    took them from, by an order that is not read, or by a family of lots of which only one is known."""
    await opened(books)
    s = Script(programme=lasting())
    s.register()
    s.buy(10_000, at=local(SHANGHAI, 2025, 1, 10, 9))
    s.sign_in(local(SHANGHAI, 2025, 1, 11, 9))
    for tier in before:
        s.stand(tier, after=0)
    await after(books, s.steps)
    async with open_checkout(books, s.now) as till:
        hold = await till.held(points)
        for tier in meanwhile:
            s.stand(tier, after=0)
            await after(books, s.steps[-1:])
        await end(till, hold)
    earned = 5 + (200 if meanwhile[-1] == "diamond" else 150)
    assert {at for at, _ in (await books.outcome()).lots} == {until}
    assert (await books.outcome()).posted == earned - 20 * (end is capture_some)
    await proven(books)


async def test_what_is_handed_back_lasts_as_long_as_the_standing_says_that_became_known(books: Books) -> None:
    sister = UUID(int=2)
    await opened(books)
    s = Script(programme=lasting())
    s.register()
    s.buy(10_000, at=local(SHANGHAI, 2025, 1, 10, 9))
    await after(books, s.steps)
    hers = Script(programme=lasting(), now=s.now)
    hers.register()
    hers.freeze(frozen=True)
    async with open_checkout(books, s.now) as till:
        await books.apply([told(hers.steps[0], sister, SHANGHAI)])  # type: ignore[arg-type]
        assert (await give(till, 100, sister)).status_code == 201
        await books.apply([told(hers.steps[1], sister, SHANGHAI)])  # type: ignore[arg-type]
        s.stand("gold", after=0)
        await after(books, s.steps[-1:])
        await Post(books).carry()
    assert {at for at, _ in (await books.outcome()).lots} == {local(SHANGHAI, 2027, 2, 1)}
    assert (await books.outcome()).posted == 150
    await proven(books)
