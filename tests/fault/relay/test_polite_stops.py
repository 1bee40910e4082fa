"""SIGTERM in the middle of the work.

INVARIANT: a process that is asked to end does so with 0 within ten seconds, and nothing of what it has applied or said is applied or said
again by the next one. What would break it: a batch that is thrown away, a relay that ends before the last rows it has sent are deleted, an
offset that is not copied to Kafka, a client that hangs while it is stopped.
"""

from __future__ import annotations

import random
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from laurel_kit.postgres import Database
from tests.fault.relay.lives import Life
from tests.fault.relay.talking import compare
from tests.fault.report import record, seed_of, sized
from tests.integration.kit import toy
from tests.integration.kit.test_applying import tallies
from tests.integration.kit.toy_kafka import PARTITIONS, journey, produce, said, until

TEST_ID = "T-K32"
STOP_SECONDS_MAX = 10.0
BAR = "exit 0 in <= 10 s, applied again 0, said again 0, Kafka's offsets = cursors"
MEMBERS = 24
RECORDS_PER_STOP = 1_200
CURSORS = text("SELECT partition, next_offset FROM consumer_cursor WHERE grp = :grp AND topic = :topic")
APPLIED = text("SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_cursor")


async def applied(database: Database) -> int:
    async with database.reading(pool_wait_seconds=30.0) as tx:
        return int((await tx.run(APPLIED)).scalar_one())


async def copied_apart(database: Database, bootstrap: str) -> int:
    """How many partitions Kafka would deliver again to somebody who believes its offsets."""
    async with database.reading(pool_wait_seconds=30.0) as tx:
        cursors = {row.partition: row.next_offset for row in await tx.run(CURSORS, grp=toy.GROUP, topic=toy.HEARD)}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=toy.GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        committed = {p: await consumer.committed(TopicPartition(toy.HEARD, p)) or 0 for p in range(PARTITIONS)}
    finally:
        await consumer.stop()
    return sum(committed[partition] != offset for partition, offset in cursors.items())


async def proven(database_url: str, bootstrap: str, stops: int) -> None:
    seed, began = seed_of(TEST_ID, 32), time.monotonic()
    rng, database = random.Random(seed), Database(database_url, application_name="the test")
    numbers = RECORDS_PER_STOP * stops // MEMBERS
    records = journey(MEMBERS, numbers)
    life, slowest, codes, apart, met = Life(database_url, bootstrap), 0.0, [], 0, 0
    try:
        for stop in range(stops):
            await life.begin(TOY_BATCH=str(rng.choice((5, 20, 100))))
            await produce(bootstrap, records[stop * RECORDS_PER_STOP : (stop + 1) * RECORDS_PER_STOP])
            before = await applied(database)
            wanted = before + rng.randint(1, RECORDS_PER_STOP // 2)
            await until(lambda wanted=wanted: has(database, wanted), 60)  # type: ignore[misc]
            code, seconds = await life.stop(STOP_SECONDS_MAX)
            codes.append(code)
            slowest = max(slowest, seconds)
            met += await applied(database) < (stop + 1) * RECORDS_PER_STOP  # it was stopped with work before it
            apart += await copied_apart(database, bootstrap)
        await life.begin()
        await until(lambda: has(database, len(records)), 60)
        await life.stop(STOP_SECONDS_MAX)
        times = await tallies(database)
    finally:
        await life.kill()
        await database.close()
    heard = compare({member: last for member, (last, _) in times.items()}, await said(bootstrap))
    again = sum(count - numbers for _, count in times.values())
    holds = set(codes) == {0} and again == apart == heard.lost == heard.doubled == 0 and slowest <= STOP_SECONDS_MAX
    figure = (
        f"{stops} stops ({met} with work before it), exit codes {sorted(set(map(str, codes)))}, the slowest {slowest:.1f} s;"
        f" applied again {again}, said again {heard.doubled}, lost {heard.lost}, offsets apart {apart}"
    )
    record(TEST_ID, figure, BAR, holds, seed, time.monotonic() - began)
    assert holds, figure
    assert met, "every stop found everything done: this proves nothing"


async def has(database: Database, records: int) -> bool:
    return await applied(database) >= records


@pytest.mark.fault
async def test_five_polite_stops_under_load_end_with_0_and_nothing_happens_again(
    database_url: str, bootstrap: str
) -> None:
    """T-K32: SIGTERM during load × 5."""
    await proven(database_url, bootstrap, 5)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_fifty_polite_stops_under_load_end_with_0_and_nothing_happens_again(
    database_url: str, bootstrap: str
) -> None:
    """T-K32: SIGTERM during load × 50."""
    await proven(database_url, bootstrap, sized(50))
