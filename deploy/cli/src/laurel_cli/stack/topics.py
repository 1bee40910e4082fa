"""Make the topics of the contracts on a broker: what is missing is made, what is there is checked, nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from . import broker
from .databases import wait_for
from .errors import StackError


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
    except (KafkaError, OSError) as error:
        raise StackError(f"cannot make the topics on {bootstrap}: {error!r}") from error


async def _ensure(bootstrap: str, topics: list[Topic]) -> list[str]:
    admin = await broker.connect(bootstrap)
    try:
        existing = {
            found["topic"]: len(found["partitions"])
            for found in await admin.describe_topics()
            if not found["error_code"]
        }
        _refuse_other_counts(topics, existing)
        missing = [topic for topic in topics if topic.name not in existing]
        if not missing:
            return []
        answer = await admin.create_topics([_new(topic) for topic in missing])
        for name, code, *rest in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise StackError(
                    f"Kafka does not make the topic {name}: {rest[0] if rest else for_code(code).__name__}"
                )
        return [topic.name for topic in missing]
    finally:
        await admin.close()


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
