"""The loop fetches what came into being during a batch before it begins the next one, and leaves nothing with the client meanwhile (ADR
0020). The client is played here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from laurel_kit import reading
from laurel_kit.failures import Verdict
from laurel_kit.hearing import RawRecord
from laurel_kit.isolating import LaneStopped, Outcome
from laurel_kit.lanes import BUFFER_RECORDS_MAX, Lane
from laurel_kit.postgres import Database
from laurel_kit.reading import FRESH_SECONDS_MAX, POLL_SECONDS, Reader
from tests.support.shop import Deadline

TOPIC = "activities"
TP = TopicPartition(TOPIC, 0)
POLL_MS, FRESH_MS = int(POLL_SECONDS * 1000), int(FRESH_SECONDS_MAX * 1000)


class Client:
    """What each poll gives, in turn: so many records; and for how long the loop would have waited."""

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)
        self.waits_ms: list[int] = []
        self._offset = 0

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({TP})

    def paused(self) -> frozenset[TopicPartition]:
        return frozenset()

    async def getmany(
        self, *wanted: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[RawRecord]]:
        assert wanted, "who asks for no partition is given all"
        if TP not in wanted:
            return {}
        self.waits_ms.append(timeout_ms)
        count = min(self.counts.pop(0) if self.counts else 0, max_records)
        first, self._offset = self._offset, self._offset + count
        return {TP: [RawRecord(TOPIC, 0, first + place, None, b"") for place in range(count)]} if count else {}


@pytest.fixture
async def reader() -> AsyncIterator[Reader[Any]]:
    """A reader with one open lane, that is not run."""
    database = Database("postgresql://nobody@nowhere/nothing", application_name="test")
    reader: Reader[Any] = Reader(
        database, group="test", listens_to=(), open_store=lambda tx: tx, kafka="nowhere:1", batch_records_max=10
    )
    reader.lanes[TP] = Lane(TOPIC, 0, 0, 0.0)
    yield reader
    await database.close()


async def test_what_came_during_the_last_batch_is_joined_by_what_came_since(reader: Reader[Any]) -> None:
    """What would break it: beginning with what was fetched when the last batch began; then every record waits for two batches."""
    client = Client(3, 4)
    await reader._fetch(client)
    assert client.waits_ms == [0, FRESH_MS]
    assert reader._ready() == 7


async def test_a_full_batch_waits_for_nothing(reader: Reader[Any]) -> None:
    """What would break it: five milliseconds of rest per batch while there is a backlog."""
    client = Client(10, 0)
    await reader._fetch(client)
    assert client.waits_ms == [0, 0]
    client = Client(10)
    await reader._fetch(client)
    assert client.waits_ms == [0]  # asked all the same: a client that is not polled is taken for dead


async def test_who_has_nothing_to_do_waits_in_the_client_and_takes_what_comes_at_once(reader: Reader[Any]) -> None:
    """What would break it: a rest after the record that a till is waiting for."""
    client = Client(0, 1)
    await reader._fetch(client)
    assert client.waits_ms == [0, POLL_MS]
    assert reader._ready() == 1


async def test_while_a_batch_is_applied_what_comes_is_taken_from_the_client(
    reader: Reader[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would break it: records that lie with the client for more than 0.1 s. It then asks for the partitions that have nothing, and
    until that is answered, which takes up to 0.2 s, it asks for no other. And: a poll of this kind that counts for the watchdog."""
    client, goes_on = Client(2, 3, 4), asyncio.Event()
    await reader._fetch(client)
    polled_at = reader.polled_at

    async def long_batch() -> None:
        await goes_on.wait()

    monkeypatch.setattr(reader, "_apply_next", long_batch)
    applying = asyncio.create_task(reader._apply_and_fetch(client))
    until = Deadline(10)
    while reader._ready() < 9:
        assert not until.passed(), "nothing is taken while a batch is applied"
        await asyncio.sleep(0)
    goes_on.set()
    await applying
    assert reader.polled_at == polled_at


async def test_a_loop_that_is_ended_ends_its_batch_too(reader: Reader[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What would break it: a transaction that goes on behind a process that has given up its lanes."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def endless_batch() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(reader, "_apply_next", endless_batch)
    applying = asyncio.create_task(reader._apply_and_fetch(Client()))
    await began.wait()
    applying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await applying
    assert ended.is_set()


async def test_a_full_lane_is_not_asked_for_and_not_paused(reader: Reader[Any]) -> None:
    """What would break it: a pause. The client throws away what it has fetched for a paused partition and fetches it again; a backlog in
    one of four partitions was worked off at a third of the pace."""
    client = Client(BUFFER_RECORDS_MAX, 5)
    reader.batch_size.most = reader.batch_size.records = BUFFER_RECORDS_MAX
    assert await reader._take(client, 0.0)
    assert await reader._take(client, 0.0)
    assert (reader._ready(), client.counts) == (BUFFER_RECORDS_MAX, [5])


async def test_a_lane_that_was_halted_while_its_batch_was_applied_stays_halted(reader: Reader[Any]) -> None:
    """What would break it: a hold at the end of the batch that opens it again. What its buffer had is gone, and on a topic with holes
    nobody would notice."""
    lane = reader.lanes[TP] = Lane(TOPIC, 0, 0, 0.0, holes_allowed=True)
    await reader._take(Client(5), 0.0)
    reader._halt(lane, "the broker has no offset 5")
    reader._settle(Outcome({}, {(TOPIC, 0): LaneStopped(0, Verdict.HOLD, "not loaded")}))
    assert lane.state == "halted"


async def test_who_cannot_be_polled_is_not_waited_for_twice(reader: Reader[Any]) -> None:
    """What would break it: two polls that wait for the same rebalance; a process that is asked to end has ten seconds for everything."""

    class Rebalancing(Client):
        async def getmany(
            self, *wanted: TopicPartition, timeout_ms: int, max_records: int
        ) -> dict[TopicPartition, list[RawRecord]]:
            self.waits_ms.append(timeout_ms)
            raise TimeoutError

    client, polled_at = Rebalancing(), reader.polled_at
    await reader._fetch(client)
    assert (client.waits_ms, reader.polled_at) == ([0], polled_at)


async def test_a_corrupt_record_makes_all_lanes_be_sought_again(
    reader: Reader[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would break it: going on with the other lanes; what the client had taken for them in the same call it does not give again."""

    class Corrupt(Client):
        async def getmany(
            self, *wanted: TopicPartition, timeout_ms: int, max_records: int
        ) -> dict[TopicPartition, list[RawRecord]]:
            raise CorruptRecordException

    monkeypatch.setattr(reading, "POLL_SECONDS", 0.0)
    assert not await reader._take(Corrupt(), 0.0)
    assert reader.lanes == {}
