"""Many at the catalogue of rewards at once, what must hold between it and the ledger, and what it refuses to hear (T-L04)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.integration.points_svc.books import MEMBER, Books, told
from tests.integration.points_svc.shopping import end, offer, redeem, redeemed, taken
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import SHANGHAI, Activity, Script

ROWS = text(
    "SELECT (SELECT count(*) FROM reward) + (SELECT count(*) FROM redemption) + (SELECT count(*) FROM idempotency)"
)


async def crowd(books: Books, members: int, points: int) -> list[UUID]:
    """So many registered members with so many points each."""
    named = [UUID(int=1000 + n) for n in range(members)]
    records = []
    for member in named:
        script = Script()
        script.register()
        script.buy(points * 100, f"order of {member}")
        records += [told(step, member, SHANGHAI) for step in script.steps if isinstance(step, Activity)]
    await books.apply(records)
    return named


async def all_at_once(acts: list[Any]) -> list[Any]:
    """As many at a time as there are connections; the others wait at the door."""
    places = asyncio.Semaphore(8)

    async def one(act: Any) -> Any:
        async with places:
            return await act

    return await asyncio.gather(*(one(act) for act in acts))


@pytest.mark.parametrize(
    ("stock", "members"), [(10, 16), pytest.param(50, 80, marks=pytest.mark.long)], ids=["80 want 10", "400 want 50"]
)
async def test_of_many_who_want_the_same_reward_just_as_many_get_it_as_there_are(
    shop: Checkout, books: Books, stock: int, members: int
) -> None:
    """Broken by a stock that is read and then written, or by points that are spent without a piece."""
    named = await crowd(books, members, 100)
    shop.clock.move(timedelta(days=1))
    await offer(shop, points=20, stock=stock)
    wants = named * 5
    random.Random(7).shuffle(wants)
    answers = await all_at_once([redeem(shop, "mug", member) for member in wants])
    kinds = Counter(a.json().get("type", "redeemed") for a in answers)
    assert kinds == {"redeemed": stock, "sold_out": 5 * members - stock}
    got = Counter(UUID(a.json()["member_id"]) for a in answers if a.status_code == 201)
    items = {item["member_id"]: item for item in (await shop.see("/v1/balances?limit=1000"))["items"]}
    for member in named:
        assert items[str(member)]["available"] == 100 - 20 * got[member]
    assert await taken(shop) == stock


async def test_a_member_who_asks_many_times_at_once_stays_within_his_limit(shop: Checkout) -> None:
    """Broken by counting what he has before his account is locked."""
    await offer(shop, points=1, per_member=3)
    answers = await all_at_once([redeem(shop) for _ in range(20)])
    assert Counter(a.status_code for a in answers) == {201: 3, 409: 17}


async def test_buyers_cancellers_and_a_catalogue_that_changes_leave_books_that_add_up(
    shop: Checkout, books: Books
) -> None:
    """Accounts before rewards, always: broken by a deadlock, a lost piece, or a price nobody was shown."""
    members = await crowd(books, 6, 400)
    shop.clock.move(timedelta(days=1))
    chance = random.Random(11)
    for reward_id in ("a", "b"):
        await offer(shop, reward_id, points=10, stock=20, per_member=6)

    async def live(member: UUID, moves: list[tuple[float, str, int]]) -> None:
        mine: list[str] = []
        for choice, reward_id, price in moves:
            if choice < 0.5:
                answer = await redeem(shop, reward_id, member)
                if answer.status_code == 201:
                    mine.append(answer.json()["redemption_id"])
                else:
                    assert answer.json()["type"] in {"sold_out", "reward_limit"}
            elif choice < 0.9 and mine:
                act = "cancel" if choice < 0.75 else "fulfil"
                await end(shop, act, mine.pop())
            else:
                await offer(shop, reward_id, points=price, stock=20, per_member=6)

    plans = [
        [(chance.random(), chance.choice("ab"), chance.randint(5, 15)) for _ in range(15)] for _ in range(len(members))
    ]
    await asyncio.gather(*(live(member, plan) for member, plan in zip(members, plans, strict=True)))
    assert await books.broken() == {}


BREAKS = [
    ("UPDATE reward SET taken = taken + 1", {"stock"}),
    ("ALTER TABLE redemption DISABLE TRIGGER USER; UPDATE redemption SET points = points + 1", {"redemptions"}),
    ("DELETE FROM redemption WHERE state = 'ordered'", {"stock", "redemptions"}),
    ("UPDATE redemption SET state = 'cancelled', ended_at = now() WHERE state = 'ordered'", {"stock", "redemptions"}),
    (
        "ALTER TABLE redemption DISABLE TRIGGER USER; "
        "UPDATE redemption SET state = 'ordered', ended_at = NULL WHERE state = 'cancelled'",
        {"stock", "redemptions"},
    ),
    ("UPDATE consumption SET returned = 0", {"redemptions"}),
]


async def test_a_reward_that_changes_after_it_was_read_is_not_claimed_as_it_was(shop: Checkout, books: Books) -> None:
    """Broken by a claim that looks at the stock alone: a member would pay a price, or keep a limit, that holds no more."""
    await offer(shop, stock=5)
    async with books.database.reading() as tx:
        read = await books.store(tx).rewards.named("mug")
    assert read is not None
    await offer(shop, stock=5, per_member=1)
    async with books.database.transaction() as tx:
        assert not await books.store(tx).rewards.claim(read)
    assert await taken(shop) == 0


class Undone(Exception):
    """The change is taken back."""


async def broken_by(books: Books, statements: str) -> set[str]:
    """Which invariants see the change; it is taken back at once."""
    broken: dict[str, int] = {}
    try:
        async with books.database.transaction() as tx:
            for one in statements.split(";"):
                await tx.run(text(one))
            broken = (await books.store(tx).trial_balance())["invariants"]
            raise Undone  # noqa: TRY301 - what rolls back
    except Undone:
        return {name for name, count in broken.items() if count}


async def test_what_is_changed_behind_the_catalogues_back_is_caught(shop: Checkout, books: Books) -> None:
    """Both invariants have been seen to fail, in each of the ways in which stock, redemptions and ledger can part."""
    await offer(shop)
    await redeemed(shop)
    await end(shop, "cancel", await redeemed(shop))
    assert await books.broken() == {}
    for statements, caught in BREAKS:
        assert await broken_by(books, statements) == caught, statements


async def test_the_database_itself_refuses_a_second_end(shop: Checkout, books: Books) -> None:
    await offer(shop)
    await end(shop, "fulfil", await redeemed(shop))
    with pytest.raises(Exception, match="a redemption ends once"):
        async with books.database.transaction() as tx:
            await tx.run(text("UPDATE redemption SET state = 'cancelled'"))


AMOUNTS: list[Any] = [0, -1, 2**63, 10**12 + 1, 1.0, "1", True, None]
WRONG: list[tuple[str, str, Any]] = [
    *[("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": amount}) for amount in AMOUNTS],
    *[
        ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": 1, field: amount})
        for field in ("stock", "per_member")
        for amount in (-1, 2**63, 10**12 + 1, 1.0, "1", True)
    ],
    *[
        ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": 1, "period": "day", "per_period": amount})
        for amount in (0, -1, 2**63, 10**12 + 1, None)
    ],
    ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": 1, "per_member": 0}),
    ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "car", "points": 1}),
    ("PUT", "/v1/rewards/cup", {"name": "", "kind": "goods", "points": 1}),
    ("PUT", "/v1/rewards/cup", {"name": "a\x00b", "kind": "goods", "points": 1}),
    ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "draw", "points": 1, "at_once": True}),
    ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": 1, "valid_from": 0}),
    ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": 1, "valid_from": "2025-03-03T00:00:00"}),
    (
        "PUT",
        "/v1/rewards/cup",
        {
            "name": "x",
            "kind": "goods",
            "points": 1,
            "valid_from": "2025-03-03T00:00:00Z",
            "valid_until": "2025-03-03T00:00:00Z",
        },
    ),
    ("PUT", "/v1/rewards/cup", {"name": "x", "kind": "goods", "points": 1, "taken": 1}),
    ("PUT", "/v1/rewards/a%20cup", {"name": "x", "kind": "goods", "points": 1}),
    ("POST", f"/v1/members/{MEMBER}/redemptions", {}),
    ("POST", f"/v1/members/{MEMBER}/redemptions", {"reward_id": "a\x00b"}),
    ("POST", f"/v1/members/{MEMBER}/redemptions", {"reward_id": "cup", "points": 1}),
    ("POST", "/v1/members/none/redemptions", {"reward_id": "cup"}),
    ("POST", f"/v1/redemptions/{MEMBER}/fulfil", {}),
    ("POST", f"/v1/redemptions/{MEMBER}/fulfil", {"actor": "mei", "outcome": "maybe", "reason": "x"}),
    ("POST", f"/v1/redemptions/{MEMBER}/cancel", {"actor": ""}),
    ("POST", f"/v1/redemptions/{MEMBER}/cancel", {"actor": "mei", "points": 1}),
]


async def test_what_cannot_be_asked_is_a_422_and_leaves_no_row(shop: Checkout, books: Books) -> None:
    """T-L04: zero, negative, 2^63, cap + 1 and what is no whole number, on every route of the catalogue."""
    for method, path, body in WRONG:
        answer = await shop.client.request(method, path, json=body, headers={"Idempotency-Key": shop.key()})
        assert (answer.status_code, answer.json()["type"]) == (422, "invalid"), (path, body, answer.text)
    async with books.database.reading() as tx:
        assert (await tx.run(ROWS)).scalar_one() == 0


async def test_what_is_unknown_is_a_404_and_uses_up_no_key(shop: Checkout) -> None:
    nobody, key = UUID(int=77), "the-key-stays-usable"
    await offer(shop)
    for answer, word in [
        (await redeem(shop, "cup", key=key), "reward_unknown"),
        (await redeem(shop, member=nobody, key=key), "member_unknown"),
        (await end(shop, "fulfil", str(nobody), key), "redemption_unknown"),
        (await end(shop, "cancel", str(nobody), key), "redemption_unknown"),
        (await shop.client.get("/v1/rewards/cup"), "reward_unknown"),
        (await shop.client.get(f"/v1/redemptions/{nobody}"), "redemption_unknown"),
        (await shop.client.get(f"/v1/members/{nobody}/redemptions"), "member_unknown"),
    ]:
        assert (answer.status_code, answer.json()["type"]) == (404, word)
    assert (await redeem(shop, key=key)).status_code == 201
