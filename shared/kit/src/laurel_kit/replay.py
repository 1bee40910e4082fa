"""Read a topic of one's own once, from given offsets to the end as it is now: after a restore the topic may know more than the database.
The one thing not to break: it ends, also where records are missing at the end of a partition, and it joins no group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from laurel_kit.hearing import RawRecord
from laurel_kit.kafka import CONSUMER, Kafka

POLL_MILLISECONDS = 500
RECORDS_MAX = 1_000


async def read_topic(kafka: Kafka, topic: str, starts: Mapping[int, int]) -> AsyncIterator[RawRecord]:
    """Records of `topic`, of every partition in `starts` from there up to the end when reading began. A start below what the broker
    still has is moved up to it."""
    settings = {name: value for name, value in CONSUMER.items() if name != "partition_assignment_strategy"}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, client_id=f"{kafka.client_id}-replay", group_id=None, **settings
    )
    await consumer.start()
    try:
        async for record in _read(consumer, topic, starts):
            yield record
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, topic: str, starts: Mapping[int, int]) -> AsyncIterator[RawRecord]:
    lanes = [TopicPartition(topic, partition) for partition in sorted(starts)]
    consumer.assign(lanes)
    beginnings, ends = await consumer.beginning_offsets(lanes), await consumer.end_offsets(lanes)
    open_lanes = set()
    for lane in lanes:
        start = max(starts[lane.partition], beginnings[lane])
        if start < ends[lane]:
            consumer.seek(lane, start)
            open_lanes.add(lane)
        else:
            consumer.pause(lane)
    while open_lanes:
        fetched = await consumer.getmany(*open_lanes, timeout_ms=POLL_MILLISECONDS, max_records=RECORDS_MAX)
        for lane, records in fetched.items():
            for record in records:
                if record.offset < ends[lane]:
                    yield RawRecord(topic, lane.partition, record.offset, record.key, record.value, record.headers)
        for lane in list(open_lanes):
            if await consumer.position(lane) >= ends[lane]:
                open_lanes.discard(lane)
                consumer.pause(lane)
