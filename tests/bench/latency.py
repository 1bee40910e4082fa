"""How long from "produced" to "balance visible": events come into being evenly, a producer sends what has gathered every 20 ms, and an
observer reads the committed cursors of points-svc every few milliseconds. An event's wait begins when it came into being and ends when
the observer sees its offset passed, so it includes the producer's linger and the observer's own delay: an upper bound."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaProducer

from tests.bench.books import check_points
from tests.bench.purchases import BATCH_BYTES, Message, purchases
from tests.bench.stage import Stage, refuse_if_dead, starting_gun
from tests.support.shop import Deadline

TICK_SECONDS = 0.020  # the producer's linger
LOOK_SECONDS = 0.008  # every 4 ms took a tenth of a processor from what is looked at
WARM_UP_SHARE = 1 / 6  # of a run, left out
CATCH_UP_SECONDS_MAX = 60.0
CURSORS = "SELECT partition, next_offset FROM consumer_cursor WHERE grp = 'points-svc' AND topic = 'activities'"


@dataclass(frozen=True, slots=True)
class Wait:
    """Milliseconds of one run."""

    rate: int
    p50: float
    p99: float
    most: float


class Stopwatch:
    """When each offset came into being, and when it was seen to be committed."""

    def __init__(self) -> None:
        self.born: dict[int, list[tuple[int, float]]] = {}  # by partition: (offset, when), ascending
        self.waits: list[tuple[float, float]] = []  # (born, seconds)
        self._next: dict[int, int] = {}

    def sent(self, partition: int, first: int, instants: Sequence[float]) -> None:
        lane = self.born.setdefault(partition, [])
        lane += [(first + place, instant) for place, instant in enumerate(instants)]

    def seen(self, partition: int, next_offset: int, now: float) -> None:
        lane, place = self.born.get(partition, []), self._next.get(partition, 0)
        while place < len(lane) and lane[place][0] < next_offset:
            self.waits.append((lane[place][1], now - lane[place][1]))
            place += 1
        self._next[partition] = place


async def waits(
    stage: Stage, template: str, rates: Sequence[int], seconds: float, rounds: int, *, workers: int = 1
) -> list[Wait]:
    """So many processes of points-svc, all rates in turn, so many rounds."""
    stream = purchases(int(sum(rates) * seconds) * rounds, world="latency", skip=40_000)
    database = await stage.fresh(template)
    before = await stage.ends("points")
    for topic in ("activities", "tiers", "campaigns"):
        await stage.begin_at(database, "points-svc", await stage.ends(topic))
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.bootstrap, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES
    )
    looking = await asyncpg.connect(stage.dsn(database))
    await producer.start()
    measured = []
    try:
        with ExitStack() as running:
            processes = [
                running.enter_context(stage.service("points-svc", database, place=place)) for place in range(workers)
            ]
            async with starting_gun(stage, database, processes):
                pass
            for turn in range(rounds * len(rates)):
                rate = rates[turn % len(rates)]
                ours, stream = stream[: int(rate * seconds)], stream[int(rate * seconds) :]
                measured.append(await _one(producer, looking, ours, rate))
                refuse_if_dead(stage, processes)
    finally:
        await producer.stop()
        await looking.close()
    await check_points(stage, database, before)
    await stage.drop(database)
    return measured


async def _one(producer: AIOKafkaProducer, looking: asyncpg.Connection, stream: Sequence[Message], rate: int) -> Wait:
    watch = Stopwatch()
    ended = asyncio.Event()
    observer = asyncio.create_task(_observe(looking, watch, ended, len(stream)))
    began = await _feed(producer, stream, rate, watch)
    ended.set()
    await observer
    counted_from = began + len(stream) / rate * WARM_UP_SHARE
    found = sorted(wait * 1000 for born, wait in watch.waits if born >= counted_from)
    return Wait(rate, statistics.median(found), found[int(len(found) * 0.99)], found[-1])


async def _feed(producer: AIOKafkaProducer, stream: Sequence[Message], rate: int, watch: Stopwatch) -> float:
    """Every 20 ms what has come into being since; one batch per partition. When the first event came into being."""
    began, done = time.perf_counter() + TICK_SECONDS, 0
    async with asyncio.TaskGroup() as sending:
        while done < len(stream):
            await asyncio.sleep(max(0.0, began + (done / rate) + TICK_SECONDS - time.perf_counter()))
            until = min(len(stream), int((time.perf_counter() - began) * rate) + 1)
            lanes: dict[int, list[tuple[Message, float]]] = {}
            for place in range(done, until):
                lanes.setdefault(stream[place].partition, []).append((stream[place], began + place / rate))
            done = max(done, until)
            for partition, lane in lanes.items():
                batch = producer.create_batch()
                for message, _ in lane:
                    if not batch.append(timestamp=None, key=message.key, value=message.value, headers=message.headers):
                        raise OverflowError("what came into being within one tick does not fit into one batch")
                batch.close()
                acknowledged = await producer.send_batch(batch, "activities", partition=partition)
                sending.create_task(_noted(acknowledged, partition, [instant for _, instant in lane], watch))
    return began


async def _noted(acknowledged: asyncio.Future[object], partition: int, instants: list[float], watch: Stopwatch) -> None:
    sent = await acknowledged
    watch.sent(partition, sent.offset, instants)  # type: ignore[attr-defined]


async def _observe(looking: asyncpg.Connection, watch: Stopwatch, ended: asyncio.Event, count: int) -> None:
    until = None
    while not ended.is_set() or len(watch.waits) < count:
        rows = await looking.fetch(CURSORS)
        now = time.perf_counter()
        for partition, next_offset in rows:
            watch.seen(partition, next_offset, now)
        if ended.is_set():
            until = until or Deadline(CATCH_UP_SECONDS_MAX)
            if until.passed():
                raise TimeoutError(f"{count - len(watch.waits)} events are not visible")
        await asyncio.sleep(LOOK_SECONDS)
