"""Reader and Relay with a real Kafka: a round trip, gates, halts, and what they do when Kafka or the database goes away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from laurel_cli.stack import Stack
from laurel_contracts.activities import MemberSignedIn
from laurel_kit.gates import BehindMarks, Marks
from laurel_kit.hearing import hears
from laurel_kit.kafka import WrongPartitions
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader

from .test_applying import rows, tallies
from .toy import GROUP, HEARD, SAID, Toy, ToyStore, record
from .toy_kafka import PARTITIONS, first_times, fresh_topics, journey, produce, said, until


@asynccontextmanager
async def running(*parts: Reader[Any] | Relay) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part.run(stop))
        try:
            yield
        finally:
            stop.set()


def reader(database: Database, bootstrap: str, toy: Toy | None = None, **options: Any) -> Reader[ToyStore]:
    toy = toy or Toy()
    return Reader(
        database, group=GROUP, listens_to=(hears(HEARD, toy.add_up, MemberSignedIn),), open_store=ToyStore, kafka=bootstrap,
        partitions=PARTITIONS, **options,
    )  # fmt: skip


async def applied(database: Database, count: int) -> bool:
    return (await rows(database, "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_cursor")) == [(count,)]


async def outbox_empty(database: Database) -> bool:
    return (await rows(database, "SELECT count(*) FROM outbox")) == [(0,)]


def lanes_in(reader: Reader[Any], state: str) -> Sequence[str]:
    return [lane["reason"] for lane in reader.lane_reports() if lane["state"] == state]


@pytest.fixture
async def bootstrap(kafka: Stack) -> str:
    await fresh_topics(kafka.kafka_bootstrap)
    return kafka.kafka_bootstrap


async def test_what_is_heard_is_applied_once_and_said_once_in_order(database: Database, bootstrap: str) -> None:
    records = journey(members=40, numbers=50)
    relay, loop = Relay(database, bootstrap), reader(database, bootstrap)
    async with running(loop, relay):
        await produce(bootstrap, records[:1000])
        await until(lambda: applied(database, 1000), 30)
        await produce(bootstrap, records[1000:])
        await until(lambda: applied(database, 2000), 30)
        await until(lambda: outbox_empty(database), 30)
        ends = await loop.end_offsets()
    assert set((await tallies(database)).values()) == {(50, 50)}
    heard = await said(bootstrap)
    assert len(heard) == 2000
    assert set(map(tuple, first_times(heard).values())) == {tuple(range(1, 51))}
    assert ends == {(HEARD, p): 500 for p in range(PARTITIONS)}
    assert await rows(database, "SELECT partition, next_offset FROM said ORDER BY 1") == [
        (p, 500) for p in range(PARTITIONS)
    ]
    assert relay.sent_total == 2000


async def test_a_hard_gate_keeps_a_lane_behind_its_mark_and_says_so(database: Database, bootstrap: str) -> None:
    gate = BehindMarks(Marks(database), topic=HEARD)
    loop = reader(database, bootstrap, gates={HEARD: gate})
    await produce(bootstrap, [record(UUID(int=1), number, number - 1) for number in range(1, 11)])

    async def waits() -> bool:
        return len(lanes_in(loop, "waiting")) == 1

    async with running(loop):
        await until(waits, 20)
        assert lanes_in(loop, "waiting") == [f"offset 0 waits for the mark of {HEARD}/0, now at 0"]
        for mark in (4, 10):
            async with database.transaction() as tx:
                tx.move_mark(HEARD, 0, mark)
            await until(partial(applied, database, mark), 10)
    assert await tallies(database) == {UUID(int=1): (10, 10)}


async def test_a_held_lane_says_why_and_goes_on_by_itself(database: Database, bootstrap: str) -> None:
    toy = Toy()
    loop = reader(database, bootstrap, toy)
    await produce(bootstrap, [record(UUID(int=1), n, n - 1, channel="hold" if n == 3 else "good") for n in range(1, 5)])

    async def held() -> bool:
        return lanes_in(loop, "held") == ["offset 2: something is not loaded"]

    async with running(loop):
        await until(held, 20)
        toy.holds = False
        await until(lambda: applied(database, 4), 10)


@pytest.mark.parametrize(("next_offset", "reason"), [(7, "the topic was cut or made anew")])
async def test_a_cursor_that_the_topic_does_not_have_halts_the_lane(
    database: Database, bootstrap: str, next_offset: int, reason: str
) -> None:
    loop = reader(database, bootstrap)
    await loop.applier.begin_at(HEARD, 2, next_offset)

    async def halted() -> bool:
        return [reason in why for why in lanes_in(loop, "halted")] == [True]

    async with running(loop):
        await until(halted, 20)
        await produce(bootstrap, [record(UUID(int=1), 1, 0, partition=1)])
        await until(lambda: applied(database, next_offset + 1), 10)


async def test_a_number_that_is_missing_halts_the_lane_only(database: Database, bootstrap: str) -> None:
    loop = reader(database, bootstrap)
    await produce(
        bootstrap, [record(UUID(int=1), 1, 0), record(UUID(int=1), 3, 1), record(UUID(int=2), 1, 0, partition=1)]
    )

    async def halted() -> bool:
        return lanes_in(loop, "halted") == ["offset 1: number 3 follows 1"] and await applied(database, 2)

    async with running(loop):
        await until(halted, 20)


async def test_a_topic_with_another_number_of_partitions_is_refused(database: Database, bootstrap: str) -> None:
    loop = reader(database, bootstrap)
    loop.partitions = PARTITIONS + 1
    with pytest.raises(WrongPartitions):
        await loop.run(asyncio.Event())


async def test_two_readers_share_the_lanes_and_a_leaving_one_hands_over(
    database: Database, database_url: str, bootstrap: str
) -> None:
    other_database = Database(database_url, application_name=GROUP)
    records = journey(members=8, numbers=60)
    first, second = reader(database, bootstrap), reader(other_database, bootstrap)

    async def both() -> bool:
        return len(first.lanes) == len(second.lanes) == PARTITIONS // 2

    async with running(first):
        await produce(bootstrap, records[:160])
        async with running(second):
            await until(both, 30)
            await produce(bootstrap, records[160:320])
            await until(lambda: applied(database, 320), 30)
        await produce(bootstrap, records[320:])
        await until(lambda: applied(database, 480), 30)
    await other_database.close()
    assert set((await tallies(database)).values()) == {(60, 60)}


async def test_sessions_of_the_database_that_die_are_survived(
    database: Database, bootstrap: str, postgres: Stack
) -> None:
    records = journey(members=8, numbers=100)
    loop, relay = reader(database, bootstrap, batch_records_max=20), Relay(database, bootstrap)
    admin = Database(postgres.superuser_url, application_name="the fault")
    async with running(loop, relay):
        for start in range(0, 800, 200):
            await produce(bootstrap, records[start : start + 200])
            async with admin.transaction() as tx:
                await tx.run(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE :name"),
                    name=f"{GROUP}%",
                )
        await until(lambda: _quietly(applied(database, 800)), 40)
        await until(lambda: _quietly(outbox_empty(database)), 40)
    await admin.close()
    assert set((await tallies(database)).values()) == {(100, 100)}
    assert set(map(tuple, first_times(await said(bootstrap)).values())) == {tuple(range(1, 101))}
    assert await rows(database, "SELECT count(*) FROM dead_letter") == [(0,)]


async def _quietly(asked: Awaitable[bool]) -> bool:
    try:
        return await asked
    except (OSError, SQLAlchemyError):
        return False


async def test_a_topic_that_is_missing_blocks_only_its_own_messages(database: Database, bootstrap: str) -> None:
    async with database.transaction() as tx:
        for number in range(1, 2_101):
            tx.say(topic="nowhere", partition=0, key=b"k" * 16, type="t", id=str(number), number=number, body=b"{}")
        tx.say(topic=SAID, partition=1, key=UUID(int=5).bytes, type="t", id="x", number=1, body=b"{}")

    async def heard() -> bool:
        return await said(bootstrap) == [(UUID(int=5), 1)]

    async with running(Relay(database, bootstrap)):
        await until(heard, 30)
    assert await rows(database, "SELECT count(*) FROM outbox") == [(2_100,)]


async def test_one_relay_leads_and_another_takes_over(database: Database, bootstrap: str) -> None:
    first, second = Relay(database, bootstrap), Relay(database, bootstrap)

    async def leads(relay: Relay) -> bool:
        return relay.is_leader

    async with running(second):
        await until(lambda: leads(second), 10)
        async with running(first):
            async with database.transaction() as tx:
                tx.say(topic=SAID, partition=0, key=UUID(int=1).bytes, type="t", id="1", number=1, body=b"{}")
            await until(lambda: outbox_empty(database), 10)
            assert not first.is_leader
    async with running(first):
        await until(lambda: leads(first), 10)


async def test_a_message_too_large_for_the_broker_blocks_only_its_partition(database: Database, bootstrap: str) -> None:
    async with database.transaction() as tx:
        for partition, body in ((0, os.urandom(2 * 1024 * 1024)), (0, b"{}"), (1, b"{}")):
            tx.say(topic=SAID, partition=partition, key=b"k" * 16, type="t", id="x", number=1, body=body)
    relay = Relay(database, bootstrap)

    async def blocked() -> bool:
        return await rows(database, "SELECT partition FROM outbox ORDER BY id") == [(0,), (0,)] and relay.blocked == {
            (SAID, 0)
        }

    async with running(relay):
        await until(blocked, 30)


async def test_a_dead_letter_is_told_on_its_topic_with_reason_and_origin_only(
    database: Database, bootstrap: str
) -> None:
    await produce(bootstrap, [record(UUID(int=1), 1, 0, value=b"{secret")])
    async with running(reader(database, bootstrap), Relay(database, bootstrap)):
        await until(lambda: applied(database, 1), 20)
        await until(lambda: outbox_empty(database), 20)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    place = TopicPartition(f"{HEARD}.dead-letter", 0)
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    told = await consumer.getone()
    await consumer.stop()
    headers = dict(told.headers)
    assert (headers["reason"], headers["origin"]) == (b"undecodable", f"{HEARD}/0/0".encode())
    assert told.key == UUID(int=1).bytes
    assert b"secret" not in told.value
