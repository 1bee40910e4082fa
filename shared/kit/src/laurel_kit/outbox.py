"""The relay: says the outbox on Kafka, in order per partition, and deletes what the broker has acknowledged. The one thing not to break:
exactly the acknowledged ids are deleted; there is no high-water mark, because ids commit out of order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE
from laurel_kit import crash, negative_control, sql
from laurel_kit.failures import uneven
from laurel_kit.kafka import Kafka, as_kafka, bounded_stop, wait_or_stop
from laurel_kit.postgres import COMMAND_SECONDS_MAX, CONNECT_SECONDS_MAX, SESSION_SETTINGS, Database
from laurel_kit.telemetry import KitMetrics

POLL_SECONDS = 0.1  # commits of this process wake the relay at once; this finds those of others
ROUND_ROWS_MAX = 2_000
ROUND_BYTES_MAX = 32 * 1024 * 1024  # of bodies, in memory at once
ACK_SECONDS_MAX = 15.0
TOPIC_WAIT_SECONDS = 2.0
TOPIC_WAIT_AGAIN_SECONDS = 0.2
LEAD_RETRY_SECONDS = 1.0
PAUSE_SECONDS_MIN = 0.1
PAUSE_SECONDS_MAX = 5.0
TOO_LARGE_PAUSE_SECONDS = 60.0  # a person must act: raise the broker's limit, or take the row out
DRAIN_SECONDS_MAX = 2.0
GAUGE_SECONDS = 5.0
ADVISORY_LOCK = 0x1A0E1002  # one relay per database

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
TopicPartition = tuple[str, int]

# What is thrown away with its client and tried again. asyncpg answers on a connection that was cut at a bad moment with an internal error.
TROUBLE = (
    asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, KafkaError, OSError, TimeoutError,
)  # fmt: skip

log = structlog.get_logger(__name__)
_more_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]])


class _Sent(NamedTuple):
    """One partition's batch on its way to the broker."""

    place: TopicPartition
    ids: list[int]
    acknowledged: asyncio.Future[Any]


class Relay:
    """Says what the outbox holds. One process per service leads, by an advisory lock on a session of its own."""

    def __init__(self, database: Database, kafka: Kafka | str, *, metrics: KitMetrics | None = None) -> None:
        self.database = database
        self.kafka = as_kafka(kafka, f"{database.application_name}-relay")
        self.metrics = metrics or KitMetrics(database.application_name)
        self.running = False
        self.is_leader = False
        self.sent_total = 0
        self._connection: asyncpg.Connection | None = None
        self._producer: AIOKafkaProducer | None = None
        self._blocked: dict[TopicPartition, float] = {}  # until when (monotonic seconds)
        self._failures: dict[TopicPartition, int] = {}
        self._failures_in_a_row = 0
        self._measured_at = float("-inf")
        self._said_up_to = 0  # of a negative control; the relay itself keeps no mark

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then what is left is said for a moment longer."""
        self.running = True
        try:
            while not stop.is_set():
                if await self._step():
                    continue
                if self._failures_in_a_row or not self.is_leader:
                    await wait_or_stop(stop, self._pause_seconds())
                else:
                    await self._sleep_until_woken(stop)
            await self._drain()
        finally:
            self.running = False
            await self._close()

    async def _step(self) -> bool:
        """One round; whether anything moved. Trouble is logged and counted, and the client concerned is thrown away."""
        try:
            connection = await self.lead()
            if connection is None:
                return False
            moved = await self.say_once(connection)
            self._failures_in_a_row = 0
        except TROUBLE as error:
            self._failures_in_a_row += 1
            self.metrics.relay_failures.labels(type(error).__name__).inc()
            log.warning("the relay pauses", error=type(error).__name__, reason=str(error)[:300])
            await self._drop_producer()
            if not isinstance(error, KafkaError):
                await self._drop_connection()
            return False
        return moved > 0

    async def say_once(self, connection: asyncpg.Connection) -> int:
        """Read a round of rows, send one batch per partition, delete what was acknowledged. Returns the number of deleted rows."""
        self.database.woken.clear()
        await self._measure(connection)
        rows = await self._read(connection)
        if not rows:
            return 0
        if self._producer is None:
            producer = self.kafka.producer()
            try:
                await producer.start()
            except BaseException:
                await bounded_stop(producer)
                raise
            self._producer = producer
        sent = await self._send(self._producer, rows)
        if sent:
            await asyncio.wait([one.acknowledged for one in sent], timeout=ACK_SECONDS_MAX)
        return await self._settle(connection, sent)

    @property
    def blocked(self) -> set[TopicPartition]:
        """The partitions that cannot be said to now."""
        now = time.monotonic()
        return {place for place, until in self._blocked.items() if until > now}

    async def _read(self, connection: asyncpg.Connection) -> list[asyncpg.Record]:
        blocked = sorted(self.blocked)
        self.metrics.relay_blocked.set(len(blocked))
        rows: list[asyncpg.Record] = await connection.fetch(
            sql.OUTBOX_READ, ROUND_ROWS_MAX, ROUND_BYTES_MAX, [t for t, _ in blocked], [p for _, p in blocked]
        )
        if negative_control.on(negative_control.HIGH_WATER_MARK):
            rows = [row for row in rows if row[0] > self._said_up_to]
            self._said_up_to = max([self._said_up_to, *(row[0] for row in rows)])
        return rows

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> list[_Sent]:
        """One batch per partition; what does not fit waits for the next round. A partition that fails blocks only itself."""
        places: dict[TopicPartition, list[asyncpg.Record]] = {}
        for row in rows:
            places.setdefault((row[1], row[2]), []).append(row)
        sent: list[_Sent] = []
        known: dict[str, set[int]] = {}
        for place, ours in places.items():
            topic, partition = place
            if topic not in known:
                known[topic] = await self._partitions(producer, topic, patient=not self._failures.get(place))
            if partition not in known[topic]:
                self._block(place, "UnknownTopicOrPartition")
                continue
            batch = producer.create_batch()
            append = batch.append
            ids = []
            for row in ours:
                if append(timestamp=None, key=row[3], value=row[8], headers=_headers(row)) is None:
                    break
                ids.append(row[0])
            batch.close()
            try:
                acknowledged = await producer.send_batch(batch, topic, partition=partition)
            except (KafkaError, OSError) as error:
                self._block(place, type(error).__name__)
                await self._drop_producer()
                break
            sent.append(_Sent(place, ids, acknowledged))
        return sent

    async def _partitions(self, producer: AIOKafkaProducer, topic: str, *, patient: bool) -> set[int]:
        """The topic's partitions; none when it does not exist. Waited for properly only the first time, so that others need not wait."""
        try:
            async with asyncio.timeout(TOPIC_WAIT_SECONDS if patient else TOPIC_WAIT_AGAIN_SECONDS):
                return set(await producer.partitions_for(topic))
        except (KafkaError, TimeoutError):
            return set()

    async def _settle(self, connection: asyncpg.Connection, sent: Sequence[_Sent]) -> int:
        """Delete what is acknowledged and remember where; block what is not, and throw the producer away."""
        ids: list[int] = []
        said: list[tuple[str, int, int]] = []
        failed = False
        for (topic, partition), batch_ids, acknowledged in sent:
            error: BaseException | None = TimeoutError("no acknowledgement")
            if acknowledged.done():
                error = acknowledged.exception() if not acknowledged.cancelled() else asyncio.CancelledError()
            if error is not None:
                failed = True
                self._block((topic, partition), type(error).__name__, too_large=isinstance(error, TOO_LARGE))
                continue
            self._blocked.pop((topic, partition), None)
            self._failures.pop((topic, partition), None)
            ids += batch_ids
            if (offset := acknowledged.result().offset) >= 0:  # unknown when the broker had this batch already
                said.append((topic, partition, offset + len(batch_ids)))
            self.metrics.relay_sent.labels(topic).inc(len(batch_ids))
        if failed:
            await self._drop_producer()
        if ids:
            crash.at("C11")
            await self._delete(connection, ids, said)
            crash.at("C12")
            self.sent_total += len(ids)
        return len(ids)

    async def _delete(
        self, connection: asyncpg.Connection, ids: list[int], said: Sequence[tuple[str, int, int]]
    ) -> None:
        topics, partitions, offsets = (
            (list(column) for column in zip(*sorted(said), strict=True)) if said else ([], [], [])
        )
        await connection.execute(sql.OUTBOX_SETTLE, ids, topics, partitions, offsets)

    def _block(self, place: TopicPartition, reason: str, *, too_large: bool = False) -> None:
        """Leave a partition alone for a while; its rows stay, in order."""
        failures = self._failures[place] = self._failures.get(place, 0) + 1
        pause = TOO_LARGE_PAUSE_SECONDS if too_large else _backoff_seconds(failures)
        self._blocked[place] = time.monotonic() + pause
        self.metrics.relay_failures.labels(reason).inc()
        log.error(
            "a partition cannot be said to",
            topic=place[0],
            partition=place[1],
            reason=reason,
            pause_seconds=round(pause, 2),
        )

    async def lead(self) -> asyncpg.Connection | None:
        """The session that holds the lock and also does the work (who loses it cannot go on); None while another process leads."""
        if self._connection is None or self._connection.is_closed():
            self.is_leader = False
            settings = SESSION_SETTINGS | {"application_name": f"{self.database.application_name}-relay"}
            self._connection = await asyncpg.connect(
                self.database.dsn,
                server_settings=settings,
                timeout=CONNECT_SECONDS_MAX,
                command_timeout=COMMAND_SECONDS_MAX,
            )
        if not self.is_leader:
            self.is_leader = await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK)
        self.metrics.relay_leader.set(int(self.is_leader))
        return self._connection if self.is_leader else None

    async def _measure(self, connection: asyncpg.Connection) -> None:
        if time.monotonic() - self._measured_at < GAUGE_SECONDS:
            return
        self._measured_at = time.monotonic()
        row = await connection.fetchrow(sql.OUTBOX_COUNT.text)
        self.metrics.outbox_rows.set(row["rows"])
        self.metrics.outbox_oldest_seconds.set(float(row["age_seconds"]))

    def _pause_seconds(self) -> float:
        return _backoff_seconds(self._failures_in_a_row) if self._failures_in_a_row else LEAD_RETRY_SECONDS

    async def _sleep_until_woken(self, stop: asyncio.Event) -> None:
        woken, stopped = asyncio.ensure_future(self.database.woken.wait()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((woken, stopped), timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            stopped.cancel()

    async def _drain(self) -> None:
        """Say what is left, briefly; what remains is said by the next process."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                while self.is_leader and await self._step():
                    pass

    async def _drop_producer(self) -> None:
        """After any error of sending: an idempotent producer may be out of order for ever. The outbox still has everything."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await bounded_stop(producer)

    async def _drop_connection(self) -> None:
        self.is_leader = False
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()

    async def _close(self) -> None:
        await self._drop_producer()
        if self._connection is not None and not self._connection.is_closed():
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self._connection.close(timeout=2.0)
        self.is_leader = False


def _headers(row: asyncpg.Record) -> list[tuple[str, bytes]]:
    """The headers of a row: type, id, number, and what few rows have beside."""
    headers = [(HEADER_TYPE, row[4].encode()), (HEADER_ID, row[5].encode())]
    if row[6] is not None:
        headers.append((HEADER_NUMBER, b"%d" % row[6]))
    if row[7] is not None:
        headers += _more_headers.decode(row[7])
    return headers


def _backoff_seconds(failures: int) -> float:
    return uneven(min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2.0 ** min(failures, 10)))
