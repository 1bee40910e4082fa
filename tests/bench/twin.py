"""The plain way to answer with a member's status: FastAPI, an asyncpg pool, one SELECT by primary key, `response_model`. It gives the same
answer as member-svc from the same row; `status.py` compares them before it measures.

`python -m tests.bench.twin DSN PORT` serves it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from tests.bench.serving import POOL_SIZE, serve

READ = "SELECT * FROM member_status WHERE member_id = $1"


class ExpiringSoon(BaseModel):
    points: int
    next_at: datetime | None


class Status(BaseModel):
    member_id: UUID
    state: str
    enrolled_at: datetime | None
    tier: str | None
    since: datetime | None
    until: datetime | None
    posted: int
    available: int
    pending: int
    held: int
    debt: int
    earned_net: int
    expiring_soon: ExpiringSoon
    coupon_count: int
    coupons: list[dict[str, Any]]
    heard: dict[str, int]


def ladder(text: str) -> list[tuple[datetime, int]]:
    return [(datetime.fromisoformat(at), points) for at, points in json.loads(text)]


def answer(row: asyncpg.Record, now: datetime) -> Status:
    """What can be spent at `now`, and the rest of the row."""
    steps = ladder(row["ladder"])
    soon = [(at, points) for at, points in steps if now < at <= now + timedelta(days=30)]
    expired = sum(points for at, points in steps if at <= now)
    waiting = sum(points for at, points in ladder(row["pending"]) if at > now)
    coupons = json.loads(row["coupons"])
    available = 0 if row["debt"] else max(0, row["posted"] - expired - row["held"] - waiting)
    return Status(
        **{name: row[name] for name in ("member_id", "state", "enrolled_at", "tier", "since", "until", "posted", "held", "debt")},
        available=available, pending=waiting, earned_net=row["earned_net"],
        expiring_soon=ExpiringSoon(points=sum(points for _, points in soon), next_at=soon[0][0] if soon else None),
        coupon_count=len(coupons), coupons=coupons,
        heard={"tiers": row["tiers_number"], "campaigns": row["campaigns_number"], "points": row["points_number"]},
    )  # fmt: skip


def build(dsn: str) -> FastAPI:
    """The application."""

    @asynccontextmanager
    async def with_pool(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=with_pool)

    @app.get("/v1/members/{member_id}/status", response_model=Status)
    async def status(member_id: UUID) -> Status:
        async with app.state.pool.acquire() as connection:
            row = await connection.fetchrow(READ, member_id)
        if row is None:
            raise HTTPException(404)
        return answer(row, datetime.now(UTC))

    return app


if __name__ == "__main__":
    serve(build)
