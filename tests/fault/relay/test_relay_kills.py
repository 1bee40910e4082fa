"""The relay dies at any moment, and another goes on.

INVARIANT: whatever kills a relay, every committed row of the outbox is heard, the numbers of a key at their first occurrence are in order,
and a death costs at most one round of repetitions. What would break it: a high-water mark (a row that commits late is never said), a delete
before the acknowledgement, two relays that send at once without one order, a key's rows spread over two rounds in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from laurel_kit.outbox import ROUND_ROWS_MAX
from laurel_kit.postgres import Database
from tests.fault.relay.lives import Life
from tests.fault.relay.talking import Heard, Talkers, judge
from tests.fault.report import record, seed_of, sized
from tests.integration.kit.toy_kafka import until

TEST_ID = "T-K29"
BAR = "lost 0, order violations 0, repeated <= one round (2,000 rows) per death"
BETWEEN_SECONDS = (0.05, 0.6)  # how long a leader lives
DYING_SHARE = 0.4  # of the lives end by themselves between acknowledgement and delete, where a death costs most
QUIET_SECONDS = 30.0
LAST_ROWS = 800  # are written under a leader that is left in peace: enough for late commits while it sends
START_SECONDS_MAX = 60.0
COUNT = text("SELECT count(*) FROM outbox")
# Who holds the lock of the relays, and has begun to send.
LEADER = text("""
SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


@dataclass
class Deaths:
    """How the leaders died."""

    killed: int = 0
    between: int = 0  # at C11: acknowledged, rows not deleted

    @property
    def all(self) -> int:
        return self.killed + self.between


async def storm(database: Database, url: str, bootstrap: str, deaths: int, seed: int) -> tuple[Heard, Deaths]:
    """Two relays at once, writers beside them; the one that leads dies again and again, and is started again."""
    rng, died = random.Random(seed), Deaths()
    relays = {f"{name}-relay": Life(url, bootstrap, name) for name in ("one", "two")}
    talkers = Talkers(database, seed)
    writing = asyncio.create_task(talkers.run())
    try:
        for relay in relays.values():
            await relay.begin()
        while died.all < deaths:
            leader = relays[await who_leads(database)]
            await end_of(leader, rng, died)
            dies_at = {"LAUREL_CRASHPOINT": f"C11:{rng.randint(1, 8)}"} if rng.random() < DYING_SHARE else {}
            await leader.begin(**dies_at)
        for relay in relays.values():  # those that were started to die at C11 would go on dying
            await relay.kill()
            await relay.begin()
        await who_leads(database)
        said = talkers.said
        await until(lambda: has_said(talkers, said + LAST_ROWS), QUIET_SECONDS)
        talkers.stop()
        await writing
        with contextlib.suppress(TimeoutError):  # what then still waits is counted as lost
            await until(lambda: empty(database), QUIET_SECONDS)
        return await judge(database, bootstrap), died
    finally:
        talkers.stop()
        writing.cancel()
        for relay in relays.values():
            await relay.kill()


async def who_leads(database: Database) -> str:
    """The name of the session that leads, as soon as one does."""
    found: list[str] = []

    async def one_does() -> bool:
        async with database.reading(pool_wait_seconds=30.0) as tx:
            found[:] = (await tx.run(LEADER)).scalars()
        return bool(found)

    await until(one_does, START_SECONDS_MAX)
    return found[0]


async def end_of(leader: Life, rng: random.Random, died: Deaths) -> None:
    """It lives a little while; if it does not die by itself meanwhile, it is killed."""
    try:
        await asyncio.wait_for(leader.ended(), rng.uniform(*BETWEEN_SECONDS))
        died.between += 1
    except TimeoutError:
        await leader.kill()
        died.killed += 1


async def has_said(talkers: Talkers, rows: int) -> bool:
    return talkers.said >= rows


async def empty(database: Database) -> bool:
    async with database.reading(pool_wait_seconds=30.0) as tx:
        return bool((await tx.run(COUNT)).scalar_one() == 0)


async def proven(database_url: str, bootstrap: str, deaths: int) -> None:
    seed, began = seed_of(TEST_ID, 29), time.monotonic()
    database = Database(database_url, application_name="the writers")
    try:
        heard, died = await storm(database, database_url, bootstrap, deaths, seed)
    finally:
        await database.close()
    holds = heard.lost == heard.unordered == 0 and heard.doubled <= died.all * ROUND_ROWS_MAX
    figure = (
        f"{heard.expected:,} rows, {died.killed} kill -9 and {died.between} deaths before the delete: lost {heard.lost},"
        f" order violations {heard.unordered}, repeated {heard.doubled:,} ({heard.doubled / died.all:.0f} per death)"
    )
    record(TEST_ID, figure, BAR, holds, seed, time.monotonic() - began)
    assert holds, figure
    assert heard.expected > deaths * 20, "hardly anything was said: this proves nothing"


@pytest.mark.fault
@pytest.mark.long
async def test_ten_deaths_of_the_relay_lose_nothing_and_keep_the_order(database_url: str, bootstrap: str) -> None:
    """T-K29: relay kill -9 × 10, two relays at once, late commits."""
    await proven(database_url, bootstrap, 10)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_hundred_deaths_of_the_relay_lose_nothing_and_keep_the_order(database_url: str, bootstrap: str) -> None:
    """T-K29: relay kill -9 × 100, two relays at once, late commits."""
    await proven(database_url, bootstrap, sized(100))
