"""Requests that are cancelled while they wait for anything: the connection, a lock, a row, the commit.

INVARIANT: a cancelled request has spent or has not; it leaves no transaction open, no lock held and no place in the pool taken.
What would break it: a connection given back to the pool in the middle of a statement, a place in the pool freed only on success, an
answer kept apart from the entry.
"""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.fault.postgres.bank import Bank, fetch, member, open_bank, sessions, until_idle
from tests.fault.report import record, seed_of

SEED = 11
AT_ONCE = 12  # more than the pool has
FIRST_SECONDS = 0.05  # a request is cancelled within this; it follows the machine, so that about half are
ASKED_AGAIN = 300
LOCKS = """
SELECT count(*) AS n FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def cancelled_at_random(bank: Bank, requests: int, rng: random.Random) -> int:
    """So many requests, each cancelled after a random moment; how many were really cut off before their answer."""
    cut, within = 0, FIRST_SECONDS
    for start in range(0, requests, AT_ONCE):
        tasks = []
        for n in range(start, min(start + AT_ONCE, requests)):
            ask = bank.ask(f"cancelled-{n:010d}", member(rng.randrange(bank.members)), 1 + n % 7)
            tasks.append(asyncio.create_task(ask))
        for task in tasks:
            asyncio.get_running_loop().call_later(rng.uniform(0, within), task.cancel)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [one for one in done if isinstance(one, Exception)]
        now = sum(isinstance(one, asyncio.CancelledError) for one in done)
        cut += now
        within *= 1.1 if now > len(done) / 2 else 0.9
    return cut


async def cancelled(url: str, requests: int) -> None:
    seed = seed_of("T-P11", SEED)
    began = time.monotonic()
    async with open_bank(url) as bank:
        cut = await cancelled_at_random(bank, requests, random.Random(seed))
        await until_idle(url)
        idle_in = await sessions(url, "state LIKE 'idle in transaction%'")
        locks = (await fetch(url, LOCKS))[0]["n"]
        free = bank.database._free._value
        lent = bank.database.engine.pool.checkedout()  # type: ignore[attr-defined]
        await bank.ask_again(ASKED_AGAIN, random.Random(seed))
        problems = await bank.differences()
        held = not (problems or idle_in or locks or lent) and free == 8 and bank.answers["500"] == 0
        figure = (
            f"{requests} requests, {cut} cancelled: idle in transaction {idle_in}, locks {locks}, places free {free} of 8,"
            f" lent {lent}, differences {len(problems)}, 500s {bank.answers['500']}"
        )
        record(
            "T-P11", figure, "0 idle in transaction, 0 locks, pool restored, 000", held, seed, time.monotonic() - began
        )
        assert requests / 4 < cut < requests * 3 / 4, "too many or too few were cancelled to show anything"
        assert held, (figure, problems[:5])


@pytest.mark.long
async def test_1_000_requests_cancelled_anywhere_leave_nothing_behind(empty_url: str) -> None:
    """T-P11: the small size."""
    await cancelled(empty_url, 1_000)


@pytest.mark.fault
@pytest.mark.long
async def test_10_000_requests_cancelled_anywhere_leave_nothing_behind(empty_url: str) -> None:
    """T-P11: 10,000 requests cancelled at random await points."""
    await cancelled(empty_url, 10_000)
