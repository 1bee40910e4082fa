"""The ids of the messages on a topic, from one end to another: what was said before a moment, and what was said after it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from laurel_contracts.envelope import HEADER_ID

Ends = Mapping[int, int]


def ends_of(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    """Where each partition ends now."""

    async def ask() -> dict[int, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        await consumer.start()
        try:
            found = await consumer.end_offsets([TopicPartition(topic, partition) for partition in range(partitions)])
        finally:
            await consumer.stop()
        return {tp.partition: end for tp, end in found.items()}

    return asyncio.run(ask())


def ids_between(bootstrap: str, topic: str, starts: Ends, ends: Ends) -> Counter[str]:
    """How often each numbered message was said in there."""
    return asyncio.run(_ids(bootstrap, topic, starts, ends))


async def _ids(bootstrap: str, topic: str, starts: Ends, ends: Ends) -> Counter[str]:
    found: Counter[str] = Counter()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        open_parts = {TopicPartition(topic, partition) for partition in starts if starts[partition] < ends[partition]}
        consumer.assign(list(open_parts))
        for part in open_parts:
            consumer.seek(part, starts[part.partition])
        while open_parts:
            for part, records in (await consumer.getmany(*open_parts, timeout_ms=500, max_records=5_000)).items():
                for record in records:
                    if record.offset < ends[part.partition] and record.key is not None:
                        found[dict(record.headers)[HEADER_ID].decode()] += 1
                if records[-1].offset + 1 >= ends[part.partition]:
                    open_parts.discard(part)
                    consumer.pause(part)
    finally:
        await consumer.stop()
    return found
