"""What is sent through: real baskets (Complete Journey, in time order) as the door lays them on `activities`, members cloned to about
100,000 random ids. `spoilt` adds what a real log has: records said twice, and a stretch that was sent again after a crash."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from aiokafka import AIOKafkaProducer

from laurel_contracts.activities import OrderLine, PurchaseRecorded
from laurel_contracts.decisions import ProgrammeActivated
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, encode
from laurel_contracts.registry import TYPE_OF
from laurel_kit.partitions import partition_of
from tests.support.complete_journey import CURRENCY, ZONE, Basket, all_baskets

PARTITIONS = 16
CLONES = 40  # of 2,469 households: about 100,000 members
SEED = 7
TWICE_SHARE = 0.01
SAID_AGAIN = 500  # records of one partition, sent again in one piece
BATCH_BYTES = 900_000
NAMESPACE = uuid.UUID(int=7)
TYPE = TYPE_OF[PurchaseRecorded]


class Message(msgspec.Struct, gc=False):
    """One record to be laid on a topic, and what an independent count needs of it."""

    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    amount_minor: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What must have come of a set of purchases, counted without any of our services."""

    events: int
    members: int
    amount_minor: int
    points: int
    statements: int  # purchases that earn at least one point

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Expected:
        """One point per whole unit, rounded down per order: nobody is above the lowest tier when only points-svc runs."""
        amounts = [message.amount_minor for message in messages]
        keys = {message.key for message in messages}
        earning = sum(amount >= 100 for amount in amounts)
        return cls(len(amounts), len(keys), sum(amounts), sum(amount // 100 for amount in amounts), earning)


def member_id(household: int, clone: int, world: str) -> uuid.UUID:
    """A random-looking id that is the same in every run."""
    return uuid.uuid5(NAMESPACE, f"{world}|{household}|{clone}")


def purchases(count: int, *, world: str = "bench", skip: int = 0, clones: int = CLONES) -> list[Message]:
    """The first so many baskets after `skip`, numbered per member."""
    numbers: dict[uuid.UUID, int] = {}
    ids: dict[tuple[int, int], tuple[uuid.UUID, int]] = {}
    rng = random.Random(f"{SEED} {world}")
    told: list[Message] = []
    for basket in all_baskets()[skip : skip + count]:
        who = (basket.household_id, rng.randrange(clones))
        if who not in ids:
            made = member_id(*who, world)
            ids[who] = (made, partition_of(made.bytes, PARTITIONS))
        member, partition = ids[who]
        number = numbers[member] = numbers.get(member, 0) + 1
        told.append(_message(basket, member, partition, number, f"{world}-{skip + len(told)}"))
    return told


def _message(basket: Basket, member: uuid.UUID, partition: int, number: int, event_id: str) -> Message:
    lines = tuple(
        OrderLine(line_id=x.line_id, sku=x.sku, category=x.category, quantity=x.quantity, amount_minor=x.amount_minor)
        for x in basket.lines
    )
    data = PurchaseRecorded(
        order_id=str(basket.basket_id), channel="store", store_id=str(basket.store_id), currency=CURRENCY, lines=lines,
        amount_minor=basket.amount_minor,
    )  # fmt: skip
    event = Event(
        id=event_id, source="member-svc", type=TYPE, time=basket.time, subject=member, memberseq=number,
        programmeversion=1, localday=local_day(basket), data=data,
    )  # fmt: skip
    headers = [(HEADER_TYPE, TYPE.encode()), (HEADER_ID, event_id.encode()), (HEADER_NUMBER, b"%d" % number)]
    return Message(partition, member.bytes, encode(event), headers, basket.amount_minor)


def local_day(basket: Basket) -> date:
    """As the door stamps it."""
    return basket.time.astimezone(ZONE).date()


def activations(sha256: str, at: datetime) -> list[Message]:
    """Version 1 comes into force, on every partition."""
    kind = TYPE_OF[ProgrammeActivated]
    messages = []
    for partition in range(PARTITIONS):
        event = Event(
            id=f"activated-{partition}", source="member-svc", type=kind, time=at,
            data=ProgrammeActivated(version=1, sha256=sha256, effective_from=None),
        )  # fmt: skip
        headers = [(HEADER_TYPE, kind.encode()), (HEADER_ID, event.id.encode())]
        messages.append(Message(partition, None, encode(event), headers))
    return messages


def spoilt(messages: Sequence[Message]) -> list[Message]:
    """The same with 1 % of the records said twice, some records later, and one stretch of a partition sent again as a whole, as a
    relay does that died before it could note the acknowledgement."""
    rng = random.Random(SEED)
    lanes: dict[int, list[Message]] = {}
    for message in messages:
        lane = lanes.setdefault(message.partition, [])
        lane.append(message)
        if rng.random() < TWICE_SHARE:
            lane.append(lane[rng.randrange(max(0, len(lane) - 50), len(lane))])
    longest = max(lanes.values(), key=len)
    middle = len(longest) // 2
    again = longest[max(0, middle - SAID_AGAIN) : middle]
    longest[middle:middle] = again
    return [message for lane in lanes.values() for message in lane]


async def lay(bootstrap: str, topic: str, messages: Iterable[Message]) -> dict[int, int]:
    """Produce everything, in order per partition; the end offset of each partition."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES
    )
    await producer.start()
    try:
        lanes: dict[int, list[Message]] = {}
        for message in messages:
            lanes.setdefault(message.partition, []).append(message)
        ends = {}
        for partition, lane in lanes.items():
            ends[partition] = await _lay_lane(producer, topic, partition, lane)
        return ends
    finally:
        await producer.stop()


async def _lay_lane(producer: AIOKafkaProducer, topic: str, partition: int, lane: Sequence[Message]) -> int:
    start = end = 0
    while start < len(lane):
        batch, stop = producer.create_batch(), start
        for message in lane[start:]:
            stamp = int(time.time() * 1000)
            if not batch.append(timestamp=stamp, key=message.key, value=message.value, headers=message.headers):
                break
            stop += 1
        batch.close()
        sent = await (await producer.send_batch(batch, topic, partition=partition))
        end = sent.offset + stop - start
        start = stop
    return end
