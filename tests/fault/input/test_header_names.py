"""T-K21, beyond kind 68: a header's name that is no UTF-8. Kafka takes any bytes; the client that we read with does not."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from tests.fault.input.malformed import sale, text
from tests.fault.input.sending import CHANNELS, accepted, settle
from tests.support.shop import Shop

BATCH_BYTES = 100_000


class AnyBytes(str):
    """A header's name whose bytes are not what it says."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe\x80"


async def produce_batch(bootstrap: str, topic: str, values: list[bytes], bad: int, compression: int) -> None:
    """One batch; the record number `bad` has such a header."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(
            magic=2, compression_type=compression, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0,
            batch_size=BATCH_BYTES,
        )  # fmt: skip
        for number, value in enumerate(values):
            batch.append(
                key=None, value=value, timestamp=None, headers=[(AnyBytes("x"), b"v")] if number == bad else []
            )
        await (await producer.send_batch(batch, topic, partition=2))
    finally:
        await producer.stop()


@pytest.mark.fault
@pytest.mark.parametrize("compression", [0, 3], ids=["plain", "lz4"])
def test_a_header_name_that_is_no_utf_8_stops_nobody_and_its_record_is_taken(shop: Shop, compression: int) -> None:
    """T-K21: broken by reading with aiokafka as it is: `getmany` raises for ever, and every process that reads the partition ends."""
    words = [f"name-{compression}-{number}" for number in range(7)]
    values = [text(sale(word)) for word in words]
    asyncio.run(produce_batch(shop.stack.kafka_bootstrap, CHANNELS, values, 3, compression))
    asyncio.run(produce_batch(shop.stack.kafka_bootstrap, CHANNELS, [text(sale(f"name-{compression}-z"))], -1, 0))
    settle(shop)
    taken = accepted(shop, f"pos/name-{compression}-")
    assert sorted(taken) == sorted((f"pos/{word}", f"sale-{word}") for word in [*words, f"name-{compression}-z"])
