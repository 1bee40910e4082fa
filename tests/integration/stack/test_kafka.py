"""Kafka starts from its locked jars alone, keeps every acknowledged record, and holds the topics of the contracts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from laurel_cli.stack import Stack, StackError, broker, throwaway_stack
from laurel_cli.stack.jars import Jar, cache_directory, ensure_jars, read_lock
from laurel_cli.stack.kafka import TEMPORARY
from laurel_cli.stack.topics import Topic, ensure_topics, wanted_topics
from laurel_contracts.topics import load_topics

RECORDS = 2_000
READ_LIMIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        with throwaway_stack(only={"kafka"}) as stack:
            yield stack


async def write(bootstrap: str, topic: str, count: int, **settings: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, **settings)
    await producer.start()
    try:
        await asyncio.gather(*[await producer.send(topic, b"%d" % number) for number in range(count)])
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> set[int]:
    found: set[int] = set()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id="readers")
    await consumer.start()
    try:
        async with asyncio.timeout(READ_LIMIT_SECONDS):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found.update(int(record.value) for record in records)
    finally:
        await consumer.stop()
    return found


async def test_every_acknowledged_record_is_there_after_sigkill(stack: Stack) -> None:
    ensure_topics(stack.kafka_bootstrap, [Topic("kept", partitions=3, retention_ms=-1)])
    await write(stack.kafka_bootstrap, "kept", RECORDS)
    stack.kill_kafka()
    assert not stack.alive("kafka")
    stack.start_kafka()
    assert await read(stack.kafka_bootstrap, "kept", RECORDS) == set(range(RECORDS))


async def test_what_a_node_unpacks_stands_in_its_own_folder_and_goes_with_it(stack: Stack) -> None:
    """Killed nodes left two libraries each in the machine's folder for temporary files, and nobody deleted them."""
    ensure_topics(stack.kafka_bootstrap, [Topic("squeezed", partitions=1, retention_ms=-1)])
    await write(stack.kafka_bootstrap, "squeezed", 100, compression_type="lz4")
    (folder,) = stack.home.root.rglob(TEMPORARY)
    unpacked = set(folder.iterdir())
    assert unpacked
    stack.kill_kafka()
    stack.start_kafka()
    assert not unpacked & set(folder.iterdir())


async def test_the_topics_of_the_contracts_are_made_once_with_their_dead_letters(stack: Stack) -> None:
    wanted = wanted_topics(4)
    assert {topic.name for topic in wanted} >= {topic.name for topic in load_topics()}
    assert {topic.name for topic in wanted} >= {topic.dead_letter for topic in load_topics() if topic.dead_letter}
    assert ensure_topics(stack.kafka_bootstrap, wanted) == [topic.name for topic in wanted]
    assert ensure_topics(stack.kafka_bootstrap, wanted) == []


async def test_a_topic_with_another_number_of_partitions_is_refused(stack: Stack) -> None:
    ensure_topics(stack.kafka_bootstrap, [Topic("counted", partitions=2, retention_ms=1_000)])
    with pytest.raises(StackError, match="counted has 2 partitions, wanted 5"):
        ensure_topics(stack.kafka_bootstrap, [Topic("counted", partitions=5, retention_ms=1_000)])


async def test_a_typing_mistake_makes_no_topic(stack: Stack) -> None:
    admin = await broker.connect(stack.kafka_bootstrap)
    try:
        await admin.describe_topics(["activites"])
        assert "activites" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_kafka_of_your_own_is_used_and_nothing_is_started(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", stack.kafka_bootstrap)
    ours = Stack(tmp_path / "home", stack.port_base)
    ours.up(only={"kafka"}, topics=False)
    assert ours.kafka_bootstrap == stack.kafka_bootstrap
    assert ours.pids() == {}
    ours.wipe()
    assert stack.alive("kafka")


def test_a_jar_that_is_not_what_the_lock_says_is_refused(tmp_path: Path) -> None:
    raft = next(jar for jar in read_lock() if jar.artifact == "kafka-raft")
    ensure_jars([raft], cache_directory())
    (tmp_path / "jars").mkdir()
    shutil.copy(cache_directory() / "jars" / raft.file_name, tmp_path / "jars")
    assert ensure_jars([raft], tmp_path) == [tmp_path / "jars" / raft.file_name]
    with (tmp_path / "jars" / raft.file_name).open("ab") as handle:
        handle.write(b"one byte more")
    with pytest.raises(StackError, match=r"kafka-raft-4\.3\.1\.jar is not what the lock says.*Nothing was started"):
        ensure_jars([raft], tmp_path)


def test_a_fetched_jar_with_another_hash_is_not_kept(tmp_path: Path) -> None:
    raft = next(jar for jar in read_lock() if jar.artifact == "kafka-raft")
    other = Jar(raft.group, raft.artifact, raft.version, "0" * 64)
    with pytest.raises(StackError, match=r"is not what the lock says|cannot fetch"):
        ensure_jars([other], tmp_path)
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_fetch_that_fails_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text("[repositories]\nnowhere = http://127.0.0.1:9\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    with pytest.raises(StackError, match=r"cannot fetch org\.apache\.kafka:kafka-raft.*KAFKA_BOOTSTRAP_SERVERS"):
        ensure_jars([Jar("org.apache.kafka", "kafka-raft", "4.3.1", "0" * 64)], tmp_path)
