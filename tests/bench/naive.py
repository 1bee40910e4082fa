"""The usual way: a message at a time, an ORM session each. `SELECT … FOR UPDATE` of the account, inserts through mapped classes, one
commit, then `send_and_wait`, then the offset. The same tables as points-svc and the same rows, but no outbox: a death between commit and
send loses the message, which ours does not.

`python -m tests.bench.naive BOOTSTRAP DSN EVENTS` prints its figures as JSON."""

from __future__ import annotations

import sys
import time
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from sqlalchemy import BigInteger, DateTime, SmallInteger, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from laurel_contracts.activities import PurchaseRecorded
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, derived_id, encode
from laurel_contracts.points import PointsPosted, Posting
from laurel_contracts.registry import TYPE_OF
from points_svc.domain.calendar import expires_at
from tests.bench.purchases import PARTITIONS
from tests.bench.topics import CLEAN, SINK
from tests.support.complete_journey import ZONE

MONTHS = 12
POSTED = TYPE_OF[PointsPosted]
_decode = msgspec.json.Decoder(Event[PurchaseRecorded]).decode


class Table(DeclarativeBase):
    """Mapped onto the tables that are there."""

    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True), dict[str, Any]: JSONB, list[Any]: JSONB}  # noqa: RUF012


class AccountRow(Table):
    __tablename__ = "account"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    partition: Mapped[int]
    posted: Mapped[int] = mapped_column(default=0)
    earned_net: Mapped[int] = mapped_column(default=0)
    seq: Mapped[int] = mapped_column(default=0)
    said: Mapped[int] = mapped_column(default=0)
    activity: Mapped[int] = mapped_column(default=0)
    reached: Mapped[datetime | None]
    ladder: Mapped[dict[str, Any]] = mapped_column(default=dict)
    next_expiry: Mapped[datetime | None]


class TransferRow(Table):
    __tablename__ = "transfer"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[str]
    leg: Mapped[int] = mapped_column(SmallInteger)
    at: Mapped[datetime]
    kind: Mapped[str]
    debit: Mapped[str]
    credit: Mapped[str]
    amount: Mapped[int]
    order_id: Mapped[str | None]
    lot: Mapped[int | None]
    why: Mapped[dict[str, Any]]


class LotRow(Table):
    __tablename__ = "lot"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    lot: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    granted: Mapped[int]
    remaining: Mapped[int]
    expired: Mapped[int] = mapped_column(default=0)
    earned_at: Mapped[datetime]
    available_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class PurchaseRow(Table):
    __tablename__ = "purchase"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    at: Mapped[datetime]
    day: Mapped[date]
    version: Mapped[int]
    ordinal: Mapped[int] = mapped_column(default=0)
    amount_minor: Mapped[int]
    unallocated_minor: Mapped[int] = mapped_column(default=0)
    parts: Mapped[list[Any]]
    net: Mapped[int]


class NoEffectRow(Table):
    __tablename__ = "no_effect"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    cause: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    why: Mapped[dict[str, Any]]


async def rate(session: AsyncSession, record: Any, event: Event[PurchaseRecorded]) -> Event[PointsPosted] | None:
    """One purchase into the session; what is to be said of it."""
    member_id, number, data, at = UUID(bytes=record.key), event.memberseq or 0, event.data, event.time
    found = await session.execute(select(AccountRow).where(AccountRow.member_id == member_id).with_for_update())
    account = found.scalar_one_or_none()
    if account is None:
        account = AccountRow(
            member_id=member_id, partition=record.partition, ladder={}, posted=0, earned_net=0, seq=0, said=0
        )
        session.add(account)
    day, points = event.localday or at.date(), data.amount_minor // 100
    account.activity = number
    account.reached = at if account.reached is None else max(account.reached, at)
    session.add(
        PurchaseRow(
            member_id=member_id, seq=number, order_id=data.order_id, at=at, day=day, version=1, amount_minor=data.amount_minor,
            parts=[[1_000_000, data.amount_minor, False, None]], net=points,
        )
    )  # fmt: skip
    cause = f"activity {number}"
    why = {
        "rule": "purchase", "version": 1, "amount_minor": data.amount_minor, "tier": "regular", "ordinal": 0, "multiplier": "1",
        "parts": [{"left_minor": data.amount_minor, "rate": "1"}], "minor_units": 100, "points": points,
    }  # fmt: skip
    if not points:
        session.add(NoEffectRow(member_id=member_id, cause=cause, at=at, why=why))
        return None
    until = expires_at(day, MONTHS, ZONE)
    until_text = until.isoformat().replace("+00:00", "Z")
    account.seq += 1
    account.said += 1
    account.posted += points
    account.earned_net += points
    account.ladder = {**account.ladder, until_text: account.ladder.get(until_text, 0) + points}
    account.next_expiry = min(datetime.fromisoformat(each) for each in account.ladder)
    session.add(
        TransferRow(
            member_id=member_id, seq=account.seq, cause=cause, leg=1, at=at, kind="earned", debit="issuance", credit="available",
            amount=points, order_id=data.order_id, lot=number, why=why,
        )
    )  # fmt: skip
    session.add(
        LotRow(
            member_id=member_id, lot=number, kind="purchase", granted=points, remaining=points, earned_at=at, available_at=at,
            expires_at=until,
        )
    )  # fmt: skip
    said = PointsPosted(
        cause=cause, postings=(Posting(kind="earned", points=points, order_id=data.order_id),), posted=account.posted, held=0,
        debt=0, ladder=tuple(sorted((datetime.fromisoformat(k), v) for k, v in account.ladder.items())), earned_net=account.posted,
    )  # fmt: skip
    return Event(
        id=str(derived_id("points", member_id, cause)), source="points-svc", type=POSTED, time=at, subject=member_id,
        memberseq=account.said, data=said,
    )  # fmt: skip


async def measure(bootstrap: str, dsn: str, count: int) -> dict[str, Any]:
    """So many events from the clean topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        group_id=f"naive-{time.time()}",
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://"))
    new_session = async_sessionmaker(engine, expire_on_commit=False)
    await producer.start()
    consumer.subscribe([CLEAN])
    await consumer.start()
    try:
        while len(consumer.assignment()) < PARTITIONS:
            await consumer.getmany(timeout_ms=50, max_records=1)
        await consumer.seek_to_beginning()
        cpu, began, done = time.process_time(), time.perf_counter(), 0
        while done < count:
            record = await consumer.getone()
            event = _decode(record.value)
            async with new_session() as session:
                said = await rate(session, record, event)
                await session.commit()
            if said is not None:
                headers = [
                    (HEADER_TYPE, POSTED.encode()),
                    (HEADER_ID, said.id.encode()),
                    (HEADER_NUMBER, b"%d" % (said.memberseq or 0)),
                ]
                await producer.send_and_wait(
                    SINK, encode(said), key=record.key, partition=record.partition, headers=headers
                )  # fmt: skip
            await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1})
            done += 1
        seconds = time.perf_counter() - began
        return {"events": done, "seconds": seconds, "python_seconds": time.process_time() - cpu}
    finally:
        await consumer.stop()
        await producer.stop()
        await engine.dispose()


def main() -> None:
    """The naive service as a process of its own."""
    bootstrap, dsn, count = sys.argv[1:]
    sys.stdout.write(msgspec.json.encode(uvloop.run(measure(bootstrap, dsn, int(count)))).decode() + "\n")


if __name__ == "__main__":
    main()
