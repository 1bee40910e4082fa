"""What we ask a running Kafka: does a node serve, and does every partition have all its copies."""

from __future__ import annotations

import logging
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from .blocking import wait_for
from .ports import is_open

# A node on loopback answers in milliseconds; a user's own Kafka may be far away.
REQUEST_LIMIT_MS = 10_000


def serves(bootstrap: str, node_id: int | None = None) -> bool:
    """True when a broker is there and unfenced: only such a one appears in its own metadata. `node_id`: that very one."""
    addresses = [address.rpartition(":") for address in bootstrap.split(",")]
    if not any(is_open(int(port), host) for host, _, port in addresses):
        return False
    return wait_for(_serves(bootstrap, node_id))


async def _serves(bootstrap: str, node_id: int | None) -> bool:
    quiet = logging.getLogger("aiokafka")
    before = quiet.level
    quiet.setLevel(logging.CRITICAL)  # refusals are what we wait through; they are not news
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_LIMIT_MS)
    try:
        await client.bootstrap()
        there = {broker.nodeId for broker in client.cluster.brokers()}
        return bool(there) if node_id is None else node_id in there
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
        quiet.setLevel(before)


def copies_behind(bootstrap: str) -> int:
    """How many copies of partitions are not in sync with their leader, or have none, Kafka's own topics included."""
    return wait_for(_copies_behind(bootstrap))


async def _copies_behind(bootstrap: str) -> int:
    admin = await connect(bootstrap)
    try:
        found = await admin.describe_topics()
    finally:
        await admin.close()
    parts = [part for topic in found for part in topic["partitions"]]
    return sum(len(set(part["replicas"]) - (set(part["isr"]) if part["leader"] >= 0 else set())) for part in parts)


async def connect(bootstrap: str) -> Any:
    """An admin client, started; the caller closes it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_LIMIT_MS)
    try:
        await admin.start()
    except BaseException:
        await admin.close()
        raise
    return admin
