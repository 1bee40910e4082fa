"""Every invariant of the trial balance has been seen to fail (reliability.md 3.2)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from tests.integration.points_svc.books import MEMBER, Books, activated
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import Script

SIDE_DOOR = """INSERT INTO transfer (member_id, seq, cause, leg, at, kind, debit, credit, amount, lot, why)
SELECT member_id, seq + 1, '{cause}', 1, now(), '{kind}', '{debit}', '{credit}', 1, NULL, '{why}' FROM account"""

BREAKS = [
    ("UPDATE account SET posted = posted + 1", {"I2", "I4"}),
    ("UPDATE account SET debt = 1", {"I2", "I4"}),
    ("UPDATE account SET held = 1", {"I2", "I3", "I4"}),
    ("UPDATE account SET seq = seq + 1", {"I8"}),
    ("UPDATE account SET ladder = '{}'", {"ladder"}),
    ("UPDATE hold SET state = 'voided', ended_at = made_at, ended_by = 'x' WHERE state = 'held'", {"I3", "I12"}),
    (
        "UPDATE hold SET state = 'captured', captured = points, ended_at = made_at, ended_by = 'x' WHERE state = 'held'",
        {"I3", "I12"},
    ),
    ("DELETE FROM hold WHERE state = 'held'", {"I3", "I12"}),
    ("DELETE FROM hold WHERE state = 'captured'", {"I12"}),
    ("ALTER TABLE hold DISABLE TRIGGER ALL; UPDATE hold SET captured = captured - 1 WHERE state = 'captured'", {"I12"}),
    ("ALTER TABLE hold DISABLE TRIGGER ALL; UPDATE hold SET points = points + 1 WHERE state = 'held'", {"I3", "I12"}),
    ("UPDATE lot SET remaining = remaining - 1", {"I2", "lots", "ladder"}),
    ("UPDATE lot SET expires_at = expires_at + interval '1 day'", {"ladder"}),
    ("UPDATE purchase SET net = net + 1", {"I7"}),
    ("UPDATE purchase SET parts = '[[1000000, 20000, false, null]]'", {"I7"}),
    ("DELETE FROM no_effect", {"I6"}),
    ("DELETE FROM consumption", {"consumption", "lots", "I3"}),
    ("DELETE FROM lot", {"I2", "lots", "ladder"}),
    (
        SIDE_DOOR.format(cause="x", kind="earned", debit="debt", credit="issuance", why='{"rule": 1}'),
        {"I4", "I5", "I8", "I9"},
    ),
    (SIDE_DOOR.format(cause="", kind="spent", debit="expired", credit="issuance", why="{}"), {"I6", "I8", "I9"}),
    ("UPDATE account SET said = said + 1", {"I9"}),
    ("ALTER TABLE transfer DISABLE TRIGGER ledger_only_grows", {"I10"}),
    ("GRANT UPDATE, DELETE ON transfer TO CURRENT_USER", {"I10"}),
    ("UPDATE consumption SET returned = 1", {"returned"}),
]


@pytest.mark.parametrize(("statement", "caught"), BREAKS, ids=[statement[:50] for statement, _ in BREAKS])
async def test_what_is_changed_behind_the_ledgers_back_is_caught(
    books: Books, statement: str, caught: set[str]
) -> None:
    script = Script()
    script.register()
    script.buy(10000, "o1")
    script.buy(0, "o2")
    await books.play(script)
    await books.spend(30, "spend-thirty-points", script.now, order_id="o3")
    async with open_checkout(books, script.now) as till:
        await till.held(20)
    assert await books.broken() == {}

    async def work(tx: Transaction) -> None:
        for part in statement.split("; "):
            await tx.run(text(part))

    await books.database.in_transaction(work)
    assert set(await books.broken()) == caught


@pytest.mark.parametrize(
    "change", ["state = 'held', captured = 0, ended_at = NULL, ended_by = NULL", "ended_at = now()"]
)
async def test_a_hold_that_has_ended_cannot_be_changed_by_any_statement(books: Books, change: str) -> None:
    script = Script()
    script.register()
    script.buy(10000, "o1")
    await books.play(script)
    await books.spend(30, "spend-thirty-points", script.now)

    async def work(tx: Transaction) -> None:
        await tx.run(text(f"UPDATE hold SET {change}"))

    with pytest.raises(Exception, match="a hold ends once"):
        await books.database.in_transaction(work)


WITHOUT = "ALTER TABLE {0} DISABLE TRIGGER USER; "
BY_HAND = [
    ("UPDATE adjustment SET points = points + 1 WHERE state = 'posted'", {"adjustments"}),
    ("UPDATE adjustment SET state = 'rejected', seq = NULL WHERE state = 'posted'", {"adjustments"}),
    ("UPDATE adjustment SET reversed_points = 1 WHERE state = 'posted'", {"adjustments"}),
    ("DELETE FROM adjustment WHERE state = 'posted'", {"adjustments"}),
    ("UPDATE reward SET taken = taken + 1", {"stock"}),
    ("DELETE FROM redemption WHERE state = 'ordered'", {"stock", "redemptions"}),
    (WITHOUT.format("redemption") + "UPDATE redemption SET points = points + 1", {"redemptions"}),
    (
        "UPDATE redemption SET state = 'cancelled', ended_at = made_at, ended_by = 'x' WHERE state = 'ordered'; "
        "UPDATE reward SET taken = taken - 1",
        {"redemptions"},
    ),
]


@pytest.mark.parametrize(("statement", "caught"), BY_HAND, ids=[statement[:60] for statement, _ in BY_HAND])
async def test_what_is_changed_behind_the_back_of_corrections_and_rewards_is_caught(
    books: Books, statement: str, caught: set[str]
) -> None:
    script = Script()
    script.register()
    script.buy(10000, "o1")
    await books.play(script)
    await books.apply([activated()])
    async with open_checkout(books, script.now) as till:
        by = {"reason": "r", "actor": "anna"}
        assert (await till.post(f"/v1/members/{MEMBER}/adjustments", by | {"points": 5})).status_code == 201
        await till.post(f"/v1/members/{MEMBER}/adjustments", by | {"points": 50_000})
        reward = {"name": "Mug", "kind": "goods", "points": 10, "stock": 5, "valid_from": "2025-01-01T00:00:00Z"}
        await till.client.put("/v1/rewards/mug", json=reward, headers={"Idempotency-Key": till.key()})
        wanted = {"reward_id": "mug"}
        made = [(await till.post(f"/v1/members/{MEMBER}/redemptions", wanted)).json() for _ in range(2)]
        await till.post(f"/v1/redemptions/{made[0]['redemption_id']}/cancel", by)
    assert await books.broken() == {}

    async def work(tx: Transaction) -> None:
        for part in statement.split("; "):
            await tx.run(text(part))

    await books.database.in_transaction(work)
    assert set(await books.broken()) == caught
