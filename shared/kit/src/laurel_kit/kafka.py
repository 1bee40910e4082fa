"""How the kit talks to Kafka: the settings that are not optional, in one place. The one thing not to break: Kafka never decides where a
reader begins (`auto_offset_reset="none"`, no auto-commit), and nothing counts as said before all replicas have it (`acks=all`)."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 3_000,
    "rebalance_timeout_ms": 15_000,
    "max_poll_interval_ms": 60_000,
    "check_crcs": True,
    "fetch_max_wait_ms": 200,
    "max_partition_fetch_bytes": 1_048_576,
    # Partition p of every topic goes to the same process: what one lane waits for, its neighbour learns.
    "partition_assignment_strategy": (RangePartitionAssignor,),
}
PRODUCER: dict[str, Any] = {
    "enable_idempotence": True,
    "acks": "all",
    "compression_type": "lz4",
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

    def __init__(self, bootstrap_servers: str, *, client_id: str = "laurel") -> None:
        self.bootstrap_servers = bootstrap_servers
        self.client_id = client_id

    def consumer(self, group: str) -> AIOKafkaConsumer:
        """A consumer, not started, not subscribed."""
        check_consumer_settings(CONSUMER)
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, client_id=self.client_id, group_id=group, **CONSUMER
        )

    def producer(self) -> AIOKafkaProducer:
        """A producer, not started."""
        return AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, client_id=self.client_id, **PRODUCER)


def as_kafka(kafka: Kafka | str, client_id: str) -> Kafka:
    """A plain `host:port` will do."""
    return Kafka(kafka, client_id=client_id) if isinstance(kafka, str) else kafka
