"""A million messages that nobody could say for a while.

INVARIANT: a backlog drains fast and in order, it can be seen from outside while it lasts, and its space is given back. What would break it:
reading past the dead rows of those that are gone, a vacuum that is started by a share of the table, a count that takes longer than a round.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from laurel_kit.postgres import Database
from tests.fault.relay.lives import LOOPBACK, Life
from tests.fault.relay.talking import compare
from tests.fault.report import record, sized
from tests.integration.kit import toy
from tests.integration.kit.toy_kafka import PARTITIONS, said, until

TEST_ID = "T-K31"
ROWS = 1_000_000
KEYS = 1_000
BODY_BYTES = 400
ROWS_PER_SECOND_MIN = 5_000
TABLE_MIB_MAX = 64.0
VACUUM_SECONDS_MAX = 300.0
ALARM_SECONDS = 30.0  # OutboxStuck in deploy/observability/prometheus/alerts.yml
BAR = "drains >= 5,000/s; table <= 64 MiB within 5 min; laurel_outbox_rows and _oldest_seconds over the alarm; lost 0, in order"
FILL = text("""
INSERT INTO outbox (topic, partition, key, type, event_id, number, body, said_at)
SELECT :topic, (1 + n % :keys) % :partitions, decode(lpad(to_hex(1 + n % :keys), 32, '0'), 'hex'), :type, 'id-' || n, 1 + n / :keys,
       convert_to(repeat('x', :bytes), 'UTF8'), clock_timestamp() - interval '5 minutes'
FROM generate_series(CAST(:first AS bigint), :last) AS n
""")
MIB = text(
    "SELECT pg_total_relation_size('outbox') / 1048576.0, pg_table_size('outbox') / 1048576.0, (SELECT count(*) FROM outbox)"
)


async def fill(database: Database, rows: int) -> None:
    """In pieces, each well below the statement timeout."""
    for first in range(0, rows, 50_000):
        async with database.transaction() as tx:
            await tx.run(
                FILL, topic=toy.SAID, keys=KEYS, partitions=PARTITIONS, type=toy.SIGNED_IN, bytes=BODY_BYTES, first=first,
                last=min(first + 50_000, rows) - 1,
            )  # fmt: skip


async def table(database: Database) -> tuple[float, float, int]:
    """MiB with and without indexes, and rows."""
    async with database.reading(pool_wait_seconds=30.0) as tx:
        whole, heap, rows = (await tx.run(MIB)).one()
    return float(whole), float(heap), int(rows)


async def metric(life: Life, name: str) -> float:
    """A metric of the process, 0 where it does not answer."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            found = (await client.get(f"http://{LOOPBACK}:{life.port}/metrics")).text
    except httpx.HTTPError:
        return 0.0
    return next((float(line.split()[1]) for line in found.splitlines() if line.startswith(f"{name} ")), 0.0)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_million_rows_drain_fast_and_leave_no_room_behind(database_url: str, bootstrap: str) -> None:
    """T-K31: a backlog of 1,000,000 rows."""
    rows, began = sized(ROWS, 50_000), time.monotonic()
    database, life = Database(database_url, application_name="the test"), Life(database_url, bootstrap)
    seen: dict[str, Any] = {"rows": 0.0, "oldest": 0.0}

    async def drained() -> bool:
        seen["rows"] = max(seen["rows"], await metric(life, "laurel_outbox_rows"))
        seen["oldest"] = max(seen["oldest"], await metric(life, "laurel_outbox_oldest_seconds"))
        seen["left"] = (await table(database))[2]
        if seen["left"] < rows and "from" not in seen:
            seen["from"], seen["first"] = time.monotonic(), seen["left"]
        await asyncio.sleep(0.2)
        return bool(seen["left"] == 0)

    async def small() -> bool:
        await asyncio.sleep(1.0)
        return (await table(database))[1] <= TABLE_MIB_MAX

    try:
        await fill(database, rows)
        full = await table(database)
        await life.begin()
        await until(drained, 1200)
        drain_seconds = max(0.001, time.monotonic() - seen["from"])
        emptied_at, after = time.monotonic(), await table(database)
        with contextlib.suppress(TimeoutError):
            await until(small, VACUUM_SECONDS_MAX)
        small_after, at_last = time.monotonic() - emptied_at, await table(database)
        heard = compare({UUID(int=1 + key): rows // KEYS for key in range(KEYS)}, await said(bootstrap))
    finally:
        await life.kill()
        await database.close()
    rate = seen["first"] / drain_seconds
    alarm = seen["rows"] > 0.5 * rows and seen["oldest"] > ALARM_SECONDS
    figure = (
        f"{rows:,} rows drained at {rate:,.0f}/s; table {full[1]:.0f} MiB full, {after[1]:.0f} just after, {at_last[1]:.1f}"
        f" {small_after:.0f} s later (with indexes {at_last[0]:.0f}); metrics showed {seen['rows']:,.0f} rows, the oldest"
        f" {seen['oldest']:.0f} s; lost {heard.lost}, order violations {heard.unordered}, repeated {heard.doubled}"
    )
    holds = rate >= ROWS_PER_SECOND_MIN and at_last[1] <= TABLE_MIB_MAX and alarm and heard.lost == heard.unordered == 0
    record(TEST_ID, figure, BAR, holds, seconds=time.monotonic() - began)
    assert holds, figure
