"""The plain way to answer with a balance and a statement: FastAPI, SQLAlchemy's ORM with mapped classes and relationships, and
`response_model`. It gives the same answers as points-svc from the same rows; `accounts.py` compares them before it measures.

`python -m tests.bench.accounts_twin DSN PORT` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, ForeignKeyConstraint, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from tests.bench.serving import POOL_SIZE, serve

MINE = ("available", "held", "debt")
SOON_DAYS = 30


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSONB}  # noqa: RUF012 - as the library wants it


class Account(Base):
    __tablename__ = "account"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    posted: Mapped[int]
    held: Mapped[int]
    debt: Mapped[int]
    earned_net: Mapped[int]
    seq: Mapped[int]
    active: Mapped[bool]
    halted: Mapped[bool]
    ladder: Mapped[dict[str, Any]]
    lots: Mapped[list[Lot]] = relationship()


class Lot(Base):
    __tablename__ = "lot"
    member_id: Mapped[UUID] = mapped_column(ForeignKey("account.member_id"), primary_key=True)
    lot: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    granted: Mapped[int]
    remaining: Mapped[int]
    earned_at: Mapped[datetime]
    available_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    extends: Mapped[int | None]


class Transfer(Base):
    __tablename__ = "transfer"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    debit: Mapped[str]
    credit: Mapped[str]
    amount: Mapped[int]
    order_id: Mapped[str | None]
    lot: Mapped[int | None]
    why: Mapped[dict[str, Any]]
    consumed: Mapped[list[Consumption]] = relationship(order_by="Consumption.place")


class Consumption(Base):
    __tablename__ = "consumption"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    lot: Mapped[int]
    amount: Mapped[int]
    __table_args__ = (ForeignKeyConstraint(["member_id", "seq"], ["transfer.member_id", "transfer.seq"]),)


class LotShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    lot: int
    kind: str
    granted: int
    remaining: int
    earned_at: datetime
    available_at: datetime
    expires_at: datetime
    extends: int | None


class Balance(BaseModel):
    member_id: UUID
    at: datetime
    posted: int
    available: int
    pending: int
    overdue: int
    held: int
    debt: int
    earned_net: int
    active: bool
    account_frozen: bool
    lots: list[LotShown]
    holds: list[dict[str, Any]]


class Part(BaseModel):
    lot: int
    points: int


class EntryShown(BaseModel):
    entry: int
    cause: str
    at: datetime
    kind: str
    points: int
    amount: int
    source: str = Field(serialization_alias="from")
    to: str
    order_id: str | None
    lot: int | None
    consumed: list[Part]
    why: dict[str, Any]


class Statement(BaseModel):
    items: list[EntryShown]
    next: int | None
    lots: list[LotShown]
    expiring: dict[str, Any]


def balance_of(account: Account, now: datetime) -> Balance:
    """What can be spent at `now`, and the rest of the row."""
    live = [lot for lot in account.lots if lot.expires_at > now]
    available = sum(lot.remaining for lot in live if lot.available_at <= now)
    pending = sum(lot.remaining for lot in live if lot.available_at > now)
    return Balance(
        member_id=account.member_id, at=now, posted=account.posted, available=0 if account.debt else available,
        pending=pending, overdue=account.posted - account.held - available - pending, held=account.held, debt=account.debt,
        earned_net=account.earned_net, active=account.active, account_frozen=account.halted, lots=in_turn(account.lots), holds=[],
    )  # fmt: skip


def in_turn(lots: list[Lot]) -> list[LotShown]:
    """The soonest to expire first."""
    return [
        LotShown.model_validate(lot) for lot in sorted(lots, key=lambda lot: (lot.expires_at, lot.earned_at, lot.lot))
    ]


def entry_of(entry: Transfer) -> EntryShown:
    gained = (entry.credit in MINE) - (entry.debit in MINE)
    return EntryShown(
        entry=entry.seq, cause=entry.cause, at=entry.at, kind=entry.kind, points=gained * entry.amount, amount=entry.amount,
        source=entry.debit, to=entry.credit, order_id=entry.order_id, lot=entry.lot,
        consumed=[Part(lot=one.lot, points=one.amount) for one in entry.consumed], why=entry.why,
    )  # fmt: skip


def soon(account: Account, now: datetime) -> dict[str, Any]:
    steps = sorted((datetime.fromisoformat(at), points) for at, points in account.ladder.items())
    there = [(at, points) for at, points in steps if now < at <= now + timedelta(days=SOON_DAYS)]
    return {
        "within_days": SOON_DAYS,
        "points": sum(points for _, points in there),
        "at": [{"expires_at": at, "points": points} for at, points in there],
    }


async def statement_of(session: AsyncSession, account: Account, before: int | None, limit: int) -> Statement:
    """A page, newest first, and the lots it speaks of."""
    page = (
        select(Transfer)
        .where(Transfer.member_id == account.member_id, Transfer.seq < (before or account.seq + 1))
        .order_by(Transfer.seq.desc())
        .limit(limit)
        .options(selectinload(Transfer.consumed))
    )
    entries = (await session.scalars(page)).all()
    oldest = entries[-1].seq if entries else 1
    named = {entry.lot for entry in entries if entry.lot is not None} | {one.lot for e in entries for one in e.consumed}
    lots = list(await session.scalars(select(Lot).where(Lot.member_id == account.member_id, Lot.lot.in_(named))))
    return Statement(
        items=[entry_of(entry) for entry in entries],
        next=oldest if oldest > 1 else None,
        lots=in_turn(lots),
        expiring=soon(account, datetime.now(UTC)),
    )


def build(dsn: str) -> FastAPI:
    """The application."""
    engine = create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://"), pool_size=POOL_SIZE, max_overflow=0
    )
    sessions = async_sessionmaker(engine)

    @asynccontextmanager
    async def with_engine(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=with_engine)

    @app.get("/v1/members/{member_id}/balance", response_model=Balance)
    async def balance(member_id: UUID) -> Balance:
        async with sessions() as session:
            with_lots = selectinload(Account.lots.and_(Lot.remaining > 0))
            account = await session.get(Account, member_id, options=[with_lots])
            if account is None:
                raise HTTPException(404)
            return balance_of(account, datetime.now(UTC))

    @app.get("/v1/members/{member_id}/statement", response_model=Statement)
    async def statement(
        member_id: UUID, limit: Annotated[int, Query(ge=1, le=1000)] = 100, before: int | None = None
    ) -> Statement:
        async with sessions() as session:
            account = await session.get(Account, member_id)
            if account is None:
                raise HTTPException(404)
            return await statement_of(session, account, before, limit)

    return app


if __name__ == "__main__":
    serve(build)
