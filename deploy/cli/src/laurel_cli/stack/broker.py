"""What we ask a running Kafka: does it serve, and which topics with how many partitions does it hold."""

from __future__ import annotations

import logging
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from .blocking import wait_for
from .ports import is_open

# A node on loopback answers in milliseconds; a user's own Kafka may be far away.
REQUEST_LIMIT_MS = 10_000


def serves(bootstrap: str) -> bool:
    """True when a broker is there and unfenced: only such a one appears in its own metadata."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    if not is_open(int(port), host):
        return False
    return wait_for(_serves(bootstrap))


async def _serves(bootstrap: str) -> bool:
    quiet = logging.getLogger("aiokafka")
    before = quiet.level
    quiet.setLevel(logging.CRITICAL)  # refusals are what we wait through; they are not news
    try:
        admin = await connect(bootstrap)
    except (KafkaError, OSError):
        return False
    finally:
        quiet.setLevel(before)
    try:
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


async def connect(bootstrap: str) -> Any:
    """An admin client, started; the caller closes it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_LIMIT_MS)
    try:
        await admin.start()
    except BaseException:
        await admin.close()
        raise
    return admin
