"""A producer that is out of order for ever: the broker refuses every further batch of it, as it does after a blip (aiokafka issue 1017).

INVARIANT: the relay goes on within seconds and without a restart, in order, with nothing lost. What would break it: keeping the producer
after an error, waiting long for its stop, or blocking more than the partition that failed. The producer and the refusal are real: its
sequence numbers are moved ahead, and from then on the broker answers OUT_OF_ORDER_SEQUENCE_NUMBER.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from sqlalchemy import text

from laurel_kit import sql
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from tests.fault.relay.talking import judge, next_words
from tests.fault.report import record
from tests.integration.kit import toy
from tests.integration.kit.toy_kafka import PARTITIONS, until

TEST_ID = "T-K30"
SECONDS_MAX = 5.0
BAR = "said again <= 5 s, no restart, lost 0, order violations 0"
MEMBERS = [UUID(int=n) for n in range(1, 33)]
COUNT = text("SELECT count(*) FROM outbox")


class Breaking(Kafka):
    """Keeps the producers it has given, so that a test can break them."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap, client_id="breaking")
        self.given: list[AIOKafkaProducer] = []

    def producer(self) -> AIOKafkaProducer:
        self.given.append(super().producer())
        return self.given[-1]

    def break_last(self) -> None:
        """The broker refuses whatever this producer sends from now on."""
        for partition in range(PARTITIONS):
            self.given[-1]._txn_manager.increment_sequence_number(TopicPartition(toy.SAID, partition), 7)


async def say(database: Database) -> None:
    """One more number of everybody."""
    async with database.transaction() as tx:
        store = toy.ToyStore(tx)
        tallies = await store.lock({member.bytes for member in MEMBERS})
        await tx.copy("outbox", sql.OUTBOX_COLUMNS, next_words(MEMBERS, tallies))
        await store.save(tallies)


async def empty(database: Database) -> bool:
    async with database.reading() as tx:
        return bool((await tx.run(COUNT)).scalar_one() == 0)


@pytest.mark.fault
async def test_a_producer_that_is_broken_for_ever_is_replaced_within_seconds(database_url: str, bootstrap: str) -> None:
    """T-K30: permanent error after the first batch, three producers in a row."""
    database, kafka = Database(database_url, application_name="broken"), Breaking(bootstrap)
    relay, stop, slowest = Relay(database, kafka), asyncio.Event(), 0.0
    running = asyncio.create_task(relay.run(stop))
    began = time.monotonic()
    try:
        await say(database)
        await until(lambda: empty(database), 30)
        for _ in range(3):
            kafka.break_last()
            broken_at = time.monotonic()
            await say(database)
            await until(lambda: empty(database), 30)
            slowest = max(slowest, time.monotonic() - broken_at)
            await say(database)
            await until(lambda: empty(database), 30)
    finally:
        stop.set()
        await running
    heard = await judge(database, bootstrap)
    await database.close()
    holds = slowest <= SECONDS_MAX and heard.lost == heard.unordered == 0
    figure = (
        f"{len(kafka.given)} producers, said again after at most {slowest:.2f} s; lost {heard.lost}, order violations"
        f" {heard.unordered}, repeated {heard.doubled}"
    )
    record(TEST_ID, figure, BAR, holds, seconds=time.monotonic() - began)
    assert holds, figure
    assert len(kafka.given) == 4, "the broker has not refused: this proves nothing"
