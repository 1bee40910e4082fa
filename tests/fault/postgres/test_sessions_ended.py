"""Sessions of the services are ended from outside, one every 200 ms, under load.

INVARIANT: whatever a session was doing, it has happened as a whole and once, or not at all; callers hear 503 and nothing worse.
What would break it: work that spans two transactions, an error of the connection that is taken for an error of the record (then there are
dead letters), a place in the pool lost with each connection.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from tests.fault.postgres.trouble import Load
from tests.fault.report import record, seed_of, sized
from tests.support.lives import quick_sessions
from tests.support.shop import Shop, open_shop, reference

SEED = 2
EVERY_SECONDS = 0.2
SESSIONS = """
SELECT pid, application_name FROM pg_stat_activity
WHERE datname IN ('member', 'points', 'tier', 'campaign') AND pid <> pg_backend_pid() ORDER BY pid
"""


@contextmanager
def sessions_ended(shop: Shop, seed: int) -> Iterator[Counter[str]]:
    """One session at random every 200 ms, until the block ends; which ones."""
    ended: Counter[str] = Counter()
    stop = threading.Event()
    failed: list[BaseException] = []

    async def work() -> None:
        rng = random.Random(seed)
        connection = await asyncpg.connect(shop.stack.superuser_url)
        try:
            while not stop.is_set():
                rows = await connection.fetch(SESSIONS)
                if rows:
                    victim = rng.choice(rows)
                    if await connection.fetchval("SELECT pg_terminate_backend($1)", victim["pid"]):
                        ended[victim["application_name"]] += 1
                stop.wait(EVERY_SECONDS)
        finally:
            await connection.close()

    def guarded() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def ended_for(seconds: float) -> None:
    seed = seed_of("T-P02", SEED)
    began = time.monotonic()
    with quick_sessions(), open_shop(reference(), partitions=4) as shop:
        load = Load(shop, seed, seconds)
        load.open()
        with sessions_ended(shop, seed) as ended, load.running():
            load.run_for(seconds)
        problems = load.problems()
    held = not problems and not load.errors() and ended.total() > seconds and load.told > seconds
    figure = (
        f"{ended.total()} sessions ended in {seconds:.0f} s ({len(ended)} kinds): {load.told} reports, {load.spendings}"
        f" spendings, answers {dict(load.answers)}, {len(problems)} differences"
    )
    record("T-P02", figure, "000", held, seed, time.monotonic() - began)
    assert held, (figure, dict(ended), problems[:5])


@pytest.mark.fault
@pytest.mark.long
def test_sessions_ended_every_200_ms_for_30_s_cost_nothing() -> None:
    """T-P02: 30 s."""
    ended_for(30)


@pytest.mark.nightly
@pytest.mark.long
def test_sessions_ended_every_200_ms_for_5_minutes_cost_nothing() -> None:
    """T-P02: five minutes."""
    ended_for(sized(300, 30))
