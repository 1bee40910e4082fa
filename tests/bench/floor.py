"""The serial floor of our schema: what these purchases would cost if nothing but the unavoidable were done, one step after another.

In it, each paid once, for batches of 1,000 events on one connection with synchronous commit: fetch from Kafka (`getmany`), decode with
the contract's msgspec struct, count the points, encode the two JSON texts that are kept and said (the reason of an entry, the event),
write the rows points-svc writes for the same purchases into the same tables with the same indexes, checks and trigger (transfer, lot,
purchase, account, reasons of purchases that earn nothing, outbox, cursor), commit; then the relay: read the outbox, produce to Kafka with
one batch per partition (acks=all), delete what was acknowledged, commit. Rows go in by the cheapest way that was found: binary COPY for
what is only added, one UPSERT for accounts.

Not in it: reading or locking an account (its state is kept in this process's memory, as nobody else is there), numbers seen before and
numbers missing, tiers, categories and caps, debt, expiry, refunds, frozen members, dead letters, gates, rebalances, metrics, logs, HTTP,
and anything that happens at the same time as anything else. A pipelined service on two cores may therefore be faster than its floor.

`python -m tests.bench.floor BOOTSTRAP DSN EVENTS` prints its figures as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from laurel_contracts.activities import PurchaseRecorded
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, derived_id, encode
from laurel_contracts.points import PointsPosted, Posting
from laurel_contracts.registry import TYPE_OF
from laurel_kit import instants
from laurel_kit.kafka import CONSUMER, PRODUCER
from laurel_kit.postgres import SESSION_SETTINGS
from points_svc.domain.calendar import expires_at
from tests.bench.purchases import PARTITIONS
from tests.bench.topics import CLEAN, SINK
from tests.support.complete_journey import ZONE

BATCH = 1_000
MONTHS = 12
POSTED = TYPE_OF[PointsPosted]

_decode = msgspec.json.Decoder(Event[PurchaseRecorded]).decode
_json = msgspec.json.Encoder().encode

# Absolute values: the state is known here.
UPSERT = """
INSERT INTO account (member_id, partition, posted, earned_net, seq, said, activity, reached, ladder, next_expiry)
SELECT member_id, partition, posted, posted, said, said, activity, reached, CAST(ladder AS json), next_expiry
FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::text[], $8::timestamptz[])
  AS n(member_id, partition, posted, said, activity, reached, ladder, next_expiry)
ON CONFLICT (member_id) DO UPDATE SET posted = excluded.posted, earned_net = excluded.earned_net, seq = excluded.seq,
  said = excluded.said, activity = excluded.activity, reached = excluded.reached, ladder = excluded.ladder,
  next_expiry = excluded.next_expiry
"""
CURSORS = """
INSERT INTO consumer_cursor (grp, topic, partition, next_offset)
SELECT 'floor', 'activities', * FROM unnest($1::integer[], $2::bigint[])
ON CONFLICT (grp, topic, partition) DO UPDATE SET next_offset = excluded.next_offset
"""
OUTBOX = "SELECT id, partition, key, type, event_id, number, body FROM outbox ORDER BY id LIMIT $1"
COLUMNS = {
    "transfer": "member_id seq cause leg at kind debit credit amount order_id lot why",
    "lot": "member_id lot kind granted remaining expired earned_at available_at expires_at",
    "purchase": "member_id seq order_id at day version tier ordinal amount_minor unallocated_minor parts net",
    "no_effect": "member_id cause at why",
    "outbox": "topic partition key type event_id number body",
}


class State:
    """What is known of one member."""

    __slots__ = ("activity", "key", "ladder", "member_id", "partition", "posted", "reached", "said")

    def __init__(self, key: bytes, partition: int) -> None:
        self.key = key
        self.member_id = UUID(bytes=key)
        self.partition = partition
        self.posted = self.said = self.activity = 0
        self.reached: datetime = datetime.min.replace(tzinfo=UTC)
        self.ladder: dict[datetime, int] = {}


class Floor:
    """The steps, each timed by itself."""

    def __init__(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, connection: asyncpg.Connection) -> None:
        self.consumer = consumer
        self.producer = producer
        self.connection = connection
        self.members: dict[bytes, State] = {}
        self.spent: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began

    async def batch(self) -> int:
        """One batch from Kafka to Kafka; how many events it was."""
        with self.step("consume"):
            fetched = await self.consumer.getmany(timeout_ms=500, max_records=BATCH)
        records = [record for lane in fetched.values() for record in lane]
        if not records:
            return 0
        with self.step("decode"):
            events = [_decode(record.value) for record in records]
        with self.step("count and encode"):
            rows, touched = self.rows(records, events)
        async with self.connection.transaction():
            for table, names in COLUMNS.items():
                if rows[table]:
                    with self.step(f"write {table}"):
                        await self.connection.copy_records_to_table(table, records=rows[table], columns=names.split())
            with self.step("write account"):
                await self.connection.execute(UPSERT, *self.accounts(touched))
            with self.step("cursor and commit"):
                ends = [(tp.partition, lane[-1].offset + 1) for tp, lane in fetched.items()]
                await self.connection.execute(CURSORS, [p for p, _ in ends], [offset for _, offset in ends])
            commit = time.perf_counter()
        self.spent["cursor and commit"] += time.perf_counter() - commit
        await self.relay()
        return len(records)

    def rows(
        self, records: Sequence[Any], events: Sequence[Event[PurchaseRecorded]]
    ) -> tuple[dict[str, list[Any]], list[State]]:
        rows: dict[str, list[Any]] = {table: [] for table in COLUMNS}
        touched: dict[bytes, State] = {}
        for record, event in zip(records, events, strict=True):
            state = self.members.get(record.key)
            if state is None:
                state = self.members[record.key] = State(record.key, record.partition)
            touched[record.key] = state
            self.rate(state, event, rows)
        return rows, list(touched.values())

    def rate(self, state: State, event: Event[PurchaseRecorded], rows: dict[str, list[Any]]) -> None:
        """The rows of one purchase, as they are."""
        data, at, number = event.data, event.time, event.memberseq or 0
        amount, day = data.amount_minor, event.localday or at.date()
        points = amount // 100
        cause, member_id = f"activity {number}", state.member_id
        why = _json(
            {
                "rule": "purchase", "version": 1, "amount_minor": amount, "parts": [{"left_minor": amount, "rate": "1"}],
                "tier": "regular", "ordinal": 0, "multiplier": "1", "minor_units": 100, "points": points,
            }
        ).decode()  # fmt: skip
        state.activity = number
        state.reached = max(state.reached, at)
        parts = f"[[1000000, {amount}, false, null]]"
        rows["purchase"].append((member_id, number, data.order_id, at, day, 1, None, 0, amount, 0, parts, points))
        if not points:
            rows["no_effect"].append((member_id, cause, at, why))
            return
        until = expires_at(day, MONTHS, ZONE)
        state.said += 1
        state.posted += points
        state.ladder[until] = state.ladder.get(until, 0) + points
        moved = (cause, 1, at, "earned", "issuance", "available", points, data.order_id, number, why)
        rows["transfer"].append((member_id, state.said, *moved))
        rows["lot"].append((member_id, number, "purchase", points, points, 0, at, at, until))
        event_id = str(derived_id("points", member_id, cause))
        said = PointsPosted(
            cause=cause, postings=(Posting(kind="earned", points=points, order_id=data.order_id),), posted=state.posted,
            held=0, debt=0, ladder=tuple(sorted(state.ladder.items())), earned_net=state.posted,
        )  # fmt: skip
        body = encode(
            Event(
                id=event_id, source="points-svc", type=POSTED, time=at, subject=member_id, memberseq=state.said, data=said
            )
        )  # fmt: skip
        rows["outbox"].append((SINK, state.partition, state.key, POSTED, event_id, state.said, body))

    def accounts(self, touched: Sequence[State]) -> list[list[Any]]:
        columns = [
            (s.member_id, s.partition, s.posted, s.said, s.activity, s.reached, _json(s.ladder).decode(), min(s.ladder, default=None))
            for s in touched
        ]  # fmt: skip
        return [list(column) for column in zip(*columns, strict=True)]

    async def relay(self) -> None:
        """What has been laid into the outbox is said and deleted."""
        with self.step("relay: read"):
            rows = await self.connection.fetch(OUTBOX, BATCH)
        with self.step("relay: produce"):
            lanes: dict[int, list[Any]] = {}
            for row in rows:
                lanes.setdefault(row[1], []).append(row)
            waiting = []
            for partition, ours in lanes.items():
                batch = self.producer.create_batch()
                for _, _, key, kind, event_id, number, body in ours:
                    headers = [
                        (HEADER_TYPE, kind.encode()),
                        (HEADER_ID, event_id.encode()),
                        (HEADER_NUMBER, b"%d" % number),
                    ]
                    if not batch.append(timestamp=None, key=key, value=body, headers=headers):
                        raise OverflowError("a batch of one partition does not fit")
                batch.close()
                waiting.append(await self.producer.send_batch(batch, SINK, partition=partition))
            for sent in waiting:
                await sent
        with self.step("relay: delete"):
            await self.connection.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", [row[0] for row in rows])


async def measure(bootstrap: str, dsn: str, count: int) -> dict[str, Any]:
    """So many events from the clean topic, from its beginning."""
    settings = {
        k: v for k, v in CONSUMER.items() if k in ("check_crcs", "fetch_max_wait_ms", "max_partition_fetch_bytes")
    }
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", **settings
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **PRODUCER)
    connection = await asyncpg.connect(dsn, server_settings=SESSION_SETTINGS)
    await instants.by_microseconds(connection)
    await producer.start()
    await producer.partitions_for(SINK)
    await consumer.start()
    try:
        floor = Floor(consumer, producer, connection)
        cpu, began, done = time.process_time(), time.perf_counter(), 0
        consumer.assign([TopicPartition(CLEAN, partition) for partition in range(PARTITIONS)])
        while done < count:
            done += await floor.batch()
        seconds = time.perf_counter() - began
        steps = {name: round(spent / done * 1e6, 2) for name, spent in floor.spent.items()}
        return {"events": done, "seconds": seconds, "python_seconds": time.process_time() - cpu, "steps_us": steps}
    finally:
        await consumer.stop()
        await producer.stop()
        await connection.close()


def main() -> None:
    """The floor as a process of its own."""
    bootstrap, dsn, count = sys.argv[1:]
    sys.stdout.write(msgspec.json.encode(uvloop.run(measure(bootstrap, dsn, int(count)))).decode() + "\n")


if __name__ == "__main__":
    main()
