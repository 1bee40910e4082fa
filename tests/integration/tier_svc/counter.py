"""Tier-svc's HTTP interface over a world, at a clock that a test moves: the counter at which a member asks for what he has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from laurel_kit.clock import BusinessClock
from laurel_kit.http import create_app
from tests.integration.tier_svc.world import World
from tier_svc.api import benefits, tasks

BUSY = 503
TRIES_MAX = 100
AT_ONCE = 8  # twice the connections of a world


class MovedClock(BusinessClock):
    """Stands where it was put."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at

    def now(self) -> datetime:
        return self.at


class Counter:
    """Asks and uses. Keys count by themselves unless one is given."""

    def __init__(self, world: World, client: httpx.AsyncClient, clock: MovedClock) -> None:
        self.world, self.client, self.clock = world, client, clock
        self._keys = count(1)
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def send(self, method: str, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """Under a key of its own; asked again under the same key while the database is busy, as a till would."""
        key = key or f"a-key-of-its-own-{next(self._keys)}"
        for _ in range(TRIES_MAX):
            async with self._at_once:
                answer = await self.client.request(method, path, json=body, headers={"Idempotency-Key": key})
            if answer.status_code != BUSY:
                return answer
        raise AssertionError(f"still busy: {answer.text}")

    async def use(self, member: UUID, benefit: str, key: str | None = None, **more: Any) -> httpx.Response:
        return await self.send("POST", f"/v1/members/{member}/benefit-uses", {"benefit_id": benefit} | more, key)

    async def used(self, member: UUID, benefit: str, **more: Any) -> Any:
        answer = await self.use(member, benefit, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refused(self, member: UUID, benefit: str) -> Any:
        answer = await self.use(member, benefit)
        assert answer.status_code == 409, answer.text
        return answer.json()

    async def give_back(self, use_id: str, key: str | None = None) -> httpx.Response:
        return await self.send("POST", f"/v1/benefit-uses/{use_id}/give-back", {"actor": "anna"}, key)

    async def chooses(self, member: UUID, **profile: Any) -> httpx.Response:
        return await self.send("PUT", f"/v1/members/{member}/profile", profile)

    async def benefits(self, member: UUID, at: str | None = None) -> dict[str, Any]:
        """By id."""
        shown = await self.get(f"/v1/members/{member}/benefits" + (f"?at={at}" if at else ""))
        return {item["benefit_id"]: item for item in shown["items"]}


@asynccontextmanager
async def counter_of(world: World, at: datetime) -> AsyncIterator[Counter]:
    """The counter is open."""
    clock = MovedClock(at)
    app = create_app(
        "tier-svc",
        database=world.database,
        routers=[
            benefits.router(world.database, world.open_store, clock),
            tasks.router(world.database, world.open_store, clock),
        ],
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tier") as client:
        yield Counter(world, client, clock)
