"""A topic that is not what it was: records deleted, holes, made anew, records larger than a fetch.

INVARIANT: a lane never jumps. Where the record at its cursor cannot be had, it halts, says so, and stays; other lanes go on.
What would break it: an offset reset policy other than "none", a jump to the beginning or the end, or a poll that returns nothing for ever.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from laurel_kit.kafka import CONSUMER
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from tests.fault.loop.broker import cut_before, delete_topics, ends_of, make_topic
from tests.fault.loop.observer import broken_moves, dead_letters, one, positions
from tests.fault.loop.toys import NotingKafka, lane_of, lanes_in, running, toy_reader
from tests.fault.report import record
from tests.integration.kit.toy import HEARD, Toy, applier, said
from tests.integration.kit.toy import record as toy_record
from tests.integration.kit.toy_kafka import fresh_topics, produce, until

pytestmark = pytest.mark.fault

LANE = TopicPartition(HEARD, 0)
GAP_ALARM_SECONDS_MAX = 5.0
RECREATED_ALARM_SECONDS_MAX = 60.0
FETCH_BYTES_MAX = int(CONSUMER["max_partition_fetch_bytes"])


async def alarmed(reader: Reader[Any]) -> bool:
    """The alarm: the lane shows as halted, with its reason, and the counter that the alert rule watches has moved."""
    halts = reader.metrics.registry.get_sample_value("laurel_lane_halts_total", {"topic": HEARD}) or 0
    return len(lanes_in(reader, "halted")) == 1 and halts >= 1


async def stands_at(database: Database, partition: int, offset: int) -> bool:
    return (await positions(database, HEARD)).get(partition) == offset


async def ends_at(bootstrap: str, offset: int) -> bool:
    return (await ends_of(bootstrap, HEARD))[LANE] == offset


async def skipped(database: Database) -> int:
    """Records that the cursor has passed without an effect: here every record is worth one."""
    at = sum((await positions(database, HEARD)).values())
    return int(at - await one(database, "SELECT coalesce(sum(times), 0)::bigint FROM tally"))


async def until_halted(reader: Reader[Any], began: float, limit_seconds: float) -> float:
    await until(partial(alarmed, reader), limit_seconds + 10)
    return monotonic() - began


def judge(test_id: str, what: str, seconds: float, limit: float, silent: int) -> None:
    record(
        test_id, f"{what}: alarm after {seconds:.1f} s, {silent} silent skips", f"halts, alarm <= {limit:.0f} s, 0 silent skips",
        seconds <= limit and silent == 0, seconds=seconds,
    )  # fmt: skip
    assert seconds <= limit
    assert silent == 0


async def test_t_k14_records_deleted_below_the_cursor_halt_the_lane_and_no_other(
    database: Database, bootstrap: str
) -> None:
    """T-K14: while nobody reads, retention deletes what the cursor still needs."""
    await produce(bootstrap, lane_of(150) + lane_of(10, key=2, partition=1))
    await applier(database, Toy()).apply(lane_of(50))
    await cut_before(bootstrap, LANE, 100)
    reader, began = toy_reader(database, bootstrap), monotonic()
    async with running(reader):
        seconds = await until_halted(reader, began, GAP_ALARM_SECONDS_MAX)
        await until(partial(stands_at, database, 1, 10), 10)
        assert "the cursor 50 lies outside [100, 150]" in lanes_in(reader, "halted")[0]
    judge("T-K14", "deleted while stopped", seconds, GAP_ALARM_SECONDS_MAX, await skipped(database))
    assert (await positions(database, HEARD))[0] == 50


async def test_t_k14_records_deleted_under_a_running_lane_halt_it(database: Database, bootstrap: str) -> None:
    """T-K14: the lane waits, and beyond what the client has fetched everything is deleted; then it goes on until there."""
    toy, count = Toy(), 10_000
    records = lane_of(count)
    records[50] = toy_record(UUID(int=1), 51, 50, channel="hold")
    kafka = NotingKafka(bootstrap)
    reader = toy_reader(database, kafka, toy)
    await produce(bootstrap, records)
    async with running(reader):
        await until(partial(stands_at, database, 0, 50), 30)
        await cut_before(bootstrap, LANE, count - 10)
        toy.holds = False
        began = monotonic()
        seconds = await until_halted(reader, began, GAP_ALARM_SECONDS_MAX)
    at = (await positions(database, HEARD))[0]
    judge(
        "T-K14",
        f"deleted under a running lane, stands at {at}",
        seconds,
        GAP_ALARM_SECONDS_MAX,
        await skipped(database),
    )
    assert 50 < at < count - 10
    assert await broken_moves(database) == []


async def test_t_k14_a_hole_between_two_offsets_halts_the_lane(database: Database, bootstrap: str) -> None:
    """T-K14: somebody wrote on our topic with a transaction; its marker takes an offset and is no record."""
    await produce(bootstrap, lane_of(10))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="a stranger")
    await producer.start()
    async with producer.transaction():
        for one_more in lane_of(5, start=10):
            await producer.send(HEARD, one_more.value, key=one_more.key, partition=0, headers=list(one_more.headers))
    await producer.stop()
    await until(partial(ends_at, bootstrap, 16), 30)  # a commit is answered before its marker stands in the lane
    await produce(bootstrap, lane_of(5, start=15))
    reader, began = toy_reader(database, bootstrap), monotonic()
    async with running(reader):
        seconds = await until_halted(reader, began, GAP_ALARM_SECONDS_MAX)
        assert "(1 missing)" in lanes_in(reader, "halted")[0]
    judge("T-K14", "one offset without a record", seconds, GAP_ALARM_SECONDS_MAX, await skipped(database))
    assert (await positions(database, HEARD))[0] <= 15


def large(number: int, offset: int, size: int) -> Any:
    """A good record of exactly `size` bytes: a producer of the future sends a field that we do not know."""
    body = msgspec.json.decode(msgspec.json.encode(said(UUID(int=1), number, "good")))
    body["data"]["filler"] = ""
    body["data"]["filler"] = "x" * (size - len(msgspec.json.encode(body)))
    value = msgspec.json.encode(body)
    assert len(value) == size
    return toy_record(UUID(int=1), number, offset, value=value)


async def test_t_k36_records_at_and_above_the_fetch_limit_do_not_hold_the_lane_up(
    database: Database, bootstrap: str
) -> None:
    """T-K36: what a broker has let in must come out, larger than a fetch or not; what is malformed besides is set aside.
    What would break it: a client that waits for a record to fit, or a value that no dead letter can hold."""
    await delete_topics(bootstrap, [HEARD])
    await make_topic(bootstrap, HEARD, **{"max.message.bytes": str(8 * 1024 * 1024)})
    sizes = [300, FETCH_BYTES_MAX - 1, FETCH_BYTES_MAX, FETCH_BYTES_MAX + 1, 3 * FETCH_BYTES_MAX, 300, 300]
    records = [large(place + 1, place, size) for place, size in enumerate(sizes)]
    broken = toy_record(UUID(int=2), 1, len(records), value=b"{" * (3 * FETCH_BYTES_MAX))
    began, reader = monotonic(), toy_reader(database, bootstrap)
    await _send_large(bootstrap, [*records, broken, *lane_of(3, key=3)])
    async with running(reader):
        await until(partial(stands_at, database, 0, len(records) + 4), 30)
    applied = await one(database, "SELECT times FROM tally WHERE key = :key", key=UUID(int=1).bytes)
    dead = await dead_letters(database)
    record(
        "T-K36", f"{applied} of {len(sizes)} records up to 3 x the fetch limit applied, the malformed one set aside",
        "consumer not stuck; dead letter or producer refusal", applied == len(sizes) and dead == {"undecodable": 1},
        seconds=monotonic() - began,
    )  # fmt: skip
    assert applied == len(sizes)
    assert dead == {"undecodable": 1}
    assert await one(database, "SELECT octet_length(value) FROM dead_letter") == 3 * FETCH_BYTES_MAX


async def test_t_k36_our_own_producer_refuses_what_is_larger(bootstrap: str) -> None:
    """T-K36: what our own readers would have to fetch alone is not sent in the first place."""
    producer = NotingKafka(bootstrap).producer()
    await producer.start()
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(HEARD, b"x" * (FETCH_BYTES_MAX + 1), partition=0)
    finally:
        await producer.stop()
    record("T-K36", "our producer refuses 1 MiB + 1", "refused", True)


async def _send_large(bootstrap: str, records: list[Any]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=16 * 1024 * 1024, acks="all")
    await producer.start()
    for place, one_of_them in enumerate(records):
        lane = LANE.partition
        sent = await producer.send_and_wait(
            HEARD, one_of_them.value, key=one_of_them.key, partition=lane, headers=list(one_of_them.headers)
        )
        assert sent.offset == place
    await producer.stop()


async def test_t_k41_a_topic_made_anew_while_nobody_reads_halts_the_lane(database: Database, bootstrap: str) -> None:
    """T-K41: the cursor is beyond the end of a topic that is a new one."""
    await produce(bootstrap, lane_of(100))
    await applier(database, Toy()).apply(lane_of(100))
    await fresh_topics(bootstrap)
    await produce(bootstrap, lane_of(20))
    reader, began = toy_reader(database, bootstrap), monotonic()
    async with running(reader):
        seconds = await until_halted(reader, began, RECREATED_ALARM_SECONDS_MAX)
        assert "the topic was cut or made anew" in lanes_in(reader, "halted")[0]
    judge("T-K41", "made anew while stopped", seconds, RECREATED_ALARM_SECONDS_MAX, await skipped(database))


@pytest.mark.long  # the client asks for its topics every ten seconds
async def test_t_k41_a_topic_made_anew_under_a_running_reader_halts_its_lanes(
    database: Database, bootstrap: str
) -> None:
    """T-K41: deleted and made again while the reader reads. It must neither read the new records as if they were the old ones, nor wait
    for ever. What would break it: a client that loses its partitions and asks for them again only after minutes."""
    reader = toy_reader(database, bootstrap)
    await produce(bootstrap, lane_of(100))
    async with running(reader):
        await until(partial(stands_at, database, 0, 100), 30)
        await delete_topics(bootstrap, [HEARD])
        began = monotonic()
        await fresh_topics(bootstrap)
        await produce(bootstrap, lane_of(20, key=5))
        seconds = await until_halted(reader, began, RECREATED_ALARM_SECONDS_MAX)
    judge("T-K41", "made anew under a running reader", seconds, RECREATED_ALARM_SECONDS_MAX, await skipped(database))
    assert (await positions(database, HEARD))[0] == 100


@pytest.mark.long  # the client asks for its topics every ten seconds
async def test_t_k41_a_topic_that_is_gone_is_an_alarm_of_its_own(database: Database, bootstrap: str) -> None:
    """T-K41: deleted and not made again: no lane is left that could halt. What would break it: an alarm that only lanes can give."""
    reader = toy_reader(database, bootstrap)
    await produce(bootstrap, lane_of(100))
    async with running(reader):
        await until(partial(stands_at, database, 0, 100), 30)
        began = monotonic()
        await delete_topics(bootstrap, [HEARD])
        seconds = await until_halted(reader, began, RECREATED_ALARM_SECONDS_MAX)
        assert lanes_in(reader, "halted") == ["the topic has gone from the broker"]
    judge("T-K41", "deleted for good", seconds, RECREATED_ALARM_SECONDS_MAX, await skipped(database))


async def test_t_k41_a_new_topic_that_is_longer_than_the_cursor_is_found_out_by_its_numbers(
    database: Database, bootstrap: str
) -> None:
    """T-K41: the cursor lies within the new topic, so offsets alone say nothing; the members' numbers do."""
    await produce(bootstrap, lane_of(100))
    await applier(database, Toy()).apply(lane_of(100))
    await fresh_topics(bootstrap)
    await produce(bootstrap, lane_of(150, key=5))
    reader, began = toy_reader(database, bootstrap), monotonic()
    async with running(reader):
        seconds = await until_halted(reader, began, RECREATED_ALARM_SECONDS_MAX)
        assert "number 101 follows 0" in lanes_in(reader, "halted")[0]
    judge(
        "T-K41", "made anew and longer than the cursor", seconds, RECREATED_ALARM_SECONDS_MAX, await skipped(database)
    )
