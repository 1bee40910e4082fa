"""The relay: says the outbox on Kafka, in order per partition, and deletes what the broker has acknowledged. The one thing not to break:
exactly the acknowledged ids are deleted; there is no high-water mark, because ids commit out of order."""

from __future__ import annotations

import asyncio

from laurel_kit.kafka import Kafka, as_kafka
from laurel_kit.postgres import Database
from laurel_kit.telemetry import KitMetrics


class Relay:
    """Says what the outbox holds. One process per service leads, by an advisory lock on a session of its own."""

    def __init__(self, database: Database, kafka: Kafka | str, *, metrics: KitMetrics | None = None) -> None:
        self.database = database
        self.kafka = as_kafka(kafka, f"{database.application_name}-relay")
        self.metrics = metrics or KitMetrics(database.application_name)
        self.running = False
        self.is_leader = False
        self.sent_total = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then what is left is said for a moment longer."""
        raise NotImplementedError
