"""Beside the loop: the copy of our positions for Kafka's own dashboards, the lag, and the watchdog. The one thing not to break: a lane
that waits for a mark or is held has a reason and is not stuck; a lane that has none ends the process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from laurel_kit import crash
from laurel_kit.kafka import broker_answers
from laurel_kit.lanes import Lane

if TYPE_CHECKING:
    from laurel_kit.reading import Reader

COPY_SECONDS = 1.0
WATCH_SECONDS = 2.0
STUCK_SECONDS_MAX = 60.0
BROKER_WAIT_SECONDS = 5.0
TOPIC_MISSING_SECONDS_MAX = 10.0  # a broker that starts again may know less for a moment

log = structlog.get_logger(__name__)


class Stuck(Exception):
    """The reader makes no progress and nothing explains it. A new process is the cure."""


class OffsetCopier:
    """Copies our positions to Kafka, best effort. They are for lag dashboards; nobody ever begins there."""

    def __init__(self, reader: Reader[Any]) -> None:
        self._reader = reader
        self._copied: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(COPY_SECONDS)
            await self.copy_once()

    async def copy_once(self) -> None:
        positions = {tp: lane.next for tp, lane in self._reader.lanes.items()}
        changed = {tp: position for tp, position in positions.items() if self._copied.get(tp) != position}
        if not changed or self._reader.consumer is None:
            return
        crash.at("C9")
        with contextlib.suppress(
            KafkaError, TimeoutError, OSError
        ):  # a rebalance, a lost broker: the next copy corrects it
            async with asyncio.timeout(BROKER_WAIT_SECONDS):
                await self._reader.consumer.commit(changed)
            self._copied.update(changed)


class Watchdog:
    """Asks for the ends of the partitions, keeps the lag metrics, and raises `Stuck` when there is work, everything needed is there, and
    yet nothing moves for a minute."""

    def __init__(self, reader: Reader[Any]) -> None:
        self._reader = reader
        self._ends: dict[tuple[str, int], int] = {}
        self.answered_at = time.monotonic()
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        self.answered_at = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            answered = await self._ask()
            self._keep_metrics()
            if answered:
                self.look_for_topics(time.monotonic())
                self.check(time.monotonic())
            else:
                await self.check_broker()

    async def ask_ends(self) -> dict[tuple[str, int], int]:
        """The ends, asked now; what was last known where the broker does not answer."""
        await self._ask()
        return dict(self._ends)

    async def _ask(self) -> bool:
        consumer = self._reader.consumer
        if consumer is None:
            return False
        try:
            async with asyncio.timeout(BROKER_WAIT_SECONDS):
                tps = consumer.assignment()
                ends = await consumer.end_offsets(tps) if tps else {}
                for tp, lane in list(self._reader.lanes.items()):
                    if lane.holes_allowed and lane.state != "halted":
                        lane.passed = await consumer.position(tp)
        except (KafkaError, TimeoutError, OSError):
            return False
        for tp, end in ends.items():
            self._ends[tp.topic, tp.partition] = end
            if tp in self._reader.lanes:
                self._reader.lanes[tp].end = end
        self.answered_at = time.monotonic()
        return True

    def look_for_topics(self, now: float) -> None:
        """A topic that has gone takes its lanes with it, and no lane would be left to say so. Alarms once for each."""
        if (consumer := self._reader.consumer) is None:
            return
        gone = {topic for topic in self._reader.applier.topics if not consumer.partitions_for_topic(topic)}
        self._missing_since = {topic: self._missing_since.get(topic, now) for topic in gone}
        alarming = {topic for topic in gone if now - self._missing_since[topic] >= TOPIC_MISSING_SECONDS_MAX}
        for topic in alarming - self._reader.missing_topics:
            log.critical("a topic has gone and needs a person", topic=topic)
            self._reader.metrics.halts.labels(topic).inc()
        self._reader.missing_topics = alarming

    def check(self, now: float) -> None:
        for lane in self._reader.lanes.values():
            if not self._lag(lane):
                lane.moved_at = now
            if lane.state != "open":
                continue
            if now - lane.moved_at > STUCK_SECONDS_MAX:
                raise Stuck(
                    f"{lane.topic}/{lane.partition} stands at {lane.next} of {lane.end} for {now - lane.moved_at:.0f} s"
                )
        if now - self._reader.polled_at > STUCK_SECONDS_MAX:
            raise Stuck(f"Kafka has not been polled for {now - self._reader.polled_at:.0f} s")

    async def check_broker(self) -> None:
        """Our client gets no answer. If the broker is away, we wait, and our client has its minute from when it is back; if the broker is
        there for others, our client is broken."""
        now = time.monotonic()
        for lane in self._reader.lanes.values():
            lane.moved_at = now
        consumer = self._reader.consumer
        if not await broker_answers(self._reader.kafka, consumer.assignment() if consumer is not None else ()):
            self.answered_at = now
        elif now - self.answered_at > STUCK_SECONDS_MAX:
            raise Stuck(f"the broker is there, but our client has had no answer for {now - self.answered_at:.0f} s")

    def _lag(self, lane: Lane) -> int:
        """Records not applied yet. On a foreign topic the last offsets may hold no record at all: then the client has passed them."""
        lag = max(0, lane.end - lane.next)
        if not lag or not lane.holes_allowed or lane.buffer:
            return lag
        return 0 if lane.passed >= lane.end else lag

    def _keep_metrics(self) -> None:
        metrics, now_ms = self._reader.metrics, time.time() * 1000
        states: dict[str, int] = dict.fromkeys(("open", "waiting", "held", "halted", "opening", "backing_off"), 0)
        for report in self._reader.lane_reports():
            states[report["state"]] += 1
        for state, count in states.items():
            metrics.lanes.labels(state).set(count)
        for lane in self._reader.lanes.values():
            lag = self._lag(lane)
            oldest_ms = getattr(lane.buffer[0], "timestamp", 0) if lane.buffer else lane.applied_timestamp_ms
            age = max(0.0, (now_ms - oldest_ms) / 1000) if lag and oldest_ms else 0.0
            metrics.lag_records.labels(lane.topic, str(lane.partition)).set(lag)
            metrics.lag_seconds.labels(lane.topic, str(lane.partition)).set(age)
