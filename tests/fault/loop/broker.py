"""The hand that does to a broker what must not be done: committed offsets set and deleted, records cut away, topics made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest

from tests.integration.kit.toy_kafka import PARTITIONS, until


@asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _member_of(bootstrap: str, group: str, lanes: list[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    """A client that speaks in the group's name without joining it: possible while nobody else is in it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign(lanes)
    try:
        yield consumer
    finally:
        await consumer.stop()


async def force_committed(bootstrap: str, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Set the group's committed offsets, as an operator could by hand."""
    async with _member_of(bootstrap, group, list(offsets)) as consumer:
        await consumer.commit(dict(offsets))
    assert await committed(bootstrap, group, list(offsets)) == dict(offsets)


async def committed(bootstrap: str, group: str, lanes: list[TopicPartition]) -> dict[TopicPartition, int | None]:
    """What Kafka believes the group has read."""
    async with _member_of(bootstrap, group, lanes) as consumer:
        return {lane: await consumer.committed(lane) for lane in lanes}


async def forget_group(bootstrap: str, group: str) -> None:
    """Delete the group with its committed offsets."""
    async with admin_of(bootstrap) as admin:
        coordinator = await admin.find_coordinator(group)
        answer = await admin._client.send(coordinator, DeleteGroupsRequest([group]))
        assert [code for _, code, *_ in answer.results] == [0]


async def ends_of(bootstrap: str, topic: str) -> dict[TopicPartition, int]:
    """The end of every partition of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(
            [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        )
    finally:
        await consumer.stop()
    return ends


async def cut_before(bootstrap: str, lane: TopicPartition, offset: int) -> None:
    """Delete the records below `offset`, as a retention that is too short does."""
    async with admin_of(bootstrap) as admin:
        assert await admin.delete_records({lane: RecordsToDelete(before_offset=offset)}) == {lane: offset}


async def delete_topics(bootstrap: str, topics: list[str]) -> None:
    """Delete, and wait until they are gone."""
    async with admin_of(bootstrap) as admin:
        await admin.delete_topics(topics)

        async def gone() -> bool:
            return not set(topics) & set(await admin.list_topics())

        await until(gone, 20)


async def make_topic(bootstrap: str, topic: str, **configs: str) -> None:
    """Make one topic with settings of its own."""
    async with admin_of(bootstrap) as admin:

        async def made() -> bool:
            answer = await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=configs)])
            return all(code in (0, 36) for _, code, *_ in answer.topic_errors)

        await until(made, 20)
