"""Everything that writes in points-svc at once on the same accounts: two readers, spendings, and the whole ledger said again.

INVARIANT: locks are taken in one order, so that no two transactions ever wait for each other.
What would break it: a second set of accounts locked below the first in one transaction, a lock statement without its ORDER BY.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from laurel_kit.failures import is_passing, sqlstate_of
from laurel_kit.hearing import RawRecord
from points_svc.domain.account import Day
from points_svc.main import say_all_again
from points_svc.store import accounts
from tests.fault.postgres.bank import Bank, deadlocks, fetch, member, open_bank
from tests.fault.postgres.lock_order import LockOrder
from tests.fault.report import record, seed_of, sized
from tests.integration.points_svc.books import Books, activated
from tests.integration.points_svc.histories import History, make

SEED = 5
PARTITIONS = 4
READERS = 2  # as two processes would: each has half of the partitions, of every topic
MEMBERS = 200
BATCH = 150
ALONE = 6  # batches of each reader before the others join in
SPENDERS = 4
SAID_EVERY_SECONDS = 1.0
DEADLOCK = "40P01"


def lanes_of(history: History, reader: int) -> list[list[RawRecord]]:
    """A reader's own partitions of the three topics, side by side in batches, as the loop takes them."""
    topics = [
        [one for one in records if one.partition % READERS == reader]
        for records in (history.activities, history.tiers, history.campaigns)
    ]
    rounds = max(1, -(-len(topics[0]) // BATCH))
    return [
        [one for records in topics for one in records[len(records) * n // rounds : len(records) * (n + 1) // rounds]]
        for n in range(rounds)
    ]


async def read_all(books: Books, batches: Sequence[Sequence[RawRecord]]) -> None:
    for batch in batches:
        await books.apply(batch)


async def spend_on(bank: Bank, members: Sequence[UUID], share: range, rng: random.Random) -> Counter[int]:
    """Small spendings of whoever; granted or refused, each is answered once."""
    answers: Counter[int] = Counter()
    for n in share:
        answer = await bank.client.post(
            f"/v1/members/{rng.choice(members)}/spendings",
            json={"points": 1 + n % 3},
            headers={"Idempotency-Key": f"mixed-up-{n:010d}"},
        )
        answers[answer.status_code] += 1
    return answers


async def say_again_until(bank: Bank, done: asyncio.Event) -> int:
    times = 0
    while not done.is_set():
        try:
            await say_all_again(bank.database, bank.books.shelf, None)
            times += 1
        except DBAPIError as error:
            if not is_passing(error):  # who asks is told 503 while a batch takes long, and asks again
                raise
        with contextlib.suppress(TimeoutError):  # its own pace, or it would be all that runs
            await asyncio.wait_for(done.wait(), SAID_EVERY_SECONDS)
    return times


async def mixed(url: str, operations: int) -> None:
    seed = seed_of("T-P05", SEED)
    began = time.monotonic()
    spendings = operations // 20
    history = make(
        seed, members=MEMBERS, events=(operations - spendings) * 4 // 5, partitions=PARTITIONS, days_per_step=0.002
    )
    then = (
        history.times[len(history.times) // 2] - datetime.now(UTC)
    ).total_seconds()  # spendings of the history's own days
    async with open_bank(url, members=1, clock_offset_seconds=then) as bank:
        await bank.books.apply([activated(partition=partition) for partition in range(PARTITIONS)])
        readers = [Books(url) for _ in range(READERS)]
        for books in readers:
            books.offsets = dict(bank.books.offsets)
        batches = [lanes_of(history, n) for n in range(READERS)]
        for books, ours in zip(readers, batches, strict=True):  # everybody has an account, and may spend
            await read_all(books, ours[:ALONE])
        await fetch(url, "UPDATE account SET active = true")
        watched = LockOrder(bank.database.engine, *(books.database.engine for books in readers))
        done = asyncio.Event()
        rng = random.Random(seed)
        reading = [asyncio.create_task(read_all(b, ours[ALONE:])) for b, ours in zip(readers, batches, strict=True)]
        each = spendings // SPENDERS
        spending = [
            asyncio.create_task(spend_on(bank, history.members, range(n * each, (n + 1) * each), rng))
            for n in range(SPENDERS)
        ]
        saying = asyncio.create_task(say_again_until(bank, done))
        await asyncio.gather(*reading)
        answers = sum(await asyncio.gather(*spending), Counter())
        done.set()
        said = await saying
        problems = await differences(url, bank, history)
        seen = await deadlocks(url)
        for books in readers:
            await books.database.close()
    told = len(history.activities) + len(history.tiers) + len(history.campaigns)
    held = not (problems or seen or watched.inversions) and answers[500] == 0 and answers[201] > answers.total() / 4
    figure = (
        f"{told} records, {answers.total()} spendings {dict(answers)}, the ledger said again {said} times:"
        f" {watched.transactions} transactions, {seen} deadlocks, {len(watched.inversions)} inversions,"
        f" {len(problems)} differences"
    )
    record("T-P05", figure, "production order: 0 deadlocks; 000", held, seed, time.monotonic() - began)
    assert held, (figure, Counter(watched.inversions).most_common(3), problems[:5])


async def differences(url: str, bank: Bank, history: History) -> list[str]:
    """Invariants, and every cursor at its end: what was read has been read once (each record moves its member's number by one)."""
    problems = [f"{name}: {count}" for name, count in (await bank.books.broken()).items()]
    wanted: Counter[UUID] = Counter()
    for one in history.activities:
        if one.key is not None:
            wanted[UUID(bytes=one.key)] += 1
    for row in await fetch(url, "SELECT member_id, activity FROM account WHERE member_id = ANY($1)", list(wanted)):
        if row["activity"] != wanted.pop(row["member_id"]):
            problems.append(f"{row['member_id']} has read {row['activity']}")
    problems += [f"{who} has no account" for who in wanted]
    dead = (await fetch(url, "SELECT count(*) AS n FROM dead_letter"))[0]["n"]
    return problems + ([f"{dead} dead letters"] if dead else [])


async def lock_two(bank: Bank, first: UUID, second: UUID) -> str | None:
    """Two accounts, one after the other, by the service's own statement; the SQLSTATE where that failed."""
    try:
        async with bank.database.transaction(pool_wait_seconds=5) as tx:
            for who in (first, second):
                await accounts.lock(tx, {who: 0}, {0: Day(0)})
                await asyncio.sleep(0)
    except DBAPIError as error:
        return sqlstate_of(error)
    return None


@pytest.mark.fault
async def test_locks_in_the_wrong_order_are_seen_by_the_hook_and_by_postgresql(empty_url: str) -> None:
    """T-P05: the control; half of the transactions lock two accounts downwards."""
    began = time.monotonic()
    async with open_bank(empty_url, members=2) as bank:
        watched = LockOrder(bank.database.engine)
        low, high = member(0), member(1)
        states: Counter[Any] = Counter()
        while not states[DEADLOCK] and time.monotonic() - began < 60:
            for state in await asyncio.gather(lock_two(bank, low, high), lock_two(bank, high, low)):
                states[state] += 1
        inverted = len(watched.inversions)
        right = watched.transactions - inverted
    seen = states[DEADLOCK]
    held = seen > 0 and inverted > 0 and right == inverted
    figure = f"{inverted} of {watched.transactions} transactions inverted: the hook saw {inverted}, deadlocks {seen}"
    record("T-P05", figure, "the hook sees every inversion", held, None, time.monotonic() - began)
    assert held, figure


@pytest.mark.long
async def test_6_000_mixed_operations_meet_without_a_deadlock(empty_url: str) -> None:
    """T-P05: the small size, with the hook on."""
    await mixed(empty_url, 6_000)


@pytest.mark.fault
@pytest.mark.long
async def test_40_000_mixed_operations_meet_without_a_deadlock(empty_url: str) -> None:
    """T-P05: what fits into about a minute."""
    await mixed(empty_url, 40_000)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7_200)
async def test_a_million_mixed_operations_meet_without_a_deadlock(empty_url: str) -> None:
    """T-P05: 1,000,000 operations."""
    await mixed(empty_url, sized(1_000_000))
