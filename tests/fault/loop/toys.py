"""The toy service behind the real Reader, with witnesses: what the client delivered, what was handled, and a batch that is held back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from laurel_contracts.activities import MemberSignedIn
from laurel_kit.hearing import Heard, RawRecord, hears
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from tests.integration.kit.toy import GROUP, HEARD, Toy, ToyStore, record, skip_number
from tests.integration.kit.toy_kafka import PARTITIONS

SESSION_SECONDS = 2.0


class NotingToy(Toy):
    """Notes the offset of every record that came into a handler, committed or not."""

    def __init__(self) -> None:
        super().__init__()
        self.handled: list[tuple[int, int]] = []

    async def add_up(self, batch: Sequence[Heard], store: ToyStore) -> None:
        self.handled += [(heard.partition, heard.offset) for heard in batch]
        await super().add_up(batch, store)


class NotingKafka(Kafka):
    """Notes what the client handed out, whether or not the loop took it."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap, client_id=GROUP, session_seconds=SESSION_SECONDS)
        self.delivered: list[tuple[int, int]] = []
        self.polls = 0

    def consumer(self, group: str) -> AIOKafkaConsumer:
        consumer = super().consumer(group)
        getmany = consumer.getmany

        async def noted(*partitions: Any, **options: Any) -> Any:
            self.polls += 1
            fetched = await getmany(*partitions, **options)
            self.delivered += [(tp.partition, one.offset) for tp, records in fetched.items() for one in records]
            return fetched

        consumer.getmany = noted
        return consumer


class HeldBatch:
    """Keeps the next batch of a reader from its transaction until it is let go, as a stopped process would."""

    def __init__(self, reader: Reader[Any]) -> None:
        self.taken = asyncio.Event()
        self.let_go = asyncio.Event()
        self.lanes: dict[tuple[str, int], int] = {}
        self.outcome = ""
        self._apply = reader.applier.apply
        reader.applier.apply = self._hold  # type: ignore[method-assign]

    async def _hold(self, records: Sequence[Any], *, starts: Mapping[tuple[str, int], int] | None = None) -> bool:
        if self.taken.is_set():
            return await self._apply(records, starts=starts)
        self.lanes = dict(starts or {})
        self.taken.set()
        await self.let_go.wait()
        try:
            waited_for = await self._apply(records, starts=starts)
        except Exception as error:
            self.outcome = type(error).__name__
            raise
        self.outcome = "committed"
        return waited_for


def toy_reader(database: Database, kafka: Kafka | str, toy: Toy | None = None, **options: Any) -> Reader[ToyStore]:
    """The toy as the kit runs it; a killed member's partitions go on after two seconds."""
    if isinstance(kafka, str):
        kafka = Kafka(kafka, client_id=GROUP, session_seconds=SESSION_SECONDS)
    return Reader(
        database, group=GROUP, listens_to=(hears(HEARD, (toy or Toy()).add_up, MemberSignedIn),), open_store=ToyStore,
        kafka=kafka, partitions=PARTITIONS, skip_number=skip_number, **options,
    )  # fmt: skip


@asynccontextmanager
async def running(*parts: Reader[Any] | Relay) -> AsyncIterator[None]:
    """All parts until the end of the block; what one of them raises ends the test."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part.run(stop))
        try:
            yield
        finally:
            stop.set()


def lane_of(count: int, *, start: int = 0, key: int = 1, partition: int = 0) -> list[RawRecord]:
    """Records of one key in one lane, numbered as they stand."""
    return [record(UUID(int=key), number + 1, number, partition=partition) for number in range(start, start + count)]


def lanes_in(reader: Reader[Any], state: str) -> list[str]:
    """The reasons of all lanes in this state."""
    return [lane["reason"] for lane in reader.lane_reports() if lane["state"] == state]
