"""The consume loop: lanes, gates, pauses. The one thing not to break: a partition is processed only after the loop itself has read the
cursor and sought to it; the rebalance listener sets flags and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from laurel_kit import crash, negative_control, sql
from laurel_kit.applying import Ahead, Applier, SkipNumber
from laurel_kit.batch_size import BATCH_RECORDS_MAX, BatchSize
from laurel_kit.failures import Gap, Verdict, sqlstate_of, uneven, verdict_of
from laurel_kit.gates import Gate
from laurel_kit.hearing import Hearing, RawRecord
from laurel_kit.isolating import Outcome, apply_isolating
from laurel_kit.kafka import Kafka, as_kafka, bounded_stop, started_consumer
from laurel_kit.lanes import Lane, take
from laurel_kit.places import POOL_WAIT_PATIENT_SECONDS
from laurel_kit.postgres import Database, Transaction
from laurel_kit.telemetry import KitMetrics
from laurel_kit.watching import OffsetCopier, Watchdog

S = TypeVar("S")

POLL_SECONDS = 0.2
REBALANCE_WAIT_SECONDS = 2.0  # a poll that waits for a rebalance returns to the loop after this
# To ask for what came into being during the last batch: a few times what a broker nearby needs.
FRESH_SECONDS_MAX = 0.005
# While a batch is applied. The client has one question on its way to a broker; when what it has lies for 0.1 s it asks for the partitions
# that have nothing, and then the busy ones wait for that answer, which may take `fetch_max_wait_ms`.
TAKE_EVERY_SECONDS = 0.05
# So much is in memory, the running batch included, when no more is taken; in a backlog nobody waits for it.
AHEAD_BATCHES_MAX = 3
GATE_POLL_SECONDS = 0.02  # while a batch waits with patience
OFFSETS_WAIT_SECONDS = 10.0
DRAIN_SECONDS_MAX = 5.0  # a revoked partition's running transaction may end within this
DATABASE_PAUSE_SECONDS_MIN = 0.05
DATABASE_PAUSE_SECONDS_MAX = 5.0
MARKS_RELOAD_SECONDS = 1.0
NOBODY = TopicPartition("", -1)  # in front of those wanted: to ask for none is to ask for all
NO_PARTITION = -1  # in a report about a whole topic
TOO_SLOW_STATES = frozenset({"57014", "25P03"})  # statement_timeout, idle_in_transaction_session_timeout

__all__ = ["Applier", "RawRecord", "Reader"]

log = structlog.get_logger(__name__)


class Reader(Generic[S]):
    """Reads what `listens_to` names and applies it, a bounded batch at a time. `partitions`: how many every topic of ours must have."""

    def __init__(
        self,
        database: Database,
        *,
        group: str,
        listens_to: Sequence[Hearing[S]],
        open_store: Callable[[Transaction], S],
        kafka: Kafka | str,
        gates: Mapping[str, Gate] | None = None,
        batch_records_max: int = BATCH_RECORDS_MAX,
        metrics: KitMetrics | None = None,
        skip_number: SkipNumber[S] | None = None,
        holes_allowed: frozenset[str] | set[str] = frozenset(),
        partitions: int | None = None,
        ahead: Ahead[S] | None = None,
    ) -> None:
        self.applier = Applier(
            database, group=group, listens_to=listens_to, open_store=open_store, skip_number=skip_number,
            holes_allowed=holes_allowed, metrics=metrics, ahead=ahead,
        )  # fmt: skip
        self.database = database
        self.group = group
        self.kafka = as_kafka(kafka, group)
        self.gates = dict(gates or {})
        self.batch_size = BatchSize(batch_records_max)
        self.partitions = partitions
        self.lanes: dict[TopicPartition, Lane] = {}
        self.missing_topics: set[str] = set()  # gone from the broker for a while now
        self.wanted = False  # whether this process is to read at all
        self.running = False
        self.assigned = False
        self.polled_at = time.monotonic()
        self.moved_total = 0
        self.database_retry_at = 0.0
        self.database_trouble = ""
        self.idle = asyncio.Event()
        self.idle.set()
        self.consumer: AIOKafkaConsumer | None = None
        self._failures_in_a_row = 0
        self._marks_loaded_at = 0.0
        self._copier = OffsetCopier(self)
        self._watchdog = Watchdog(self)

    @property
    def metrics(self) -> KitMetrics:
        return self.applier.metrics

    @metrics.setter
    def metrics(self, metrics: KitMetrics) -> None:
        self.applier.metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set: the running batch is finished, then the group is left. Raises when a lane is stuck."""
        self.wanted = True
        self.consumer = await started_consumer(
            self.kafka, self.group, self.applier.topics, stop=stop, partitions=self.partitions,
            holes_allowed=self.applier.holes_allowed,
        )  # fmt: skip
        if self.consumer is None:
            return
        self.running = True
        self.polled_at = time.monotonic()
        self.consumer.subscribe(topics=self.applier.topics, listener=_Flags(self))
        try:
            async with asyncio.TaskGroup() as parts:
                beside = [parts.create_task(self._copier.run()), parts.create_task(self._watchdog.run())]
                await self._loop(self.consumer, stop)
                for task in beside:
                    task.cancel()
            await self._copier.copy_once()
        finally:
            self.running = self.assigned = False
            await bounded_stop(self.consumer)

    async def _loop(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        while not stop.is_set():
            now = time.monotonic()
            if now >= self.database_retry_at:
                await self._guarded(lambda: self._open_lanes(consumer))
            await self._fetch(consumer)
            if self._ready():
                await self._apply_and_fetch(consumer)
            else:
                await self._guarded(self._reload_marks)

    async def _guarded(self, step: Callable[[], Any]) -> None:
        """Run a step that needs the database. Trouble there empties the lanes: they are opened again from the cursors, after a pause."""
        self.idle.clear()
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - sorted by what must happen next
            self._database_failed(error)
        finally:
            self.idle.set()

    def _database_failed(self, error: Exception) -> None:
        verdict = verdict_of(error)
        if verdict is Verdict.STALE:
            log.warning("a cursor was moved by another", reason=str(error))
        elif verdict is Verdict.DATA:
            raise error  # not out of a record: a defect of the loop itself
        else:
            log.error("the loop pauses", error=type(error).__name__, reason=str(error)[:500])
        if sqlstate_of(error) in TOO_SLOW_STATES:
            self.batch_size.too_slow()
        self.lanes.clear()
        self._failures_in_a_row += 1
        pause = min(DATABASE_PAUSE_SECONDS_MAX, DATABASE_PAUSE_SECONDS_MIN * 2**self._failures_in_a_row)
        self.database_trouble = f"{type(error).__name__}: {str(error)[:200]}"
        self.database_retry_at = time.monotonic() + uneven(pause)

    async def _open_lanes(self, consumer: AIOKafkaConsumer) -> None:
        """Read the cursors, compare them with what the broker has, and seek. Only now are records acceptable."""
        missing = consumer.assignment() - self.lanes.keys()
        if not missing:
            return
        gc.collect(0)  # after trouble: its traceback holds the whole batch in a circle
        for gate in self.gates.values():
            await gate.load()
        async with asyncio.timeout(OFFSETS_WAIT_SECONDS):
            beginnings = await consumer.beginning_offsets(missing)
            ends = await consumer.end_offsets(missing)
        cursors = await self._cursors(consumer, missing, beginnings)
        crash.at("C0")
        for tp in missing & consumer.assignment():
            start, now = cursors[tp], time.monotonic()
            lane = Lane(
                tp.topic, tp.partition, start, now, holes_allowed=tp.topic in self.applier.holes_allowed, end=ends[tp]
            )
            if not beginnings[tp] <= start <= ends[tp]:
                self._halt(
                    lane,
                    f"the cursor {start} lies outside [{beginnings[tp]}, {ends[tp]}]: the topic was cut or made anew",
                )
            else:
                consumer.seek(tp, start)
            self.lanes[tp] = lane
        self.database_trouble = ""

    async def _cursors(
        self, consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], beginnings: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """The cursors of these partitions; one that does not exist is created at the beginning of its partition."""
        if negative_control.on():
            return {tp: await consumer.committed(tp) or beginnings[tp] for tp in tps}
        wanted = sorted(tps)
        async with self.database.transaction(group=self.group, pool_wait_seconds=POOL_WAIT_PATIENT_SECONDS) as tx:
            await tx.run(
                sql.CURSOR_CREATE, grp=self.group, topics=[tp.topic for tp in wanted],
                partitions=[tp.partition for tp in wanted], offsets=[beginnings[tp] for tp in wanted],
            )  # fmt: skip
            rows = (await tx.run(sql.CURSORS_READ, grp=self.group)).all()
        return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}

    def _batch(self) -> dict[tuple[str, int], tuple[int, list[Any]]]:
        """What can go into the next transaction, now."""
        return take(list(self.lanes.values()), self._takeable(), self.batch_size.records)

    def _takeable(self) -> list[int]:
        """Of every lane, how many of its records may go into a transaction now."""
        now = time.monotonic()
        return [lane.takeable(self.gates.get(lane.topic), now) for lane in self.lanes.values()]

    def _ready(self) -> int:
        """How many records may go into transactions now."""
        return sum(self._takeable())

    async def _fetch(self, consumer: AIOKafkaConsumer) -> None:
        """Ask Kafka, always, so that the group does not give us up. What lies ready was fetched while the last batch was applied; where
        it does not fill the next one, what came into being since is fetched too (ADR 0020)."""
        if not (ready := self._ready()):
            if not await self._take(consumer, 0.0):
                return
            ready = self._ready()
        for_more = FRESH_SECONDS_MAX if ready < self.batch_size.records else 0.0
        if await self._take(consumer, for_more if ready else self._poll_seconds()):
            self.polled_at = time.monotonic()

    async def _apply_and_fetch(self, consumer: AIOKafkaConsumer) -> None:
        """Apply the next batch, and take from the client what comes meanwhile. That does not count as having polled: a batch without end
        is seen by the watchdog all the same."""
        applying = asyncio.create_task(self._guarded(self._apply_next))
        try:
            while not (await asyncio.wait({applying}, timeout=TAKE_EVERY_SECONDS))[0]:
                if sum(len(lane.buffer) for lane in self.lanes.values()) < AHEAD_BATCHES_MAX * self.batch_size.most:
                    await self._take(consumer, 0.0)
        finally:
            if not applying.done():
                applying.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await applying
        await applying

    async def _take(self, consumer: AIOKafkaConsumer, wait_seconds: float) -> bool:
        """Into the lanes what the client has, or what comes within so many seconds; whether Kafka could be polled."""
        fetched = await self._poll(consumer, self._wanted(consumer), wait_seconds)
        if fetched is not None:
            self._take_in(fetched)
        return fetched is not None

    def _wanted(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Whose records are taken now. Who has no lane, or a halted one, is paused. Not who has a full one: what the client has fetched for
        a paused partition it throws away, and fetches it again."""
        paused, wanted = consumer.paused(), [NOBODY]  # asked once: the client goes through all partitions for it
        for tp in consumer.assignment():
            lane = self.lanes.get(tp)
            if lane is None or lane.state == "halted":
                consumer.pause(tp)
                continue
            if tp in paused:
                consumer.resume(tp)
            if not lane.is_full:
                wanted.append(tp)
        return wanted

    def _take_in(self, fetched: Mapping[TopicPartition, list[Any]]) -> None:
        """What comes for a partition without a lane is dropped."""
        for tp, records in fetched.items():
            if (lane := self.lanes.get(tp)) is None or lane.state == "halted":
                continue
            try:
                if holes := lane.fetched(records):
                    self.metrics.holes.labels(tp.topic).inc(holes)
            except Gap as gap:
                self._halt(lane, str(gap))

    async def _poll(
        self, consumer: AIOKafkaConsumer, wanted: Sequence[TopicPartition], seconds: float
    ) -> dict[TopicPartition, list[Any]] | None:
        """None: it could not be polled."""
        fetched: dict[TopicPartition, list[Any]] = {}
        try:
            async with asyncio.timeout(seconds + REBALANCE_WAIT_SECONDS):
                fetched = await consumer.getmany(
                    *wanted, timeout_ms=int(seconds * 1000), max_records=self.batch_size.most
                )
        except TimeoutError:
            return None  # a rebalance is under way; `polled_at` stands still, and the watchdog sees it
        except NoOffsetForPartitionError:
            pass  # before our own seek, as it must be with the reset policy "none"
        except OffsetOutOfRangeError as error:
            for tp, offset in error.args[0].items():
                if tp in self.lanes:
                    self._halt(self.lanes[tp], f"the broker has no offset {offset}: the topic was cut")
        except KafkaError as error:
            if isinstance(error, CorruptRecordException):
                self.lanes.clear()  # what was taken of other partitions in the same call is lost, and must be sought again
            log.warning("Kafka cannot be polled", error=type(error).__name__, reason=str(error)[:200])
            await asyncio.sleep(POLL_SECONDS)
            return None
        crash.at("C1")
        return fetched

    def _poll_seconds(self) -> float:
        """How long the loop may sleep in Kafka: until the next thing that is due."""
        if any(lane.state == "waiting" for lane in self.lanes.values()):
            return GATE_POLL_SECONDS
        return POLL_SECONDS

    async def _apply_next(self) -> None:
        if not (batch := self._batch()):
            return
        outcome = await apply_isolating(self.applier, batch)
        self._failures_in_a_row = 0
        self.batch_size.applied(waited_for=outcome.waited_for)
        self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        now = time.monotonic()
        for (topic, partition), next_offset in outcome.reached.items():
            if (lane := self.lanes.get(TopicPartition(topic, partition))) is not None:
                self.moved_total += lane.reached(next_offset, now)
        for (topic, partition), stopped in outcome.stopped.items():
            if (lane := self.lanes.get(TopicPartition(topic, partition))) is None:
                continue
            if stopped.verdict is Verdict.HOLD:
                self.metrics.holds.labels(topic).inc()
                lane.hold(f"offset {stopped.offset}: {stopped.reason}", now)
            else:
                self._halt(lane, f"offset {stopped.offset}: {stopped.reason}")

    def _halt(self, lane: Lane, reason: str) -> None:
        log.critical("a lane halts and needs a person", topic=lane.topic, partition=lane.partition, reason=reason)
        self.metrics.halts.labels(lane.topic).inc()
        lane.halt(reason)

    async def _reload_marks(self) -> None:
        """While lanes wait: another process may have moved the mark."""
        now = time.monotonic()
        if now - self._marks_loaded_at < MARKS_RELOAD_SECONDS or now < self.database_retry_at:
            return
        self._marks_loaded_at = now
        for topic in {lane.topic for lane in self.lanes.values() if lane.state == "waiting"}:
            await self.gates[topic].load()

    async def end_offsets(self) -> dict[tuple[str, int], int]:
        """The end of every partition we read, from the broker; what was last known where it does not answer."""
        return await self._watchdog.ask_ends()

    def lane_reports(self) -> list[dict[str, Any]]:
        """What every lane is doing, and why it is not going on."""
        reports = [
            {"topic": lane.topic, "partition": lane.partition, "state": lane.state, "reason": lane.reason}
            for lane in list(self.lanes.values())
        ]
        if self.consumer is not None and self.running:
            state = "backing_off" if self.database_trouble else "opening"
            reports += [
                {"topic": tp.topic, "partition": tp.partition, "state": state, "reason": self.database_trouble}
                for tp in self.consumer.assignment() - self.lanes.keys()
            ]
        reports += [
            {
                "topic": topic,
                "partition": NO_PARTITION,
                "state": "halted",
                "reason": "the topic has gone from the broker",
            }
            for topic in self.missing_topics
        ]
        return sorted(reports, key=lambda lane: (lane["topic"], lane["partition"]))


class _Flags(ConsumerRebalanceListener):  # type: ignore[misc]
    """Flags only: no database, no seek, nothing raised. aiokafka hands out records while a listener awaits, and swallows what it raises."""

    def __init__(self, reader: Reader[Any]) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's signature
        self._reader.assigned = False
        self._reader.lanes.clear()
        crash.at("C10")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reader.idle.wait(), DRAIN_SECONDS_MAX)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's signature
        self._reader.lanes.clear()
        self._reader.assigned = True
        self._reader.metrics.rebalances.inc()
