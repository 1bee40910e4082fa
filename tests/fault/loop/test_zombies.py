"""A process that stands still in the middle of a transaction and comes back when everybody has gone on without it.

INVARIANT: whoever is stopped with the cursors locked holds nobody up for longer than the session's own limit, and what it then wants to
commit is refused. What would break it: a session without `idle_in_transaction_session_timeout`, a lock taken outside the transaction.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from laurel_kit.postgres import Database
from tests.fault.loop.observer import count_moves, one, positions
from tests.fault.loop.points import GROUP, HEARD, SESSION_SECONDS, Points, Sales
from tests.fault.loop.stopping_process import NOTE
from tests.fault.loop.toys import running
from tests.fault.report import record
from tests.integration.kit.toy_kafka import PARTITIONS, produce, until

pytestmark = [pytest.mark.fault, pytest.mark.long]

ROOT = Path(__file__).parents[3]
ZOMBIES = 3
ACQUIRED_SECONDS_MAX = 6.0
PURCHASES = 200  # per life


@asynccontextmanager
async def zombie_to_be(points: Points, port: int, note: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """points-svc, alone in its group, that will stop itself at its first batch."""
    env = {
        **os.environ, "LAUREL_DATABASE_URL": points.url, "KAFKA_BOOTSTRAP_SERVERS": points.bootstrap, "LAUREL_SERVICE_PORT": str(port),
        "LAUREL_PARTITIONS": str(PARTITIONS), "LAUREL_KAFKA_SESSION_SECONDS": str(SESSION_SECONDS), "LAUREL_LOG_LEVEL": "warning",
        "LAUREL_MARK_PATIENCE_SECONDS": "0", NOTE: str(note),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fault.loop.stopping_process", cwd=ROOT, env=env, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def read(note: Path) -> str:
    """What stands in the note, once it is there."""
    return note.read_text() if note.exists() else ""


def stands_still(process: asyncio.subprocess.Process) -> bool:
    """Whether the kernel has it stopped."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def one_zombie(points: Points, sales: Sales, port: int, note: Path) -> tuple[float, str]:
    """Seconds until the new owner had moved a lane that the zombie had locked, and what became of the zombie's transaction."""
    other = Database(points.url, application_name=GROUP)
    await produce(points.bootstrap, sales.some(PURCHASES))
    async with zombie_to_be(points, port, note) as zombie:

        async def stopped() -> bool:
            return stands_still(zombie)

        async def moved() -> bool:
            return await positions(points.database, HEARD) != before

        async def told() -> bool:
            return bool(read(note))

        await until(stopped, 60)
        stopped_at, before = monotonic(), await positions(points.database, HEARD)
        locked = await one(points.database, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in trans%'")
        assert locked == 1, "the zombie must stand in its transaction"
        async with running(points.reader(database=other)):
            await until(moved, 30)
            acquired = monotonic() - stopped_at
            await until(lambda: points.applied(sales.made), 30)
            zombie.send_signal(signal.SIGCONT)
            await until(told, 30)
        await produce(points.bootstrap, sales.some(PURCHASES))
        await until(lambda: points.applied(sales.made), 60)  # by the one that was a zombie, and is alive again
        zombie.terminate()
        assert await asyncio.wait_for(zombie.wait(), 15) == 0
    await other.close()
    return acquired, read(note)


@pytest.mark.alone
async def test_t_k08_a_stopped_owner_is_passed_within_six_seconds_and_its_commit_is_refused(
    points: Points, unused_tcp_port: int, tmp_path: Path
) -> None:
    """T-K08: SIGSTOP behind C4, three times; then SIGCONT, when the lanes have long gone on."""
    began, sales = monotonic(), Sales(members=40)
    acquired, outcomes = [], []
    for life in range(ZOMBIES):
        seconds, outcome = await one_zombie(points, sales, unused_tcp_port, tmp_path / f"note-{life}")
        acquired.append(seconds)
        outcomes.append(outcome)
    refused = sum(outcome != "committed" for outcome in outcomes)
    problems = await points.problems(sales)
    record(
        "T-K08", f"new owner after {max(acquired):.1f} s at most, {refused} of {ZOMBIES} zombies refused ({', '.join(set(outcomes))});"
        f" {len(problems)} differences in {sales.made:,} purchases",
        "new owner <= 6 s, zombie's commit refused 100 %", max(acquired) <= ACQUIRED_SECONDS_MAX and refused == ZOMBIES and not problems,
        seconds=monotonic() - began,
    )  # fmt: skip
    assert refused == ZOMBIES
    assert max(acquired) <= ACQUIRED_SECONDS_MAX
    assert problems == []
    assert await count_moves(points.database) > ZOMBIES
