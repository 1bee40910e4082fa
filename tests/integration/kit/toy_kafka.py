"""Topics, records and totals of the toy on a real Kafka."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from laurel_kit.hearing import RawRecord

from .toy import HEARD, SAID, record

PARTITIONS = 4


async def fresh_topics(bootstrap: str, topics: Sequence[str] = (HEARD, SAID, f"{HEARD}.dead-letter")) -> None:
    """Empty topics: what an earlier test left is deleted."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        old = [topic for topic in topics if topic in await admin.list_topics()]
        if old:
            await admin.delete_topics(old)
            await until(lambda: _gone(admin, old), 20)
        new = [NewTopic(topic, PARTITIONS, 1) for topic in topics]
        await until(lambda: _made(admin, new), 20)
    finally:
        await admin.close()


async def _gone(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> bool:
    return not set(topics) & set(await admin.list_topics())


async def _made(admin: AIOKafkaAdminClient, topics: Sequence[NewTopic]) -> bool:
    answer = await admin.create_topics(topics)
    return all(
        code in (0, 36) for _, code, *_ in answer.topic_errors
    )  # 36: exists; others while the deletion is under way


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait until the condition holds; TimeoutError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {seconds} s")
        await asyncio.sleep(0.05)


def journey(members: int, numbers: int) -> list[RawRecord]:
    """`numbers` records of each of `members`, interleaved, with their offsets per partition; a member has one partition."""
    offsets: dict[int, int] = defaultdict(int)
    records = []
    for number in range(1, numbers + 1):
        for member in range(members):
            partition = member % PARTITIONS
            records.append(record(UUID(int=member + 1), number, offsets[partition], partition=partition))
            offsets[partition] += 1
    return records


async def produce(bootstrap: str, records: Sequence[RawRecord]) -> None:
    async with _producer(bootstrap) as producer:
        lanes: dict[tuple[str, int], list[RawRecord]] = defaultdict(list)
        for one in records:
            lanes[one.topic, one.partition].append(one)
        for (topic, partition), ours in lanes.items():
            batch = producer.create_batch()
            for one in ours:
                if batch.append(timestamp=None, key=one.key, value=one.value, headers=list(one.headers)) is None:
                    await (await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=one.key, value=one.value, headers=list(one.headers))
            await (await producer.send_batch(batch, topic, partition=partition))


@asynccontextmanager
async def _producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def said(bootstrap: str, topic: str = SAID) -> list[tuple[UUID, int]]:
    """All that was said on the topic: (key, number), per partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        heard = []
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                heard += [(UUID(bytes=r.key), int(dict(r.headers).get("number", b"0"))) for r in records]
        return heard
    finally:
        await consumer.stop()


def first_times(heard: Sequence[tuple[UUID, int]]) -> dict[UUID, list[int]]:
    """Per key the numbers in the order in which they were first heard."""
    numbers: dict[UUID, list[int]] = defaultdict(list)
    for key, number in heard:
        if number not in numbers[key]:
            numbers[key].append(number)
    return dict(numbers)
