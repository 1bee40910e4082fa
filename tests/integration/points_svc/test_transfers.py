"""Points go from one member to another, over two transactions and a topic between them (domain.md 3.5, architecture.md 5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.handlers.say_again import say_again
from tests.integration.points_svc.books import MEMBER, Books, cuts, ended, told
from tests.integration.points_svc.handing import Post, give, sayings
from tests.integration.points_svc.till import Checkout, open_checkout
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local

SISTER = UUID(int=2)
ROWS = text(
    "SELECT (SELECT count(*) FROM handover) + (SELECT count(*) FROM idempotency) + (SELECT count(*) FROM outbox)"
)


async def lives(books: Books, till: Checkout, member: UUID = SISTER, orders: int = 1) -> Script:
    """Another member with 50 points an order."""
    script = Script(now=till.clock.at)
    script.register()
    for n in range(orders):
        script.buy(5000, f"{member.hex[-2:]}-{n}")
    await books.play(script, member)
    till.clock.at = script.now
    return script


async def go_on(books: Books, script: Script, member: UUID, since: int) -> None:
    """What the script has told since."""
    records = [told(step, member, SHANGHAI) for step in script.steps[since:] if isinstance(step, Activity)]
    if records:
        await books.apply(records)


async def by_account(till: Checkout) -> dict[str, int]:
    return dict((await till.see("/v1/ledger/trial-balance"))["by_account"])


async def test_points_leave_stand_in_clearing_and_arrive(till: Checkout, books: Books) -> None:
    await lives(books, till)
    answer = await give(till, 30, SISTER, reason="for the kettle")
    assert (answer.status_code, answer.json()["state"]) == (201, "under_way")
    path = answer.headers["location"]
    assert (await till.figures(), await till.figures(SISTER)) == ((70, 0, 0, 70), (50, 0, 0, 50))
    assert (await by_account(till))["clearing"] == 30
    assert await books.broken() == {}
    assert await Post(books).carry() == 1
    assert (await till.figures(), await till.figures(SISTER)) == ((70, 0, 0, 70), (80, 0, 0, 80))
    assert (await by_account(till)).get("clearing", 0) == 0
    seen = await till.see(path)
    assert (seen["state"], seen["points"], seen["reason"]) == ("arrived", 30, "for the kettle")
    (entry,) = (await till.see(f"/v1/members/{SISTER}/statement?limit=1"))["items"]
    assert (entry["kind"], entry["points"], entry["why"]["from_member_id"]) == ("transferred_in", 30, str(MEMBER))
    (entry,) = (await till.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"]
    assert (entry["kind"], entry["points"], entry["why"]["reason"]) == ("transferred_out", -30, "for the kettle")
    assert (await till.spend(80, SISTER)).status_code == 201


async def test_what_expires_first_goes_first_and_lasts_no_longer_for_it(till: Checkout, books: Books) -> None:
    """Broken by a receiver's lot that is dated by its arrival."""
    script = Script(number=2, now=till.clock.at)
    script.buy(4000, "later", at=local(SHANGHAI, 2025, 6, 20, 12))
    await go_on(books, script, MEMBER, 0)
    till.clock.at = script.now
    await lives(books, till)
    before = {lot["expires_at"]: lot["remaining"] for lot in (await till.balance())["lots"]}
    assert list(before.values()) == [100, 40]
    assert (await give(till, 120, SISTER)).status_code == 201
    await Post(books).carry()
    first, second = before
    assert {lot["expires_at"]: lot["remaining"] for lot in (await till.balance())["lots"]} == {second: 20}
    lots = (await till.balance(SISTER))["lots"]
    came = {lot["expires_at"]: lot["remaining"] for lot in lots if lot["kind"] == "transfer"}
    assert came == {first: 100, second: 20}


NO_TRANSFERS: list[tuple[Any, Any, str]] = [
    (30, MEMBER, "transfer_to_self"),
    (0, SISTER, "invalid"),
    (-1, SISTER, "invalid"),
    (2**63, SISTER, "invalid"),
    (10**12 + 1, SISTER, "invalid"),
    (1.0, SISTER, "invalid"),
    ("1", SISTER, "invalid"),
    (True, SISTER, "invalid"),
    (30, "nobody", "invalid"),
    (30, UUID(int=9), "receiver_unknown"),
]


async def test_what_cannot_be_a_transfer_is_422_and_writes_no_row(till: Checkout, books: Books) -> None:
    """The requests of T-L04; broken by a key that is used up, or an entry."""
    await lives(books, till)

    async def rows() -> int:
        async with books.database.reading() as tx:
            return int((await tx.run(ROWS)).scalar_one())

    before = await rows()
    for points, receiver, word in NO_TRANSFERS:
        answer = await give(till, points, receiver)
        assert (answer.status_code, answer.json()["type"]) == (422, word), points
    assert await rows() == before


async def test_who_may_not_spend_may_not_give(till: Checkout, books: Books) -> None:
    await lives(books, till)
    refused = await give(till, 101, SISTER)
    assert (refused.status_code, refused.json()["type"]) == (409, "insufficient_points")
    script = Script(number=2, now=till.clock.at)
    script.freeze(frozen=True)
    await go_on(books, script, MEMBER, 0)
    refused = await give(till, 10, SISTER)
    assert (refused.status_code, refused.json()["type"]) == (409, "member_frozen")
    refused = await give(till, 10, MEMBER, SISTER, "a-key-that-is-refused-for-ever")
    assert (refused.status_code, refused.json()["type"]) == (409, "receiver_frozen")
    script.freeze(frozen=False)
    await go_on(books, script, MEMBER, 1)
    again = await give(till, 10, MEMBER, SISTER, "a-key-that-is-refused-for-ever")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (refused.content, "true")
    assert (await give(till, 10, MEMBER, SISTER)).status_code == 201
    assert (await till.client.get(f"/v1/transfers/{uuid4()}")).status_code == 404


async def test_what_a_frozen_receiver_cannot_take_is_back_in_its_own_lots(till: Checkout, books: Books) -> None:
    sister = await lives(books, till)
    before = await till.balance()
    path = (await give(till, 30, SISTER)).headers["location"]
    since = len(sister.steps)
    sister.freeze(frozen=True)
    await go_on(books, sister, SISTER, since)
    post = Post(books)
    await books.apply(await post.waiting())
    assert (await till.see(path))["state"] == "under_way"
    assert (await by_account(till))["clearing"] == 30
    assert await books.broken() == {}
    assert await post.carry() == 3  # once more, and the way back, which is answered once more too
    seen = await till.see(path)
    assert (seen["state"], seen["because"]) == ("returned", "member_frozen")
    assert (await till.balance())["lots"] == before["lots"]
    assert (await till.figures(SISTER))[0] == 50
    assert (await by_account(till)).get("clearing", 0) == 0


async def test_what_was_refused_comes_back_also_where_that_saying_was_lost(till: Checkout, books: Books) -> None:
    """A transfer that is said again is answered again. Broken by a refusal that is said once: given up as a dead letter, the points stayed
    in clearing for ever."""
    sister = await lives(books, till)
    path = (await give(till, 30, SISTER)).headers["location"]
    since = len(sister.steps)
    sister.freeze(frozen=True)
    await go_on(books, sister, SISTER, since)
    await books.apply(await sayings(books))  # refused; what says so is lost
    since = len(await sayings(books))
    async with books.database.transaction() as tx:
        await say_again(None, MEMBER, books.store(tx))
    post = Post(books)
    post.told = since
    assert await post.carry() == 2
    assert (await till.see(path))["state"] == "returned"
    assert await till.figures() == (100, 0, 0, 100)
    assert (await by_account(till)).get("clearing", 0) == 0
    assert await books.broken() == {}


async def test_what_comes_back_into_an_expired_lot_expires(till: Checkout, books: Books) -> None:
    """Broken by points that live on because they were away when their lot expired."""
    sister = await lives(books, till)
    await give(till, 30, SISTER)
    since = len(sister.steps)
    sister.freeze(frozen=True)
    await go_on(books, sister, SISTER, since)
    await books.apply([ended(local(SHANGHAI, 2026, 5, 1))])
    await Post(books).carry()
    assert (await till.figures()) == (0, 0, 0, 0)
    kinds = [entry["kind"] for entry in (await till.see(f"/v1/members/{MEMBER}/statement"))["items"]]
    assert kinds[:3] == ["expired", "transfer_returned", "expired"]
    assert (await by_account(till))["expired"] == 150


async def test_the_receivers_debt_is_repaid_first(till: Checkout, books: Books) -> None:
    sister = await lives(books, till)
    await till.spend(45, SISTER)
    since = len(sister.steps)
    sister.refund("02-0", amount=5000)
    await go_on(books, sister, SISTER, since)
    assert (await till.figures(SISTER))[2] == 45
    await give(till, 60, SISTER)
    await Post(books).carry()
    assert await till.figures(SISTER) == (15, 0, 0, 15)


@pytest.mark.parametrize("receiver", ["takes", "cannot"])
async def test_told_often_and_in_any_order_it_counts_once(till: Checkout, books: Books, receiver: str) -> None:
    """Broken by a handler that trusts the topic to say things once."""
    sister = await lives(books, till)
    since = len(sister.steps)
    for points in (10, 20, 30):
        await give(till, points, SISTER)
    if receiver == "cannot":
        sister.freeze(frozen=True)
        await go_on(books, sister, SISTER, since)
    await Post(books).carry()
    first = await books.dump()
    everything = await sayings(books)
    for seed in range(3):
        random.Random(seed).shuffle(everything)
        await books.apply([*everything, *everything])
    assert await books.dump() == first
    assert (await till.figures())[0] == (40 if receiver == "takes" else 100)


async def test_of_many_at_once_no_more_is_given_than_is_there(till: Checkout, books: Books) -> None:
    await lives(books, till)
    answers = await asyncio.gather(*(give(till, 30, SISTER) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    await Post(books).carry()
    assert ((await till.figures())[0], (await till.figures(SISTER))[0]) == (10, 140)


class Undone(Exception):
    """So that nothing stays."""


BREAKS = [
    "UPDATE handover SET points = points + 1",
    "UPDATE handover SET state = 'returned', ended_at = made_at WHERE points = 20",
    "UPDATE handover SET receiver_id = gen_random_uuid()",
    "DELETE FROM handover WHERE points = 10",
    "DELETE FROM handover WHERE points = 20",
    "DELETE FROM arrival",
    "UPDATE arrival SET because = 'x'",
    "UPDATE arrival SET points = points + 1",
    "INSERT INTO arrival SELECT handover_id, receiver_id, points, made_at FROM handover WHERE points = 20",
    "DELETE FROM handover_under_way",
    "INSERT INTO handover_under_way SELECT handover_id FROM handover WHERE points = 10",
]


async def test_a_handover_changed_behind_the_ledgers_back_is_caught(till: Checkout, books: Books) -> None:
    await lives(books, till)
    await give(till, 10, SISTER)
    await Post(books).carry()
    await give(till, 20, SISTER)
    assert await books.broken() == {}
    for statement in BREAKS:

        async def look(tx: Transaction, statement: str = statement) -> None:
            await tx.run(text(statement))
            proof = (await books.store(tx).trial_balance())["invariants"]
            assert [name for name, count in proof.items() if count] == ["clearing"], statement
            raise Undone

        with pytest.raises(Undone):
            await books.database.in_transaction(look)


async def shuffle_points_about(books: Books, seed: int, sizes: Any) -> None:
    """Five members earn, spend, give, are frozen and released, take goods back and get older, by chance; what is said is carried now and
    then. The books are looked at on the way."""
    chance = random.Random(seed)
    members = [UUID(int=10 + n) for n in range(5)]
    scripts = {member: Script() for member in members}
    for member in members:
        scripts[member].register()
        scripts[member].buy(20000, f"{member.hex[-2:]}-0")
        await books.play(scripts[member], member)
    now, day = scripts[members[0]].now, date(2025, 4, 1)
    orders = {member: [f"{member.hex[-2:]}-0"] for member in members}
    amounts = {order: 20000 for (order,) in orders.values()}
    async with open_checkout(books, now) as till:
        post = Post(books)
        for step in range(60):
            till.clock.move(timedelta(days=chance.choice([0, 1, 20])))
            member, choice = chance.choice(members), chance.random()
            script, since = scripts[member], len(scripts[member].steps)
            if choice < 0.45:
                other = chance.choice([one for one in members if one != member])
                answer = await give(till, chance.randint(1, 90), other, member, f"transfer-{seed:04d}-{step:04d}")
                assert answer.status_code in {201, 409}
            elif choice < 0.6:
                orders[member].append(f"{member.hex[-2:]}-step-{step}")
                amounts[orders[member][-1]] = chance.randint(0, 9000)
                script.buy(amounts[orders[member][-1]], orders[member][-1], at=till.clock.at)
            elif choice < 0.7 and orders[member]:
                order = orders[member].pop()
                amount = amounts[order]
                script.refund(order, amount=chance.randint(0, amount), at=till.clock.at)
            elif choice < 0.8:
                script.freeze(frozen=chance.random() < 0.6)
            elif choice < 0.9:
                await till.spend(chance.randint(1, 60), member, f"spending-{seed:04d}-{step:04d}")
            elif local(SHANGHAI, day.year, day.month, 1) <= till.clock.at:
                await books.apply([ended(local(SHANGHAI, day.year, day.month, 1))])
                day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
            await go_on(books, script, member, since)
            if step % 10 == 9:
                assert await books.broken() == {}
                await post.carry(sizes)
        assert await books.broken() == {}
        await post.carry(sizes)


@pytest.mark.parametrize(
    ("seed", "sizes"),
    [(2, (1, 1000)), *(pytest.param(seed, (1, 7, 100, 1000), marks=pytest.mark.long) for seed in range(3, 8))],
)
async def test_the_books_balance_all_the_way_however_what_is_said_is_cut(
    new_books: Callable[[], Awaitable[Books]], seed: int, sizes: tuple[int, ...]
) -> None:
    """T-L06 with transfers, and T-K18 for `handovers`. Broken by anything that is known from a batch and not from the books; and the second
    reading of the ledger says what was said."""
    dumps = {}
    for cut in sizes:
        books = await new_books()
        await shuffle_points_about(books, seed, cuts(cut))
        assert await books.broken() == {}
        dumps[cut] = await books.dump()
    for cut in sizes:
        assert dumps[cut] == dumps[1], cut
    kinds = {row["kind"] for row in dumps[1]["transfer"]}
    assert kinds >= {"transferred_out", "transferred_in"}
    assert seed != 2 or kinds >= {"transfer_returned", "repaid"}
    said = sorted(await books.said())
    async with books.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
        await say_again(None, None, books.store(tx))
    assert sorted(await books.said()) == said
