"""The short way to the status and the long one: the same answers, and a question is never lost between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from laurel_kit.http import create_app
from laurel_kit.short_way import InFront
from member_svc.api.access import Access
from member_svc.api.status import StatusLoader, StatusRoute
from tests.integration.member_svc.world import World

KNOWN = UUID("0a8b4a0e-7d1c-4c3b-9a39-52b8de2c1f01")
ROW = text("""
INSERT INTO member_status (member_id, state, posted, ladder, coupons, points_number)
VALUES (:id, 'active', 700, '[["2099-01-01T00:00:00Z", 700]]', '[{"award_id": "a", "coupon": "ten"}]', 4)
""")


@pytest.fixture
async def ways(world: World) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The application with and without the short way."""
    async with world.database.transaction() as tx:
        await tx.run(ROW, id=KNOWN)
    route = StatusRoute(Access(world.database, world.open_store), lambda: world.now)
    long = create_app("member-svc", database=world.database, routers=[route.router()])
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(InFront(long, route.short_way)), base_url="http://door") as one,
        httpx.AsyncClient(transport=httpx.ASGITransport(long), base_url="http://door") as other,
    ):
        yield one, other


PLAIN = f"/v1/members/{KNOWN}/status"
ASKED: list[tuple[str, str, dict[str, str]]] = [
    ("GET", PLAIN, {}),
    ("GET", PLAIN, {"x-request-id": "till-7"}),
    ("GET", PLAIN, {"x-request-id": "no plain word"}),
    ("GET", PLAIN, {"content-type": "text/xml"}),
    ("GET", PLAIN, {"content-encoding": "gzip"}),
    ("GET", PLAIN + "?now=%00", {}),
    ("GET", PLAIN + "/", {}),
    ("GET", PLAIN.upper().replace("/V1/MEMBERS", "/v1/members").replace("STATUS", "status"), {}),
    ("GET", PLAIN.replace("-", ""), {}),
    ("GET", "/v1/members/0a8b4a0e7-d1c-4c3b-9a39-52b8de2c1f01/status", {}),
    ("GET", "/v1/members/0a8b4a0e-7d1c-4c3b-9a39-52b8de2c1f99/status", {}),
    ("GET", "/v1/members/nobody/status", {}),
    ("POST", PLAIN, {}),
    ("HEAD", PLAIN, {}),
]


@pytest.mark.parametrize(("method", "path", "headers"), ASKED)
async def test_both_ways_give_the_same_answer(
    ways: tuple[httpx.AsyncClient, httpx.AsyncClient], method: str, path: str, headers: dict[str, str]
) -> None:
    """Would break if the short way answered anything that the application would refuse or spell differently."""
    short, long = [await client.request(method, path, headers=headers) for client in ways]
    assert short.status_code == long.status_code
    # A problem names the request; everything else is the same to the last byte.
    bodies = [answer.content.replace(answer.headers["x-request-id"].encode(), b"<id>") for answer in (short, long)]
    assert bodies[0] == bodies[1]
    given = headers.get("x-request-id", "")
    assert (short.headers["x-request-id"] == given) == (long.headers["x-request-id"] == given)
    own = {"x-request-id"} | (
        {"content-length"} if short.status_code != 200 else set()
    )  # it counts the id's letters too
    heads = [[item for item in answer.headers.items() if item[0] not in own] for answer in (short, long)]
    assert heads[0] == heads[1]


async def test_trouble_in_the_database_is_told_alike(
    world: World, ways: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    """Would break if the short way had an answer of its own for trouble."""
    async with world.database.transaction() as tx:
        await tx.run(text("ALTER TABLE member_status RENAME TO member_status_away"))
    try:
        answers = [await client.get(PLAIN) for client in ways]
    finally:
        async with world.database.transaction() as tx:
            await tx.run(text("ALTER TABLE member_status_away RENAME TO member_status"))
    assert answers[0].status_code == answers[1].status_code >= 500
    assert answers[0].json()["type"] == answers[1].json()["type"]


async def test_no_question_is_lost_whenever_it_is_asked_or_given_up(world: World) -> None:
    """Would break if a question could come just when the readers had ended without anybody reading on."""
    async with world.database.transaction() as tx:
        await tx.run(ROW, id=KNOWN)
    loader = StatusLoader(Access(world.database, world.open_store))

    async def ask(turns: int) -> None:
        for _ in range(turns % 40):
            await asyncio.sleep(0)  # come in different turns of the loop
        row = await loader.load(KNOWN)
        assert row is not None
        assert row.posted == 700

    async with asyncio.timeout(20.0):
        for start in range(20):
            tasks = [asyncio.create_task(ask(start * 7 + place)) for place in range(60)]
            given_up = tasks[::5]
            await asyncio.sleep(0)
            for task in given_up:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [one for place, one in enumerate(results) if one is not None and place % 5] == []
        assert await loader.load(uuid4()) is None
