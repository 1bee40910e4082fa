"""The whole proof (P31, T-L20): whatever is changed behind the ledger's back after it was sealed is named, and everything that stands can
be rebuilt from the entries."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.handlers.verify_ledger import verify_members, verify_rounds
from points_svc.store.proving import ProofStore
from tests.fault.report import record
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.test_chain import count, filled, lived, seal
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import Script

# What somebody does who owns the tables: takes the rights back and puts the triggers to sleep.
AS_OWNER = """
GRANT ALL ON transfer, seal, sealed TO CURRENT_USER; ALTER TABLE transfer DISABLE TRIGGER ALL; ALTER TABLE seal DISABLE TRIGGER ALL;
ALTER TABLE sealed DISABLE TRIGGER ALL; ALTER TABLE hold DISABLE TRIGGER ALL; ALTER TABLE transfer DROP CONSTRAINT IF EXISTS transfer_check;
ALTER TABLE transfer DROP CONSTRAINT IF EXISTS transfer_check1"""


async def meddle(tx: Transaction, statement: str) -> None:
    """Change something behind the ledger's back."""
    for part in re.split(r";\s+", f"{AS_OWNER}; {statement}"):
        await tx.run(text(part))


async def tamper(books: Books, statement: str) -> None:
    """For good."""
    await books.database.in_transaction(lambda tx: meddle(tx, statement))


@asynccontextmanager
async def tampered(books: Books, statement: str) -> AsyncIterator[ProofStore]:
    """For as long as one looks; then it is as if nothing had been."""

    class Undo(Exception):
        pass

    with suppress(Undo):
        async with books.database.transaction() as tx:
            await meddle(tx, statement)
            yield ProofStore(tx)
            raise Undo


async def all_breaks(store: ProofStore, limit: int = 5) -> list[dict[str, Any]]:
    """All breaks that all pages of rounds and members name."""
    breaks: list[dict[str, Any]] = []
    after: Any = 0
    while after is not None:
        page = await verify_rounds(after, limit, store)
        breaks, after = breaks + page["breaks"], page["next"]
    members: Any = await verify_members(None, limit, store)
    while True:
        breaks += members["breaks"]
        if members["next"] is None:
            return breaks
        members = await verify_members(members["next"], limit, store)


async def one_life(books: Books) -> None:
    """Four entries: earned, reserved and spent, and reserved for an open hold."""
    script = Script()
    script.register()
    script.buy(10000, "o1")
    await books.play(script)
    await books.spend(30, "spend-thirty-points", script.now)
    async with open_checkout(books, script.now) as till:
        await till.held(20)


async def test_random_histories_verify_without_a_break(books: Books) -> None:
    """P31: balances, lots, ladders and holds of every member come out of the entries as they stand. What would break it: any change of a
    balance that is no entry."""
    await lived(books, seed=9, events=250)
    await seal(books, members=3)
    async with books.database.auditing() as tx:
        assert await all_breaks(ProofStore(tx)) == []
    async with open_checkout(books) as till:
        rounds = await till.see("/v1/ledger/chain?limit=3")
        assert (len(rounds["items"]), rounds["breaks"], rounds["next"]) == (3, [], 3)
        assert rounds["head"]["entries"] == await count(books, "transfer")
        for bad in ("chain?after=x", "chain?limit=0", "verify?after=x", "verify?limit=1001", f"chain?after={2**63}"):
            assert (await till.client.get(f"/v1/ledger/{bad}")).status_code in (400, 422)
        page = await till.see("/v1/ledger/verify?limit=1000")
        assert (page["members"], page["broken"], page["next"]) == (12, 0, None)
        assert page["entries"] == page["sealed"] > 100
    assert await books.broken() == {}


# (what is changed, which kind of break, which entry or round it names)
CHANGES = [
    ("UPDATE transfer SET amount = amount # 1 WHERE seq = 2", "altered", 2),
    ("UPDATE transfer SET at = at + interval '1 microsecond' WHERE seq = 1", "altered", 1),
    ("UPDATE transfer SET cause = cause || ' ' WHERE seq = 3", "altered", 3),
    ("UPDATE transfer SET kind = 'earnee' WHERE seq = 1", "altered", 1),
    ("UPDATE transfer SET debit = 'expired' WHERE seq = 1", "altered", 1),
    ("UPDATE transfer SET credit = 'expired', lot = NULL WHERE seq = 3", "altered", 3),
    ("UPDATE transfer SET leg = 2 WHERE seq = 4", "altered", 4),
    ("UPDATE transfer SET order_id = 'o2' WHERE seq = 1", "altered", 1),
    ("UPDATE transfer SET lot = lot + 1 WHERE seq = 1", "altered", 1),
    ("UPDATE transfer SET why = jsonb_set(why, '{points}', '101') WHERE seq = 1", "altered", 1),
    ("UPDATE consumption SET amount = 31 WHERE seq = 3", "altered", 3),
    ("UPDATE consumption SET lot = lot + 1 WHERE seq = 2", "altered", 2),
    ("DELETE FROM consumption WHERE seq = 4", "altered", 4),
    ("DELETE FROM transfer WHERE seq = 4", "removed", 4),
    ("DELETE FROM transfer WHERE seq = 1", "removed", 1),
    ("INSERT INTO transfer SELECT member_id, 0, 'x', 1, at, kind, debit, credit, amount, order_id, lot, why FROM transfer WHERE seq = 1",
     "inserted", 0),
    ("UPDATE sealed SET digests = set_bit(digests, 5, 1 - get_bit(digests, 5))", "altered", 1),
]  # fmt: skip


async def test_the_entry_that_was_changed_is_named(books: Books) -> None:
    """T-L20 for every column. What would break it: a column that no digest is over."""
    await one_life(books)
    await seal(books)
    for statement, what, seq in CHANGES:
        async with tampered(books, statement) as store:
            breaks = await all_breaks(store)
        named = [(found["what"], found["entry"]) for found in breaks if "entry" in found]
        assert named == [(what, f"{MEMBER}:{seq}")], statement


@pytest.mark.fault
async def test_one_bit_of_a_sealed_entry_is_found_and_its_row_is_named(books: Books) -> None:
    """T-L20. What would break it: a digest that is not over the stored bytes, or a proof that compares the ledger with itself."""
    await lived(books, seed=3, events=300)
    await seal(books)
    async with books.database.reading() as tx:
        rows = (await tx.run(text("SELECT member_id, seq FROM transfer ORDER BY random() LIMIT 25"))).all()
    found, shots = 0, len(rows)
    for row in rows:
        flip = f"UPDATE transfer SET amount = amount # 1 WHERE member_id = '{row.member_id}' AND seq = {row.seq}"
        async with tampered(books, flip) as store:
            named = {one["entry"] for one in await all_breaks(store, 1000) if "entry" in one}
        found += named == {f"{row.member_id}:{row.seq}"}
    record("T-L20", f"{found} of {shots} flipped bits named by their row", "all", found == shots)
    assert found == shots


ROUNDS = [
    ("DELETE FROM seal WHERE round = 2", "round 2 is not there"),
    ("UPDATE seal SET hash = previous WHERE round = 1", "round 1 is not what it says of what it sealed"),
    ("UPDATE seal SET at = at + interval '1 second' WHERE round = 3", "round 3 is not what it says of what it sealed"),
    ("UPDATE seal SET previous = hash WHERE round = 2", "round 2 does not stand on the round before it"),
    ("DELETE FROM sealed WHERE round = 2", "round 2 is not what it says of what it sealed"),
    ("DELETE FROM seal WHERE round = (SELECT max(round) FROM seal)", "which is not there"),
]


async def test_a_round_that_was_changed_is_named(books: Books) -> None:
    await lived(books, events=60)
    await seal(books, members=3)
    for statement, sentence in ROUNDS:
        async with tampered(books, statement) as store:
            breaks = await all_breaks(store, 2)
            broken = (await store.trial_balance())["invariants"]["I11"]
        assert [found for found in breaks if sentence in found["detail"]], statement
        assert broken or not statement.startswith("DELETE FROM seal"), statement


FIGURES = [
    ("UPDATE account SET posted = posted + 1", "posted: 71 stands, the entries give 70"),
    ("UPDATE account SET held = held - 1", "held: 19 stands, the entries give 20"),
    ("UPDATE account SET earned_net = 99", "earned net: 99 stands, the entries give 100"),
    ("UPDATE account SET said = 9", "causes said: 9 stands, the entries give 3"),
    ("UPDATE account SET ladder = '{}'", "ladder: nothing stands"),
    ("UPDATE lot SET remaining = 51", "lot 2: 51 stand in it, the entries leave 50"),
    ("UPDATE lot SET expired = 1", "lot 2: 1 stand as expired, the entries give 0"),
    ("DELETE FROM lot", "lot 2: it is not there"),
    ("DELETE FROM hold WHERE state = 'held'", "reserved points for a hold that is not there"),
    ("UPDATE hold SET captured = 29 WHERE state = 'captured'", "29 captured and 1 given back stand"),
    ("UPDATE hold SET points = 21 WHERE state = 'held'", "21 points stand, entry 4 reserved 20"),
    ("DELETE FROM account", "4 entries and no account"),
    ("INSERT INTO consumption SELECT member_id, 9, 1, lot, 1 FROM lot", "taken from by entry 9, which is not there"),
]


async def test_what_cannot_be_rebuilt_from_the_entries_is_told_with_both_figures(books: Books) -> None:
    """P31. What would break it: a figure that is compared with itself."""
    await one_life(books)
    await seal(books)
    for statement, sentence in FIGURES:
        async with tampered(books, statement) as store:
            breaks = await all_breaks(store)
        assert [found for found in breaks if sentence in found["detail"]], (statement, breaks)


@pytest.mark.long
async def test_a_million_entries_are_sealed_and_verified(books: Books) -> None:
    """The size for a nightly run; the figures stand in the report."""
    await filled(books, members=100_000, each=10)
    began = time.monotonic()
    assert await seal(books) == 1_000_000
    sealing = time.monotonic() - began
    began = time.monotonic()
    async with books.database.auditing() as tx:
        assert await all_breaks(ProofStore(tx), 500) == []
    verifying = time.monotonic() - began
    record(
        "T-L20", f"sealed {1e6 / sealing:,.0f}/s, verified {1e6 / verifying:,.0f}/s", ">= 20,000/s sealed", sealing < 50
    )
    assert sealing < 50
