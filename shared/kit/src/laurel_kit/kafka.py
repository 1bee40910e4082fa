"""How the kit talks to Kafka: the settings that are not optional, in one place. The one thing not to break: Kafka never decides where a
reader begins (`auto_offset_reset="none"`, no auto-commit), and nothing counts as said before all replicas have it (`acks=all`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from laurel_kit import closed_wires, header_names
from laurel_kit.settings import KAFKA_SESSION_SECONDS_DEFAULT

STOP_SECONDS_MAX = 5.0  # a client's own stop may hang when brokers are away
CONNECT_PAUSE_SECONDS = 0.5
TOPICS_WAIT_SECONDS = 60.0
PROBE_SECONDS = 3.0

log = structlog.get_logger(__name__)

CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 3_000,
    "rebalance_timeout_ms": 15_000,
    "max_poll_interval_ms": 60_000,
    "check_crcs": True,
    "isolation_level": "read_committed",  # our topics have no transactions; channels may use them
    "fetch_max_wait_ms": 200,
    # A client that has found a topic missing asks for it again only then: the default of five minutes would be a silent stall.
    "metadata_max_age_ms": 10_000,
    "max_partition_fetch_bytes": 1_048_576,
    # Partition p of every topic goes to the same process: what one lane waits for, its neighbour learns.
    "partition_assignment_strategy": (RangePartitionAssignor,),
}
PRODUCER: dict[str, Any] = {
    "enable_idempotence": True,
    "acks": "all",
    "compression_type": "zstd",  # lz4 at the level that aiokafka fixes (9) costs seven times as much for a larger batch
    "linger_ms": 0,
    "max_batch_size": 900_000,  # under the broker's usual limit of 1 MiB, headers of the batch included
    "max_request_size": 1_048_576,
    "request_timeout_ms": 10_000,
}


class UnsafeSettings(Exception):
    """A setting is not what safety needs."""


def check_consumer_settings(settings: dict[str, Any]) -> None:
    """Refuse to start with settings under which records get lost. Raises UnsafeSettings."""
    wanted = {
        name: CONSUMER[name]
        for name in ("enable_auto_commit", "auto_offset_reset", "max_poll_interval_ms", "check_crcs")
    }
    wrong = {name: settings.get(name) for name, value in wanted.items() if settings.get(name) != value}
    if wrong:
        raise UnsafeSettings(f"consumer settings must be {wanted}, these differ: {wrong}")


class Kafka:
    """Where Kafka is, and clients with our settings."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str = "laurel",
        session_seconds: float = KAFKA_SESSION_SECONDS_DEFAULT,
    ) -> None:
        closed_wires.tolerate()  # for every client: consumers, producers, the admin client
        self.bootstrap_servers = bootstrap_servers
        self.client_id = client_id
        self.session_seconds = session_seconds

    def consumer(self, group: str) -> AIOKafkaConsumer:
        """A consumer, not started, not subscribed."""
        check_consumer_settings(CONSUMER)
        header_names.tolerate()
        session_ms = int(self.session_seconds * 1000)
        settings = CONSUMER | {"session_timeout_ms": session_ms, "heartbeat_interval_ms": session_ms * 3 // 10}
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, client_id=self.client_id, group_id=group, **settings
        )

    async def started_consumer(self, group: str) -> AIOKafkaConsumer:
        """A consumer, started, not subscribed."""
        consumer = self.consumer(group)
        try:
            await consumer.start()
        except BaseException:
            await bounded_stop(consumer)
            raise
        return consumer

    async def partition_counts(self, topics: Collection[str]) -> dict[str, int]:
        """How many partitions each of these topics has; those that do not exist are left out."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers, client_id=self.client_id)
        try:
            await admin.start()
            described = await admin.describe_topics(list(topics))
        finally:
            await bounded_stop(admin)
        return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}

    def producer(self) -> AIOKafkaProducer:
        """A producer, not started."""
        return AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, client_id=self.client_id, **PRODUCER)


def as_kafka(kafka: Kafka | str, client_id: str) -> Kafka:
    """A plain `host:port` will do."""
    return Kafka(kafka, client_id=client_id) if isinstance(kafka, str) else kafka


class WrongPartitions(Exception):
    """A topic does not have the number of partitions it must have: marks and keys would not meet."""


async def bounded_stop(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    """Stop a client, for at most five seconds; what it could not finish is done again by whoever comes next."""
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("a Kafka client did not stop cleanly", error=type(error).__name__)


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; True as soon as `stop` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


async def started_consumer(
    kafka: Kafka,
    group: str,
    topics: Collection[str],
    *,
    stop: asyncio.Event,
    partitions: int | None,
    holes_allowed: Collection[str] = (),
) -> AIOKafkaConsumer | None:
    """A started consumer, as soon as the broker and all topics are there; None when `stop` came first. Raises WrongPartitions."""
    waited = 0.0
    while not stop.is_set():
        try:
            counts = await kafka.partition_counts(topics)
            missing = [topic for topic in topics if topic not in counts]
            if not missing:
                _check_partitions(counts, partitions, holes_allowed)
                return await kafka.started_consumer(group)
            log.warning("topics are missing", topics=missing)
            waited += CONNECT_PAUSE_SECONDS
        except (KafkaError, OSError) as error:
            log.warning("Kafka is not there yet", error=type(error).__name__, reason=str(error)[:200])
        if waited > TOPICS_WAIT_SECONDS:
            raise WrongPartitions(f"some of these topics do not exist: {', '.join(topics)}")
        await wait_or_stop(stop, CONNECT_PAUSE_SECONDS)
    return None


def _check_partitions(counts: Mapping[str, int], partitions: int | None, holes_allowed: Collection[str]) -> None:
    for topic, count in counts.items():
        if partitions is not None and topic not in holes_allowed and count != partitions:
            raise WrongPartitions(f"{topic} has {count} partitions, and not {partitions}")


async def broker_answers(kafka: Kafka, partitions: Collection[TopicPartition]) -> bool:
    """Whether a new client is told the ends of these partitions. Asked beside our own client, when that gets no answer. A port that takes
    connections is not enough: brokers that have lost their majority do so too."""
    if not await _takes_connections(kafka):
        return False
    asking = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, client_id=f"{kafka.client_id}-probe")
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await asking.start()
            if partitions:
                await asking.end_offsets(list(partitions))
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await bounded_stop(asking)
    return True


async def _takes_connections(kafka: Kafka) -> bool:
    """Whether any bootstrap server takes a connection."""
    for address in kafka.bootstrap_servers.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError, ValueError):
            continue
        writer.close()
        return True
    return False
