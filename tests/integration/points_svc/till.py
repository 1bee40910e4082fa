"""points-svc's own application in this process (ASGI) on a real PostgreSQL, with a clock that is moved by hand: what a checkout sees."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prometheus_client import CollectorRegistry

from laurel_kit.http import create_app
from laurel_kit.postgres import Database, Transaction
from points_svc.handlers.expire_holds import HOLDS_PER_TRANSACTION, expire_holds
from points_svc.main import routers
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore
from tests.integration.points_svc.books import MEMBER, Books
from tests.unit.points_svc.script import Script


class HandClock:
    """Business time that stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


@dataclass
class Checkout:
    """Requests of a checkout, each under a key of its own unless one is given."""

    books: Books
    database: Database
    client: httpx.AsyncClient
    clock: HandClock
    keys: Any = field(default_factory=itertools.count)

    def key(self) -> str:
        return f"checkout-key-{next(self.keys):012d}"

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": self.key() if key is None else key}
        return await self.client.post(path, json={} if body is None else body, headers=headers)

    async def hold(self, points: Any, member: UUID = MEMBER, key: str | None = None, **more: Any) -> httpx.Response:
        return await self.post(f"/v1/members/{member}/holds", {"points": points, **more}, key)

    async def held(self, points: int, member: UUID = MEMBER, **more: Any) -> str:
        """The id of a hold that is granted."""
        answer = await self.hold(points, member, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["hold_id"])

    async def capture(self, hold_id: str, key: str | None = None, **body: Any) -> httpx.Response:
        return await self.post(f"/v1/holds/{hold_id}/capture", body, key)

    async def void(self, hold_id: str, key: str | None = None) -> httpx.Response:
        return await self.post(f"/v1/holds/{hold_id}/void", {}, key)

    async def spend(self, points: int, member: UUID = MEMBER, key: str | None = None, **more: Any) -> httpx.Response:
        return await self.post(f"/v1/members/{member}/spendings", {"points": points, **more}, key)

    async def see(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def balance(self, member: UUID = MEMBER) -> Any:
        return await self.see(f"/v1/members/{member}/balance")

    async def figures(self, member: UUID = MEMBER) -> tuple[int, int, int, int]:
        """posted, held, debt, available."""
        balance = await self.balance(member)
        return balance["posted"], balance["held"], balance["debt"], balance["available"]

    async def sweep(self, limit: int = HOLDS_PER_TRANSACTION) -> int:
        """One run of the sweeper's handler."""

        async def work(tx: Transaction) -> int:
            return await expire_holds(self.clock.now(), PointsStore(tx, self.books.shelf), limit)

        return await self.database.in_transaction(work)


@asynccontextmanager
async def open_checkout(books: Books, at: datetime | None = None, *, pool_size: int = 8) -> AsyncIterator[Checkout]:
    """The application on the books' database."""
    clock = HandClock(at or Script().now)
    database = Database(
        books.database.url.render_as_string(hide_password=False), application_name="points-svc", pool_size=pool_size
    )
    metrics = PointsMetrics(CollectorRegistry())
    app = create_app("points-svc", database=database, routers=routers(database, books.shelf, clock, metrics))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://points", timeout=60.0) as client:
            yield Checkout(books, database, client, clock)
    finally:
        await database.close()
