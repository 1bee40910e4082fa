"""Make the topics of the contracts on a broker: what is missing is made, what is there is checked, nothing is changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, TopicAlreadyExistsError, for_code

from . import broker
from .blocking import wait_for
from .errors import StackError
from .processes import POLL_SECONDS

# Milliseconds on one node, a second or two on a cluster.
VISIBLE_LIMIT_SECONDS = 30.0
# Half a second on one node; not waited for longer, because services wait for it themselves.
COORDINATOR_LIMIT_SECONDS = 5.0
_ANY_GROUP = "laurel-up"


@dataclass(frozen=True)
class Topic:
    """What a topic must be; retention in milliseconds, -1 for ever."""

    name: str
    partitions: int
    retention_ms: int


def wanted_topics(partitions: int) -> list[Topic]:
    """All topics of the contracts with their dead letters; `partitions` where the contract leaves the number open."""
    from laurel_contracts.topics import load_topics

    wanted: dict[str, Topic] = {}
    for contract in load_topics():
        count = contract.partitions or partitions
        wanted[contract.name] = Topic(contract.name, count, contract.retention_ms)
    for contract in load_topics():
        if contract.dead_letter:
            count = wanted[contract.name].partitions
            wanted.setdefault(contract.dead_letter, Topic(contract.dead_letter, count, contract.retention_ms))
    return list(wanted.values())


def ensure_topics(bootstrap: str, topics: list[Topic]) -> list[str]:
    """Make what is missing; the names made. Refuses a topic that exists with another number of partitions."""
    try:
        return wait_for(_ensure(bootstrap, topics))
    except (KafkaError, OSError, TimeoutError) as error:
        raise StackError(f"cannot make the topics on {bootstrap}: {error!r}") from error


async def _ensure(bootstrap: str, topics: list[Topic]) -> list[str]:
    admin = await broker.connect(bootstrap)
    try:
        existing = await _partition_counts(admin)
        _refuse_other_counts(topics, existing)
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            answer = await admin.create_topics([_new(topic) for topic in missing])
            for name, code, *rest in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise StackError(f"Kafka refuses the topic {name}: {rest[0] if rest else for_code(code).__name__}")
            await _await_visible(admin, topics)
            await _await_coordinator(admin)
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def _partition_counts(admin: Any) -> dict[str, int]:
    """Topics that the broker knows by now, with their number of partitions."""
    found = await admin.describe_topics()
    return {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}


async def _await_visible(admin: Any, topics: list[Topic]) -> None:
    """A topic is made when the controller has written it; brokers learn of it a moment later."""
    async with asyncio.timeout(VISIBLE_LIMIT_SECONDS):
        while True:
            existing = await _partition_counts(admin)
            if all(topic.name in existing for topic in topics):
                _refuse_other_counts(topics, existing)
                return
            await asyncio.sleep(POLL_SECONDS)


async def _await_coordinator(admin: Any) -> None:
    """A new Kafka makes its group coordinator when first asked for; ask now, so that no service begins with an error."""
    with suppress(KafkaError, TimeoutError):  # a Kafka of the user's own may forbid the question
        async with asyncio.timeout(COORDINATOR_LIMIT_SECONDS):
            while True:
                try:
                    await admin.find_coordinator(_ANY_GROUP)
                except GroupCoordinatorNotAvailableError:
                    await asyncio.sleep(0.2)  # each question makes Kafka try again to make its topic, and warn
                else:
                    return


def _new(topic: Topic) -> NewTopic:
    """The replication factor is left to the broker (-1), which aiokafka lets through only beside an assignment."""
    settings = {"retention.ms": str(topic.retention_ms)}
    return NewTopic(topic.name, topic.partitions, -1, replica_assignments={}, topic_configs=settings)


def _refuse_other_counts(topics: list[Topic], existing: dict[str, int]) -> None:
    wrong = [
        f"{topic.name} has {existing[topic.name]} partitions, wanted {topic.partitions}"
        for topic in topics
        if existing.get(topic.name, topic.partitions) != topic.partitions
    ]
    if wrong:
        raise StackError(
            "The number of partitions is fixed when a programme starts: " + "; ".join(wrong) + ". "
            "Start with the number that is there (--partitions), or wipe the stack: laurel reset."
        )
