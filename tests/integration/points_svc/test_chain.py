"""The chain over the ledger (reliability.md 3.2 I11, T-L20): what was sealed and is not what it was is named, entry by entry."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Transaction
from points_svc import jobs
from points_svc.handlers.seal_entries import (
    ENTRIES_PER_ROUND,
    EVERYTHING_EVERY_LOOKS,
    MEMBERS_PER_LOOK,
    Look,
    Sealing,
    look_for_unsealed,
    seal_entries,
)
from points_svc.handlers.spend_points import Wanted, spend_points
from points_svc.store import PointsStore
from points_svc.store.chain import Unsealed
from points_svc.store.proving import ProofStore
from tests.fault.report import record
from tests.integration.points_svc.books import MEMBER, Books, activated, cuts, keyed
from tests.integration.points_svc.histories import make
from tests.unit.points_svc.script import Script, programme

NewBooks = Callable[[], Awaitable[Books]]
NOW = datetime(2025, 6, 1, tzinfo=UTC)


async def look(
    books: Books, sealing: Sealing, *, members: int = MEMBERS_PER_LOOK, entries: int = ENTRIES_PER_ROUND
) -> Look:
    async def work(tx: Transaction) -> Look:
        return await look_for_unsealed(sealing, ProofStore(tx), members=members, entries=entries)

    return await books.database.in_transaction(work)


async def seal(
    books: Books,
    sealing: Sealing | None = None,
    *,
    members: int = MEMBERS_PER_LOOK,
    entries: int = ENTRIES_PER_ROUND,
) -> int:
    """Looks and rounds until everything is sealed; how many entries that were."""
    total, known = 0, sealing or Sealing()
    while True:
        found, sealed = await look(books, known, members=members, entries=entries), 0
        for places in found.rounds(entries):

            async def work(tx: Transaction, found: Look = found, places: slice = places) -> int:
                return await seal_entries(NOW, found, places, ProofStore(tx))

            sealed += await books.database.in_transaction(work)
        known.sealed(found, sealed)
        total += sealed
        if found.unsealed.whole or not sealed:
            return total


async def count(books: Books, table: str) -> int:
    async with books.database.reading() as tx:
        return int((await tx.run(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def lived(books: Books, seed: int = 5, events: int = 200) -> None:
    """A random history of twelve members, with spendings."""
    history = make(seed, members=12, events=events, days_per_step=1.0)
    await books.load(programme())
    await books.apply([activated(partition=partition) for partition in range(3)])
    await books.apply_cut(history.facts_ahead, cuts("random", seed))
    await books.apply_cut(history.campaigns, cuts("random", seed))
    for member in history.members:
        there = (await books.outcome(member)).posted
        await books.spend(max(1, there // 2), f"spending-of-{member}", history.times[-1], member=member, order_id="x")


async def test_rounds_seal_every_entry_once_and_the_books_still_prove_themselves(books: Books) -> None:
    """What would break it: a round that skips a member, seals an entry twice, or does not stand on the round before."""
    await lived(books)
    entries = await count(books, "transfer")
    assert await seal(books, members=5, entries=40) == entries
    assert await seal(books) == 0
    assert await books.broken() == {}


async def test_a_digest_is_over_every_column_and_over_what_was_consumed_in_a_form_that_anybody_can_make(
    books: Books,
) -> None:
    script = Script()
    script.register()
    script.buy(10000, "o1")
    await books.play(script)
    await books.spend(30, "spend-thirty-points", script.now)
    await seal(books)
    async with books.database.reading() as tx:
        rows = (await tx.run(text("SELECT t.*, CAST(t.why AS text) AS told FROM transfer t ORDER BY seq"))).all()
        (digests,) = (await tx.run(text("SELECT digests FROM sealed"))).one()
    taken = {2: "[[1, 2, 30]]", 3: "[[1, 2, 30]]"}
    for row in rows:
        order = "null" if row.order_id is None else f'"{row.order_id}"'
        since_1970 = (row.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        form = (
            f'["{row.member_id}", {row.seq}, "{row.cause}", {row.leg}, {since_1970}, "{row.kind}", "{row.debit}", '
            f'"{row.credit}", {row.amount}, {order}, {"null" if row.lot is None else row.lot}, {row.told}, '
            f"{taken.get(row.seq, 'null')}]"
        )
        assert hashlib.sha256(form.encode()).digest() == digests[32 * (row.seq - 1) : 32 * row.seq]


async def test_a_round_that_is_cut_off_leaves_nothing_and_the_next_one_goes_on(books: Books) -> None:
    """kill -9 in the middle of a round. What would break it: a mark of how far it got outside the transaction."""
    await lived(books, events=80)
    entries = await count(books, "transfer")
    found = await look(books, Sealing())

    async def cut_off(tx: Transaction) -> None:
        assert await seal_entries(NOW, found, slice(0, 4), ProofStore(tx))
        pid = (await tx.run(text("SELECT pg_backend_pid()"))).scalar_one()
        killer = await asyncpg.connect(books.database.dsn)
        await killer.execute("SELECT pg_terminate_backend($1)", pid)
        await killer.close()
        await seal_entries(NOW, found, slice(4, 8), ProofStore(tx))

    with pytest.raises(Exception, match=r"connection|terminating|in progress"):
        async with books.database.transaction() as tx:
            await cut_off(tx)
    assert (await count(books, "seal"), await count(books, "sealed")) == (0, 0)
    assert await seal(books, members=3) == entries
    assert await books.broken() == {}


async def filled(books: Books, *, members: int, each: int) -> None:
    """Accounts with so many entries each, as many purchases would have left them."""
    for first in range(0, members, FILLED_AT_ONCE):
        values = {"first": first + 1, "last": min(members, first + FILLED_AT_ONCE), "each": each}

        async def work(tx: Transaction, values: dict[str, int] = values) -> None:
            for statement in FILL:
                await tx.run(
                    text(statement), **{name: value for name, value in values.items() if f":{name}" in statement}
                )

        await books.database.in_transaction(work)


FILLED_AT_ONCE = 5_000
FILL = (
    """INSERT INTO transfer (member_id, seq, cause, leg, at, kind, debit, credit, amount, order_id, lot, why)
    SELECT CAST(md5(CAST(m AS text)) AS uuid), n, 'activity ' || n, 1, now(), 'earned', 'issuance', 'available', 100, 'order-' || n, n,
      '{"rule": "purchase", "version": 1, "amount_minor": 10000, "parts": [{"left_minor": 10000, "rate": "1"}], "tier": "silver",
        "ordinal": 3, "multiplier": "1.2", "minor_units": 100, "points": 120}'
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS m, generate_series(1, CAST(:each AS integer)) AS n""",
    """INSERT INTO lot (member_id, lot, kind, granted, remaining, earned_at, available_at, expires_at)
    SELECT member_id, lot, 'purchase', 100, 100, at, at, CAST('2030-01-01T00:00:00Z' AS timestamptz)
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS m
      JOIN transfer ON member_id = CAST(md5(CAST(m AS text)) AS uuid)""",
    """INSERT INTO account (member_id, partition, posted, earned_net, seq, said, activity, ladder)
    SELECT CAST(md5(CAST(m AS text)) AS uuid), 0, 100 * :each, 100 * :each, :each, :each, :each,
      jsonb_build_object('2030-01-01T00:00:00Z', 100 * :each)
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS m""",
    "ANALYZE transfer, account, lot",
)


@pytest.mark.fault
@pytest.mark.parametrize("table", ["transfer", "seal", "sealed"])
async def test_the_services_own_login_may_neither_change_nor_delete_what_only_grows(books: Books, table: str) -> None:
    """T-L19: permission denied, before any trigger is asked. What would break it: a right that a migration gives back."""
    refused = 0
    column = {"transfer": "amount", "seal": "at", "sealed": "digests"}[table]
    attempts = (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}")
    for attempt in attempts:
        with pytest.raises(Exception, match=f"permission denied for table {table}"):
            async with books.database.transaction() as tx:
                await tx.run(text(attempt))
        refused += 1
    record("T-L19", f"{refused} of {len(attempts)} attempts on {table} denied", "permission denied", refused == 3)


@pytest.mark.fault
async def test_where_the_rights_were_given_back_the_trigger_still_refuses(books: Books) -> None:
    """T-L19: the second wall, for the owner who helps himself."""

    async def work(tx: Transaction) -> None:
        await tx.run(text("GRANT ALL ON transfer TO CURRENT_USER"))
        await tx.run(text("UPDATE transfer SET amount = amount"))

    with pytest.raises(Exception, match="the ledger only grows"):
        await books.database.in_transaction(work)


T = TypeVar("T")
GAP = """INSERT INTO account (member_id, partition, posted, earned_net, seq, said, activity, ladder)
SELECT CAST(md5('somebody') AS uuid), 0, 0, 0, :entries, 0, 0, '{}'"""


class Undone(Exception):
    pass


async def test_a_look_at_what_was_written_since_leaves_nothing_out(books: Books) -> None:
    """A transaction that was open while a look found everything sealed is not seen by it, and is by the next. Broken by a mark that is
    taken after the look, that is the look's own, or that is moved although a round was not committed."""
    script = Script()
    script.register()
    script.buy(10_000)
    await books.play(script)
    sealing = Sealing()
    assert await seal(books, sealing) == 1
    assert sealing.since is not None
    assert await seal(books, sealing) == 0
    wanted = Wanted(MEMBER, 30)
    async with books.database.transaction() as late:
        answer = await spend_points(keyed("a-late-spending-1", wanted), wanted, script.now, books.store(late))
        assert answer.status == 201
        for _ in range(2):
            assert await seal(books, sealing) == 0

    found = await look(books, sealing)
    assert found.unsealed.entries == [2]

    async def undone(tx: Transaction) -> None:
        assert await seal_entries(NOW, found, slice(0, 1), ProofStore(tx)) == 2
        raise Undone

    with pytest.raises(Undone):
        await books.database.in_transaction(undone)
    assert await seal(books, sealing) == 2
    assert await seal(books, sealing) == 0
    assert await books.broken() == {}


async def test_what_is_written_between_the_look_and_its_rounds_is_found_by_the_next_look(books: Books) -> None:
    """Broken by a round that seals more than was looked at, or by a mark that stands behind what the look has not seen."""
    script = Script()
    script.register()
    script.buy(10_000)
    await books.play(script)
    sealing = Sealing()
    found = await look(books, sealing)
    await books.spend(30, "between-look-and-round", script.now)

    async def round_(tx: Transaction) -> int:
        return await seal_entries(NOW, found, slice(0, 1), ProofStore(tx))

    assert await books.database.in_transaction(round_) == 1
    assert await books.database.in_transaction(round_) == 0  # nothing is sealed twice
    sealing.sealed(found, 1)
    assert await seal(books, sealing) == 2
    assert await books.broken() == {}


async def test_a_look_that_leaves_somebody_out_moves_no_mark(books: Books) -> None:
    """Broken by a mark behind which a member, or a member's later entries, would wait for the hour's look at everything."""
    await lived(books, events=80)
    sealing = Sealing()
    for limits in ({"members": 3}, {"entries": 1}):
        found = await look(books, sealing, **limits)
        assert not found.unsealed.whole
        sealing.sealed(found, 1)
        assert sealing.since is None
    assert await seal(books, sealing, members=3, entries=2) == await count(books, "transfer")
    assert sealing.since is not None


async def test_whose_entries_have_a_gap_keeps_nobody_else_waiting_and_the_job_ends(books: Books) -> None:
    """His entries can never be sealed (I8 names him), and there are more of them than a round takes. Broken by a job that looks for him
    again and again, or that compares all accounts for ever because of him."""
    await filled(books, members=3, each=ENTRIES_PER_ROUND + 500)

    async def with_a_gap(tx: Transaction) -> None:
        await tx.run(text(GAP), entries=ENTRIES_PER_ROUND + 1000)

    async def change(work: Callable[[PointsStore], Awaitable[T]]) -> T:
        return await books.database.in_transaction(lambda tx: work(books.store(tx)))

    await books.database.in_transaction(with_a_gap)
    sealing = Sealing()
    for _ in range(4):
        await jobs.seal(change, BusinessClock(0), sealing)
    async with books.database.reading() as tx:
        sealed = (await tx.run(text("SELECT sum(last - first + 1) FROM sealed"))).scalar_one()
    assert sealed == 3 * (ENTRIES_PER_ROUND + 500)
    assert sealing.since is not None


def test_a_round_takes_about_so_many_entries_and_leaves_nobody_out() -> None:
    members = [UUID(int=number) for number in range(6)]
    found = Look(Unsealed(members, [9] * 6, [4, 4, 4, 9, 1, 1], whole=True), before="5")
    assert list(found.rounds(8)) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6)]
    assert list(Look(Unsealed([], [], [], whole=True), before="5").rounds(8)) == []


def test_every_hour_all_accounts_are_compared_with_their_seals() -> None:
    """Whatever a mark cannot know. Broken by a process that believes its mark for ever."""
    sealing, nobody = Sealing(), Unsealed([], [], [], whole=True)
    for _ in range(EVERYTHING_EVERY_LOOKS - 1):
        sealing.sealed(Look(nobody, before="5"), 0)
    assert sealing.since == "5"
    sealing.sealed(Look(nobody, before="6"), 0)
    assert sealing.since is None
