"""Consumers come and go, all the time.

INVARIANT: a group that grows from one to four and shrinks to one again, over and over, loses nothing, doubles nothing, and is never long
without anybody who reads. What would break it: a lane that is opened where Kafka's own offset stands, a listener that acts, a polite end
that does not leave the group, a running transaction that is waited for too long.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.fault.nightly.beside import Beside, lanes_at
from tests.fault.nightly.feeding import Feed, story
from tests.fault.nightly.proving import books_of, proven, world_of
from tests.fault.report import seed_of, sized
from tests.support.shop import Deadline, Shop, open_shop, reference

TEST_ID = "T-K09"
CYCLES = 20
MORE = 3
PARTITIONS = 4
PACE = 60.0
CYCLE_SECONDS = 45.0  # on two cores that others use too, mostly the starts of three processes
PAUSE_SECONDS_MAX = 10.0
LOOK_SECONDS = 0.25
CURSORS = "SELECT partition, next_offset FROM consumer_cursor WHERE grp = 'points-svc' AND topic = 'activities'"


class Pauses:
    """Looks, from a thread of its own, at how far points-svc has come and how far it could be: the longest time in which there was work and
    nothing of it was done."""

    def __init__(self, shop: Shop) -> None:
        self._dsn = shop.stack.database_url("points-svc")
        self._bootstrap = shop.stack.kafka_bootstrap
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._look()), name="pauses")
        self.longest = 0.0
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    async def _look(self) -> None:
        connection = await asyncpg.connect(self._dsn)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await consumer.start()
        parts = [TopicPartition("activities", partition) for partition in range(PARTITIONS)]
        before, moved_at = -1, time.monotonic()
        try:
            while not self._stop.is_set():
                ends = await consumer.end_offsets(parts)
                at = sum(row["next_offset"] for row in await connection.fetch(CURSORS))
                now = time.monotonic()
                if at != before or at >= sum(ends.values()):
                    before, moved_at = at, now
                self.longest = max(self.longest, now - moved_at)
                self.looks += 1
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await consumer.stop()
            await connection.close()


def sharing(shop: Shop, more: list[Beside]) -> None:
    """Wait until everybody has lanes."""
    until = Deadline(90.0)
    while not all(lanes_at(url) for url in (shop.url("points-svc"), *(one.url for one in more))):
        assert not until.passed(), "some have no lanes"
        until.wait(0.3)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_consumers_that_come_and_go_lose_nothing_and_the_group_reads_on() -> None:
    """T-K09: 1 → 4 → 1 consumers of points-svc, 20 cycles under load."""
    cycles, seed, began = sized(CYCLES, 2), seed_of(TEST_ID, 9), time.monotonic()
    told = story(round(cycles * CYCLE_SECONDS * PACE), seed)
    world = world_of(told)
    codes: list[int] = []
    with open_shop(reference(), partitions=PARTITIONS) as shop:
        with Feed(shop, told, pace=PACE) as feed, Pauses(shop) as pauses:
            for _ in range(cycles):
                with ExitStack() as ends:
                    more = [ends.enter_context(Beside(shop, "points-svc")) for _ in range(MORE)]
                    sharing(shop, more)
                    codes += [one.stop()[0] for one in more]
            under_load = feed.going_on
        books = books_of(shop, told, world)
    figure = (
        f"{cycles} cycles 1 → {MORE + 1} → 1, longest time without progress although there was work {pauses.longest:.1f} s"
        f"{'' if under_load else ' (the feed had ended before the last cycle)'}"
    )
    holds = pauses.longest <= PAUSE_SECONDS_MAX and set(codes) == {0}
    proven(TEST_ID, books, figure, "no pause > 10 s, every exit 0", holds=holds, seed=seed, began=began)
