"""Three brokers keep three copies of everything; any one of them may die, and nothing that was acknowledged is lost.

INVARIANT: a record that was acknowledged is read exactly as written, whichever node is killed afterwards, and after down and up.
What would break it: fewer copies than nodes, an acknowledgement by fewer than two of them, an unclean election, a node that comes back
under another cluster id.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from laurel_cli.stack import Stack, StackError, broker, throwaway_stack
from laurel_cli.stack.report import report
from laurel_cli.stack.topics import Topic, ensure_topics
from laurel_kit.kafka import Kafka, broker_answers
from tests.integration.stack.test_kafka import read, write
from tests.support.shop import Deadline

RECORDS = 2_000
NODES = {"kafka-1", "kafka-2", "kafka-3"}
INTERNAL = "__consumer_offsets"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        with throwaway_stack(only={"kafka"}, topics=True, brokers=3) as stack:
            yield stack


async def described(stack: Stack, topic: str) -> tuple[list[int], dict[str, str]]:
    """How many copies each partition of the topic has, and the topic's settings."""
    admin = await broker.connect(stack.kafka_bootstrap)
    try:
        found = (await admin.describe_topics([topic]))[0]["partitions"]
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    settings = {entry[0]: entry[1] for answer in answers for entry in answer.resources[0][4]}
    return [len(part["replicas"]) for part in found], settings


@pytest.mark.fault
@pytest.mark.parametrize("topic", ["activities", INTERNAL])
async def test_everything_is_kept_three_times_and_said_when_two_have_it(stack: Stack, topic: str) -> None:
    """T-K02: also the consumer groups' own positions, or a group would be lost with one node."""
    copies, settings = await described(stack, topic)
    until = Deadline(60.0)
    while not (
        copies and settings
    ):  # Kafka makes its own topic when the first group is asked for, and tells of it later
        assert not until.passed(), f"{topic} is not there"
        until.wait()
        copies, settings = await described(stack, topic)
    assert set(copies) == {3}
    assert settings["min.insync.replicas"] == "2"
    assert settings["unclean.leader.election.enable"] == "false"


async def test_each_node_is_a_part_with_an_address_and_a_pid(stack: Stack) -> None:
    reports = {part.part: part for part in report(stack)}
    assert {name for name in reports if name.startswith("kafka")} == set(stack.pids()) == NODES
    assert stack.kafka_bootstrap == ",".join(reports[name].url for name in sorted(NODES))
    assert {reports[name].state for name in NODES} == {"ready"}
    memory = [reports[name].memory_mib for name in NODES]
    assert all(found is not None and found < 512 for found in memory)


@pytest.mark.fault
@pytest.mark.parametrize("node", [1, 2, 3])
async def test_one_node_may_die_and_what_was_said_before_and_meanwhile_is_there(stack: Stack, node: int) -> None:
    """T-K02: acknowledged by all in sync; the two that live go on; the dead one comes back with what it missed."""
    topic = f"kept-{node}"
    ensure_topics(stack.kafka_bootstrap, [Topic(topic, partitions=6, retention_ms=-1)])
    await write(stack.kafka_bootstrap, topic, RECORDS)
    os.kill(stack.pids()[f"kafka-{node}"], signal.SIGKILL)
    await write(stack.kafka_bootstrap, topic, 2 * RECORDS)
    assert await read(stack.kafka_bootstrap, topic, 2 * RECORDS) == set(range(2 * RECORDS))
    assert {part.part for part in report(stack) if part.state == "dead"} == {f"kafka-{node}"}
    stack.start_kafka(node)
    stack.await_copies()
    assert set(stack.pids()) == NODES


@pytest.mark.fault
async def test_a_node_without_a_majority_is_no_broker_for_the_watchdog(stack: Stack) -> None:
    """T-K03: it takes connections and answers nothing; a reader that took it for Kafka would end itself every minute."""
    partitions = [TopicPartition("activities", number) for number in range(16)]
    kafka = Kafka(stack.kafka_bootstrap)
    assert await broker_answers(kafka, partitions)
    stack.kill_kafka(1)
    stack.kill_kafka(2)
    assert not await broker_answers(kafka, partitions)
    stack.start_kafka()
    stack.await_copies()
    assert await broker_answers(kafka, partitions)


async def test_down_and_up_again_lose_nothing_and_another_number_is_refused(stack: Stack) -> None:
    ensure_topics(stack.kafka_bootstrap, [Topic("stays", partitions=6, retention_ms=-1)])
    await write(stack.kafka_bootstrap, "stays", RECORDS)
    assert set(stack.down()) == NODES
    assert stack.pids() == {}
    with pytest.raises(StackError, match="made with 3 brokers; the number is fixed"):
        stack.up(only={"kafka"}, brokers=1)
    assert stack.pids() == {}
    stack.up(only={"kafka"})
    assert set(stack.pids()) == NODES
    assert await read(stack.kafka_bootstrap, "stays", RECORDS) == set(range(RECORDS))


def test_a_node_that_is_not_there_is_refused(stack: Stack) -> None:
    with pytest.raises(StackError, match="there is no Kafka node 4; there are 1, 2, 3"):
        stack.kill_kafka(4)
