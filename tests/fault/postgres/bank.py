"""points-svc on a real PostgreSQL with a count of its own beside it: accounts with an opening balance, spendings over HTTP, and at the
end the books laid beside what was answered. The application runs in this process (ASGI), so that a test can stand between any two
statements."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from laurel_kit.clock import BusinessClock
from laurel_kit.http import create_app
from laurel_kit.migrate import upgrade
from laurel_kit.postgres import Database
from points_svc.main import migrations, routers
from points_svc.metrics import PointsMetrics
from tests.integration.points_svc.books import Books, told
from tests.support.shop import Deadline
from tests.unit.points_svc.script import SHANGHAI, Script

# 1,000,000 points each: more than any test spends, so that no refusal hides a loss.
OPENING_MINOR = 100_000_000
OPENING_POINTS = 1_000_000
AT = datetime(2025, 3, 3, 4, tzinfo=UTC)
KEY_SECONDS_MAX = 60.0  # a caller asks again under its key for at most so long


def member(n: int) -> UUID:
    """The n-th account."""
    return UUID(int=n + 1)


@dataclass
class Bank:
    """The service and the count."""

    url: str
    database: Database
    books: Books
    app: FastAPI
    client: httpx.AsyncClient
    members: int
    wanted: dict[str, tuple[UUID, int]] = field(default_factory=dict)  # by key: every spending that was ever asked for
    granted: dict[str, tuple[UUID, int]] = field(default_factory=dict)  # by key: answered with 201
    answers: Counter[str] = field(default_factory=Counter)  # every single answer: status, or "cut"

    async def ask(self, key: str, who: UUID, points: int) -> httpx.Response:
        """One request, one answer."""
        self.wanted[key] = (who, points)
        answer = await self.client.post(
            f"/v1/members/{who}/spendings", json={"points": points}, headers={"Idempotency-Key": key}
        )
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 201:
            self.granted[key] = (who, points)
        return answer

    async def spend(self, key: str, who: UUID, points: int) -> httpx.Response:
        """As a caller does it: on 503 and 409 request_in_flight the same again under the same key, until it is answered."""
        async with asyncio.timeout(KEY_SECONDS_MAX):
            while True:
                answer = await self.ask(key, who, points)
                if not is_passing(answer):
                    return answer
                assert "retry-after" in answer.headers, "what passes says when to come again"
                await asyncio.sleep(0.02)

    async def ask_again(self, some: int, rng: random.Random) -> None:
        """What became of the keys that got no answer: as many as `some` of them are asked again, and the answer must be a replay exactly
        where the books have the key already; of the others the books are believed (the balances are laid beside them all)."""
        unknown = sorted(self.wanted.keys() - self.granted.keys())
        kept = {row["key"] for row in await fetch(self.url, "SELECT key FROM idempotency WHERE status = 201")}
        asked = set(rng.sample(unknown, min(some, len(unknown))))
        for key in asked:
            answer = await self.spend(key, *self.wanted[key])
            assert answer.status_code == 201, answer.text
            assert ("idempotent-replayed" in answer.headers) == (key in kept), key
        self.granted |= {key: self.wanted[key] for key in kept & set(unknown)}

    async def differences(self) -> list[str]:
        """Where the books are not what was answered: lost, doubled, trial balance, invariants."""
        proof = (await self.client.get("/v1/ledger/trial-balance")).json()
        problems = [f"trial balance {proof['sum']}"] if proof["sum"] else []
        problems += [f"{name} broken {times} times" for name, times in proof["invariants"].items() if times]
        spent: Counter[UUID] = Counter()
        for who, points in self.granted.values():
            spent[who] += points
        rows = await fetch(self.url, "SELECT member_id, posted FROM account")
        if len(rows) != self.members:
            problems.append(f"{len(rows)} accounts, not {self.members}")
        for row in rows:
            wanted = OPENING_POINTS - spent[row["member_id"]]
            if row["posted"] != wanted:
                word = "lost" if row["posted"] > wanted else "doubled"
                problems.append(f"{row['member_id']} has {row['posted']}, the answers say {wanted}: {word}")
        kept = await fetch(self.url, "SELECT key FROM idempotency WHERE status = 201")
        keys = {row["key"] for row in kept}
        problems += [f"{key} was granted and is not in the books" for key in self.granted.keys() - keys]
        problems += [f"{key} is in the books and nobody was told" for key in keys - self.granted.keys()]
        return problems


def is_passing(answer: httpx.Response) -> bool:
    """Whether the same again, under the same key, is what the answer asks for."""
    return answer.status_code == 503 or (answer.status_code == 409 and answer.json()["type"] == "request_in_flight")


@asynccontextmanager
async def open_bank(
    url: str, *, members: int = 20, pool_size: int = 8, through: str | None = None, clock_offset_seconds: float = 0.0
) -> AsyncIterator[Bank]:
    """`url`: an empty database. `through`: the address the service itself uses, where it is another one (a proxy)."""
    await upgrade(url, migrations())
    books = Books(url)
    await books.load(Script().programme)
    await open_accounts(books, range(members))
    database = Database(through or url, application_name="points-svc", pool_size=pool_size)
    metrics = PointsMetrics(CollectorRegistry())
    app = create_app(
        "points-svc",
        database=database,
        routers=routers(database, books.shelf, BusinessClock(clock_offset_seconds), metrics),
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://points", timeout=60.0) as client:
            yield Bank(url, database, books, app, client, members)
    finally:
        await database.close()
        await books.database.close()


async def open_accounts(books: Books, numbers: Iterable[int]) -> None:
    """Registered, and one purchase each."""
    records = []
    for n in numbers:
        script = Script(now=AT)
        script.register()
        # far in the future, so that the opening points are alive whatever the clock says
        script.buy(OPENING_MINOR, f"opening-{n}", at=datetime.now(UTC))
        records += [told(step, member(n), SHANGHAI) for step in script.steps]  # type: ignore[arg-type]
    await books.apply(records)


async def fetch(url: str, statement: str, *values: Any) -> list[Any]:
    """Rows, on a session of the test's own."""
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def deadlocks(url: str) -> int:
    """Deadlocks that PostgreSQL has seen in this database."""
    return int(
        (await fetch(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))[0]["deadlocks"]
    )


async def sessions(url: str, where: str) -> int:
    """How many sessions of the service are in a state."""
    rows = await fetch(
        url,
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
        f" AND application_name = 'points-svc' AND {where}",
    )
    return int(rows[0]["n"])


async def until_idle(url: str, limit_seconds: float = 10.0) -> None:
    """Wait until no session of the service does anything: what was shielded may end."""
    until = Deadline(limit_seconds)
    while await sessions(url, "state <> 'idle'") and not until.passed():
        until.wait(0.02)
