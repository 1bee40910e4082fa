"""After a restore from a backup our own topic knows more than the database: what is lacking is adopted before the door opens, and no
number is given twice. And: everything can be said again, as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from laurel_cli.stack import Stack, throwaway_stack
from laurel_cli.stack.topics import Topic, ensure_topics
from laurel_contracts import registry
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE
from laurel_kit.decoding import Decoding
from laurel_kit.hearing import BrokenNumbers, Heard, RawRecord
from laurel_kit.kafka import Kafka
from laurel_kit.replay import read_topic
from member_svc.handlers.adopt_log import adopt_log
from member_svc.handlers.close_days import close_day
from member_svc.handlers.register_member import register_member
from member_svc.handlers.say_again import say_all_again, say_member_again
from tests.integration.member_svc.world import World, verdicts

# What must be equal; identifiers never travel, so they cannot be adopted.
BOOKS = {
    "member": "SELECT member_id, partition, last_seq, state FROM member ORDER BY 1",
    "activity": "SELECT member_id, member_seq, partition, type, source, id, time, local_day, version, body FROM activity ORDER BY 1, 2",
    "claim": "SELECT key, activity, content FROM claim ORDER BY 1",
    "purchase_order": "SELECT order_key, member_id, member_seq, amount_minor, left_minor, refunded FROM purchase_order ORDER BY 1",
    "member_status": "SELECT member_id, state, enrolled_at, tier FROM member_status ORDER BY 1",
    "day_closing": "SELECT as_of, local_day, version FROM day_closing ORDER BY 1",
    "activation": "SELECT version, sha256, effective_from, currency, zone FROM activation ORDER BY 1",
}


async def live(world: World) -> None:
    """A little of everything."""
    await world.take(
        world.purchase("o-1", 500, 300), world.refund("o-1", "r-1", {"l1": (1, 200)}), world.refund("o-1", "r-2", 100),
        world.review("o-1", line_id="l2"), world.sign_in(), world.sign_in("2"), world.purchase("o-2", phone="2"),
        world.report("activity.joined", {"activity_id": "quiz", "identifier": {"kind": "phone", "value": "2"}}),
    )  # fmt: skip
    await world.change(lambda store: register_member([("phone", "1")], None, None, store))
    await world.change(lambda store: close_day(date(2018, 1, 9), store))
    await world.take(world.refund("o-2", "r-3", 1))


async def records_of(world: World) -> list[RawRecord]:
    """What the relay would say, as it would come back from Kafka."""
    rows = await world.rows("SELECT * FROM outbox WHERE topic = 'activities' ORDER BY id")
    return [
        RawRecord("activities", row.partition, offset, row.key, row.body, headers_of(row))
        for offset, row in enumerate(rows)
    ]


def headers_of(row: Any) -> list[tuple[str, bytes]]:
    headers = [(HEADER_TYPE, row.type.encode()), (HEADER_ID, row.event_id.encode())]
    return headers if row.number is None else [*headers, (HEADER_NUMBER, str(row.number).encode())]


async def heard_of(records: list[RawRecord]) -> list[Heard]:
    decoding = Decoding(registry.decoder)
    return [heard for record in records if isinstance(heard := decoding.heard(record), Heard)]


async def publish_only(world: World) -> None:
    """The programme's document is in the backup; that it is in force stands in the topic."""
    await world.put_in_force()
    async with world.database.transaction() as tx:
        await tx.run(text("DELETE FROM activation"))
        await tx.run(text("DELETE FROM outbox"))


async def adopt(world: World, heard: Sequence[Heard]) -> int:
    return await world.change(lambda store: adopt_log(heard, store))


async def books(world: World) -> dict[str, list[Any]]:
    return {name: await world.rows(sql) for name, sql in BOOKS.items()}


@pytest.mark.parametrize("cut", [0, 1, 3, 1000], ids=lambda cut: f"cut after {cut}")
async def test_what_the_topic_knows_is_adopted_wherever_it_is_cut(world: World, restored: World, cut: int) -> None:
    await live(world)
    await publish_only(restored)
    heard = await heard_of(await records_of(world))
    for piece in (heard[:cut], heard[cut:]):
        await adopt(restored, piece)
    assert await books(restored) == await books(world)
    assert await adopt(restored, heard) == 0  # again: nothing is lacking


async def test_after_adoption_the_door_goes_on_where_the_topic_ends(world: World, restored: World) -> None:
    await live(world)
    await publish_only(restored)
    heard = await heard_of(await records_of(world))
    await adopt(restored, heard)
    one = next(entry.member_id for entry in heard if entry.type == "laurel.purchase.recorded.v1")
    outcomes = await restored.take(
        restored.purchase("o-1", 500, 300, phone="other", source="pos/2"),
        restored.refund("o-1", "r-4", 501, source="pos/2"),
        restored.refund("o-1", "r-4", 500, source="pos/2"),
        restored.sign_in(phone=None, subject=str(one), source="pos/2"),
    )
    assert verdicts(outcomes) == ["duplicate", "refused:above_what_is_left", "accepted", "duplicate"]
    assert outcomes[2].member_seq == await world.value(
        "SELECT last_seq + 1 FROM member WHERE member_id = :one", one=one
    )


async def test_a_gap_in_the_topic_keeps_the_door_shut(world: World, restored: World) -> None:
    await live(world)
    await publish_only(restored)
    heard = [entry for entry in await heard_of(await records_of(world)) if entry.number != 2]
    with pytest.raises(BrokenNumbers):
        await adopt(restored, heard)


async def test_everything_is_said_again_as_it_was_and_in_the_same_order(world: World) -> None:
    await live(world)
    before = await world.rows("SELECT topic, partition, key, type, event_id, number, body FROM outbox ORDER BY id")
    async with world.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
    assert await world.change(say_all_again) == len(before)
    assert (
        await world.rows("SELECT topic, partition, key, type, event_id, number, body FROM outbox ORDER BY id") == before
    )


async def test_one_members_stream_is_said_again(world: World) -> None:
    await live(world)
    one = await world.member_of("1")
    before = await world.rows("SELECT event_id, number, body FROM outbox WHERE key = :key ORDER BY id", key=one.bytes)
    async with world.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
    assert await world.change(lambda store: say_member_again(one, store)) == len(before)
    assert await world.rows("SELECT event_id, number, body FROM outbox ORDER BY id") == before


@pytest.fixture(scope="session")
def member_kafka() -> Iterator[Stack]:
    with throwaway_stack(only=("kafka",)) as stack:
        yield stack


async def test_a_topic_is_read_from_given_offsets_to_its_end(member_kafka: Stack) -> None:
    await asyncio.to_thread(ensure_topics, member_kafka.kafka_bootstrap, [Topic("activities", 4, -1)])
    kafka = Kafka(member_kafka.kafka_bootstrap, client_id="test")
    producer = kafka.producer()
    await producer.start()
    try:
        for partition, amount in ((0, 5), (1, 3), (2, 1)):
            for number in range(amount):
                await producer.send_and_wait("activities", str(number).encode(), partition=partition)
    finally:
        await producer.stop()
    found = [(r.partition, r.value) async for r in read_topic(kafka, "activities", {0: 3, 1: 0, 2: 1, 3: 0})]
    assert sorted(found) == [(0, b"3"), (0, b"4"), (1, b"0"), (1, b"1"), (1, b"2")]


async def test_no_day_is_closed_while_everything_is_said_again(world: World) -> None:
    """Its record would stand before all that is said again, and a reader that is rebuilt would take the whole history for late."""
    await world.take(world.purchase("o-1", 500))
    async with world.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
    async with world.database.transaction() as tx:
        await say_all_again(world.open_store(tx))
        closing = asyncio.create_task(world.change(lambda store: close_day(date(2018, 1, 9), store)))
        await world.until_locked_out(closing)
        assert not closing.done()
    assert (await closing).records == 4
    said = [event.type.split(".")[1] for event in await world.said()]
    assert said == ["programme"] * 4 + ["purchase"] + ["day"] * 4
