"""What really stands on the topics: read from the first record to the last, for the checks of numbers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from laurel_contracts.envelope import HEADER_ID
from laurel_contracts.registry import TOPICS

# What services say to each other; what channels say is made unique, and numbered, behind that.
SAID = tuple(topic for topic in TOPICS if topic != "channel-activities")


@dataclass
class Numbers:
    """The numbers of one topic: messages, repetitions, and gaps or inversions among first occurrences. Where the messages of a topic bear
    no numbers (handovers: each is taken once by its id), those that repeat an id are repetitions, and nothing can be missing."""

    messages: int
    repeated: int
    broken: list[str]


def numbers_of(bootstrap: str, topic: str) -> Numbers:
    """Read a whole topic and check that each key's numbers, at their first occurrence, are 1, 2, 3 …"""
    return asyncio.run(_numbers_of(bootstrap, topic))


async def _numbers_of(bootstrap: str, topic: str) -> Numbers:
    found = Numbers(0, 0, [])
    last: dict[bytes, int] = defaultdict(int)
    ids: set[bytes | None] = set()
    async for record in _records(bootstrap, topic):
        headers = dict(record.headers)
        _look(topic, record.key, headers.get("number"), last, found)
        if record.key is not None and "number" not in headers:
            found.messages += 1
            found.repeated += headers.get(HEADER_ID) in ids
            ids.add(headers.get(HEADER_ID))
    return found


def records_of(bootstrap: str, topic: str) -> list[Any]:
    """All records of a topic as aiokafka gives them, per partition in order."""

    async def read() -> list[Any]:
        return [record async for record in _records(bootstrap, topic)]

    return asyncio.run(read())


async def _records(bootstrap: str, topic: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = (await admin.describe_topics([topic]))[0]
    finally:
        await admin.close()
    parts = [TopicPartition(topic, found["partition"]) for found in described["partitions"]]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        for part in parts:
            consumer.seek(part, 0)
        open_parts = {part for part in parts if ends[part] > 0}
        while open_parts:
            for part, records in (await consumer.getmany(timeout_ms=500, max_records=5000)).items():
                for record in records:
                    yield record
                if records and records[-1].offset + 1 >= ends[part]:
                    open_parts.discard(part)
    finally:
        await consumer.stop()


def _look(topic: str, key: bytes | None, header: bytes | None, last: dict[bytes, int], found: Numbers) -> None:
    if key is None or header is None:
        return
    found.messages += 1
    number = int(header)
    if number <= last[key]:
        found.repeated += 1
    elif number == last[key] + 1:
        last[key] = number
    else:
        found.broken.append(f"{topic}: {key.hex()} {number} follows {last[key]}")
