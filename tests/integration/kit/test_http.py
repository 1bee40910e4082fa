"""The HTTP frame on a real PostgreSQL: health, problems, limits, dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Body
from pydantic import BaseModel

from laurel_kit.http import Problem, create_app
from laurel_kit.postgres import Database
from laurel_kit.resaying import Page
from laurel_kit.telemetry import KitMetrics

from .toy import Toy, applier, record

BODY_BYTES_MAX = 2_000


class Order(BaseModel):
    amount: int


def router(database: Database) -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.post("/orders")
    async def order(order: Annotated[Order, Body()]) -> dict[str, int]:
        if order.amount == 13:
            raise Problem(409, "unlucky", "Not this one", "13 is refused.", amount=13)
        if order.amount == 0:
            raise ZeroDivisionError("secret")
        return {"amount": order.amount}

    @routes.get("/slow")
    async def slow() -> dict[str, str]:
        async with database.transaction():
            return {}

    return routes


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async def resay(member_id: UUID | None, after: UUID | None) -> Page:
        return Page(2, UUID(int=7)) if member_id is None and after is None else Page(1)

    app = create_app(
        "toy-svc", database=database, routers=[router(database)], applier=applier(database, Toy()),
        metrics=KitMetrics("toy-svc"), resay=resay, body_bytes_max=BODY_BYTES_MAX,
    )  # fmt: skip
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        yield client


def problem(answer: httpx.Response, status: int, type_: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["type"]) == (status, type_)
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


async def test_every_error_is_a_problem_with_a_request_id(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404, "not_found")
    problem(await client.delete("/v1/orders"), 405, "method_not_allowed")
    problem(
        await client.post("/v1/orders", content=b"{", headers={"content-type": "application/json"}), 400, "malformed"
    )
    invalid = problem(await client.post("/v1/orders", json={"amount": "x"}), 422, "invalid")
    assert invalid["errors"][0]["path"] == "body.amount"
    refused = problem(await client.post("/v1/orders", json={"amount": 13}), 409, "unlucky")
    assert refused["amount"] == 13
    unknown = await client.post("/v1/orders", json={"amount": 0}, headers={"x-request-id": "abc-1"})
    assert problem(unknown, 500, "internal")["request_id"] == "abc-1"
    assert "secret" not in unknown.text


async def test_a_body_over_the_limit_is_refused_by_its_length_and_while_it_comes(client: httpx.AsyncClient) -> None:
    problem(await client.post("/v1/orders", content=b" " * (BODY_BYTES_MAX + 1)), 413, "too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 1_000

    problem(
        await client.post("/v1/orders", content=chunks(), headers={"content-type": "application/json"}),
        413,
        "too_large",
    )


async def test_a_busy_pool_answers_503_and_says_when_to_come_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    free = asyncio.Event()

    async def occupy() -> None:
        async with database.transaction(pool_wait_seconds=5):
            await free.wait()

    occupied = [asyncio.create_task(occupy()) for _ in range(8)]
    await asyncio.sleep(0)
    answer = await client.get("/v1/slow")
    free.set()
    await asyncio.gather(*occupied)
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"


async def test_health_metrics_and_progress(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "alive"}
    assert (await client.get("/readyz")).json() == {"status": "ready", "database": "ok"}
    assert "laurel_outbox_rows" in (await client.get("/metrics")).text
    progress = (await client.get("/progress")).json()
    assert progress == {
        "service": "toy-svc",
        "outbox_rows": 0,
        "cursors": [],
        "lanes": [],
        "moved_total": 0,
        "waiting": 0,
        "unfinished": {},
    }


async def test_dead_letters_over_http(client: httpx.AsyncClient, database: Database) -> None:
    await applier(database, Toy()).apply([record(UUID(int=1), 1, 0, value=b"{"), record(UUID(int=1), 2, 1)])
    page = (await client.get("/v1/dead-letters", params={"state": "open", "limit": 1})).json()
    assert page["next"] == page["items"][0]["id"]
    first = page["items"][0]["id"]
    assert (await client.get(f"/v1/dead-letters/{first}")).json()["value"] == "{"
    problem(await client.post(f"/v1/dead-letters/{first + 1}/replay"), 409, "not_first")
    problem(await client.get("/v1/dead-letters/999"), 404, "not_found")
    assert (await client.post(f"/v1/dead-letters/{first}/discard")).json()["replayed"] == 1
    assert (await client.get("/v1/dead-letters", params={"state": "open"})).json()["items"] == []
    problem(await client.post(f"/v1/dead-letters/{first}/replay"), 409, "discarded")
    problem(await client.post(f"/v1/dead-letters/{first}/discard"), 409, "discarded")
    assert (await client.get(f"/v1/dead-letters/{first}")).json()["state"] == "discarded"
    again = await client.post(f"/v1/dead-letters/{first + 1}/replay", json={"by": "anna"})
    assert again.json()["duplicates"] == 1
    problem(await client.post(f"/v1/dead-letters/{first + 1}/replay", json={"by": ""}), 422, "invalid")


async def test_say_again_for_one_and_for_all(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/resay", json={})
    assert (first.status_code, first.json()) == (202, {"said": 2, "next": str(UUID(int=7))})
    assert (await client.post("/v1/resay", json={"after": first.json()["next"]})).json() == {"said": 1, "next": None}
    assert (await client.post("/v1/resay", json={"member_id": str(UUID(int=1))})).json() == {"said": 1, "next": None}
    problem(await client.post("/v1/resay", json={"after": "the beginning"}), 422, "invalid")
