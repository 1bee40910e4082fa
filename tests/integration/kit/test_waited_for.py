"""Somebody wants a row that a batch has locked: the batch tells, and the loop takes fewer records at a time until nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from laurel_cli.stack import Stack
from laurel_kit.batch_size import BATCH_RECORDS_WAITED_FOR
from laurel_kit.hearing import Heard
from laurel_kit.isolating import apply_isolating
from laurel_kit.postgres import Database

from .test_applying import rows
from .test_reading import applied, reader, running
from .toy import HEARD, Toy, ToyStore, applier, record
from .toy_kafka import fresh_topics, journey, produce, until

ANNA = UUID(int=1)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Wanted(Toy):
    """While a batch holds its first key, somebody else asks for it, as often as told."""

    def __init__(self, database: Database, times: int) -> None:
        super().__init__()
        self.database = database
        self.times = times
        self.callers: list[asyncio.Task[None]] = []

    async def add_up(self, batch: Sequence[Heard], store: ToyStore) -> None:
        if batch and len(self.callers) < self.times:
            key = batch[0].key
            assert key is not None
            await store.lock({key})
            self.callers.append(asyncio.create_task(self._ask_for(key)))
            await until(self._somebody_waits, 10)
        await super().add_up(batch, store)

    async def _ask_for(self, key: bytes) -> None:
        async with self.database.transaction() as tx:
            await ToyStore(tx).lock({key})

    async def _somebody_waits(self) -> bool:
        return (await rows(self.database, WAITING)) != [(0,)]


@pytest.fixture
async def bootstrap(kafka: Stack) -> str:
    await fresh_topics(kafka.kafka_bootstrap)
    return kafka.kafka_bootstrap


async def test_a_batch_tells_whether_somebody_waited_for_it(database: Database) -> None:
    """What would break it: a question that sees waiters of others, or none."""
    wanted = Wanted(database, times=1)
    heart = applier(database, wanted)
    assert await heart.apply([record(ANNA, 1, 0)])
    await asyncio.gather(*wanted.callers)  # else he may still be on his way to the row, and wait for the next batch
    assert not await heart.apply([record(ANNA, 2, 1)])
    assert heart.metrics.waited_for._value.get() == 1


async def test_that_somebody_waited_is_known_also_where_poison_cuts_the_batch(database: Database) -> None:
    bad = record(ANNA, 2, 1, channel="boom")
    wanted = Wanted(database, times=3)  # together, the first one alone, the second one alone
    lanes: dict[Any, Any] = {(HEARD, 0): (0, [record(ANNA, 1, 0), bad])}
    outcome = await apply_isolating(applier(database, wanted), lanes)
    await asyncio.gather(*wanted.callers)
    assert outcome.waited_for
    assert outcome.reached == {(HEARD, 0): 2}


async def test_the_loop_takes_less_at_a_time_while_somebody_waits(database: Database, bootstrap: str) -> None:
    """What would break it: a size that shrinks for slow statements only; a till would wait for all of a thousand."""
    wanted = Wanted(database, times=3)
    loop = reader(database, bootstrap, wanted)
    await produce(bootstrap, journey(members=40, numbers=100))

    async def all_applied() -> bool:
        return await applied(database, 4_000)

    async with running(loop):
        await until(all_applied, 60)
    await asyncio.gather(*wanted.callers)
    assert len(wanted.callers) == 3
    assert max(wanted.batches[1:4]) <= BATCH_RECORDS_WAITED_FOR, wanted.batches
    assert loop.batch_size.records > BATCH_RECORDS_WAITED_FOR  # and grows again
