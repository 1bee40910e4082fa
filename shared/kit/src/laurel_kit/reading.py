"""The consume loop: lanes, gates, pauses, and when to give up. The one thing not to break: a partition is processed only after the loop
itself has read the cursor and sought to it; the rebalance listener sets flags and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from laurel_kit.applying import Applier, SkipNumber
from laurel_kit.gates import Gate
from laurel_kit.hearing import Hearing, RawRecord
from laurel_kit.kafka import Kafka, as_kafka
from laurel_kit.postgres import Database, Transaction
from laurel_kit.telemetry import KitMetrics

S = TypeVar("S")

BATCH_RECORDS_MAX = 1_000

__all__ = ["Applier", "RawRecord", "Reader"]


class Reader(Generic[S]):
    """Reads what `listens_to` names and applies it, a bounded batch at a time."""

    def __init__(
        self,
        database: Database,
        *,
        group: str,
        listens_to: Sequence[Hearing[S]],
        open_store: Callable[[Transaction], S],
        kafka: Kafka | str,
        gates: Mapping[str, Gate] | None = None,
        batch_records_max: int = BATCH_RECORDS_MAX,
        metrics: KitMetrics | None = None,
        skip_number: SkipNumber[S] | None = None,
        holes_allowed: frozenset[str] | set[str] = frozenset(),
        partitions: int | None = None,
    ) -> None:
        self.applier = Applier(
            database, group=group, listens_to=listens_to, open_store=open_store, skip_number=skip_number,
            holes_allowed=holes_allowed, metrics=metrics,
        )  # fmt: skip
        self.database = database
        self.group = group
        self.kafka = as_kafka(kafka, group)
        self.gates = dict(gates or {})
        self.batch_records_max = batch_records_max
        self.partitions = partitions
        self.running = False
        self.assigned = False
        self.polled_at = 0.0
        self.moved_total = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        raise NotImplementedError

    async def end_offsets(self) -> dict[tuple[str, int], int]:
        """The end of every partition we read, from the broker."""
        return {}

    def lane_reports(self) -> list[dict[str, Any]]:
        """What every lane is doing, and why it is not going on."""
        return []
