"""What tier-svc answers over HTTP: standings with needs, history, export, summary, programmes, and what it says again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text

from laurel_kit.clock import BusinessClock
from laurel_kit.http import create_app
from tests.integration.tier_svc.world import Log, NewWorld, World, purchase
from tests.unit.tier_svc.domain.ladders import reference_document
from tier_svc.api import members, programmes, standings
from tier_svc.main import resay

LOOKS_MAX = 500
ANNA, BORIS, NOBODY = UUID(int=2), UUID(int=5), UUID(int=9)

Client = httpx.AsyncClient


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[Client]:
    app = create_app(
        "tier-svc",
        database=world.database,
        routers=[
            members.router(world.database, world.open_store),
            standings.router(world.database, world.open_store),
            programmes.router(world.database, world.open_store, BusinessClock()),
        ],
        applier=world.applier,
        resay=partial(resay, world.database, world.open_store),
    )
    async with Client(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://tier") as client:
        yield client


@pytest.fixture
async def told(new_world: NewWorld) -> AsyncIterator[tuple[World, Client]]:
    """T8 of domain.md 4 for Anna; Boris has bought for 1.00."""
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 40_000), at("2025-03-01T04:00"))
    log.tell(ANNA, purchase("b", 60_000), at("2025-03-02T04:00"))
    log.tell(BORIS, purchase("x", 100), at("2025-03-02T04:00"))
    log.close_day(at("2026-03-03T16:00"))
    log.tell(ANNA, purchase("c", 50_000), at("2026-03-01T02:00"))
    await world.drink(log, 2)
    async with client_of(world) as client:
        yield world, client


Get = Callable[[str], Awaitable[Any]]


async def got(client: Client, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_standing_says_what_is_needed(told: tuple[World, Client]) -> None:
    _, client = told
    standing = await got(client, f"/v1/members/{ANNA}/standing")
    assert {name: standing[name] for name in ("tier", "since", "until", "held_since", "ordinal", "clock")} == {
        "tier": "gold", "since": "2026-03-01T16:00:00Z", "until": "2027-03-01T16:00:00Z", "held_since": "2025-03-02",
        "ordinal": 4, "clock": "2026-03-03T16:00:00Z",
    }  # fmt: skip
    # On 4 March 2026 the 365 days hold the 500.00 of 1 March; since no lapse happened, spend_total is all three.
    following = {
        each["metric"]: (each["have"], each["missing"]) for way in standing["needed"]["next"] for each in way["all_of"]
    }
    assert following == {"spend_total": (150_000, 350_000), "spend_in_days(365)": (50_000, 250_000)}
    (keep,) = standing["needed"]["keep"]
    assert (keep["as_of"], keep["by"], keep["holds"]) == ("2027-03-01", "2027-03-01T16:00:00Z", False)
    assert (keep["all_of"][0]["have"], keep["all_of"][0]["missing"]) == (0, 100_000)


async def test_history_has_reasons_and_knows_what_was_held_when(told: tuple[World, Client]) -> None:
    _, client = told
    path = f"/v1/members/{ANNA}/standings"
    page = await got(client, f"{path}?limit=3")
    assert [fact["kind"] for fact in page["items"]] == ["raised", "raised", "lapsed"]
    rest = await got(client, f"{path}?limit=3&after={page['next']}")
    assert rest["next"] is None
    (corrected,) = rest["items"]
    assert (corrected["kind"], corrected["cause"], corrected["holds_after"]) == ("corrected", "activity 3", 3)
    assert corrected["rule"] == (
        "1 period end judged again with late activity 3; at last: gold is kept: spend_in_days(365) 110000 ≥ 100000"
    )
    held = await got(client, f"{path}?at=2026-03-02T12:00:00Z")
    assert (held["tier"], held["since"]) == ("gold", "2025-03-02T04:00:00Z")
    known = await got(client, f"{path}?at=2026-03-02T12:00:00Z&as_known_at=2026-03-02T12:00:00Z")
    assert (known["tier"], known["since"]) == ("silver", "2026-03-01T16:00:00Z")
    early = await got(client, f"{path}?at=2020-01-01T00:00:00%2B08:00")
    assert (early["tier"], early["since"]) == ("regular", None)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2970-01-01T00:00:00Z"])
async def test_what_no_calendar_knows_is_refused(told: tuple[World, Client], at: str) -> None:
    """What would break it: an instant that is taken into UTC before anybody has looked whether there is such a one."""
    _, client = told
    for path in ("standing", "standings"):
        answer = await client.get(f"/v1/members/{ANNA}/{path}", params={"at": at})
        assert (answer.status_code, answer.json()["type"]) == (422, "invalid"), answer.text


async def test_who_is_unknown_is_not_found(told: tuple[World, Client]) -> None:
    _, client = told
    for path in ("standing", "standings"):
        assert (await got(client, f"/v1/members/{NOBODY}/{path}", 404))["type"] == "unknown_member"


async def test_the_export_pages_through_all_members(told: tuple[World, Client]) -> None:
    _, client = told
    first = await got(client, "/v1/standings?limit=1")
    second = await got(client, f"/v1/standings?limit=1&after={first['next']}")
    third = await got(client, f"/v1/standings?limit=1&after={second['next']}")
    assert [item["member_id"] for page in (first, second) for item in page["items"]] == [str(ANNA), str(BORIS)]
    assert [item["tier"] for page in (first, second) for item in page["items"]] == ["gold", "regular"]
    assert third == {"items": [], "next": None}


async def test_the_summary_counts(told: tuple[World, Client]) -> None:
    _, client = told
    assert await got(client, "/v1/summary") == {
        "members": {"regular": 1, "silver": 0, "gold": 1, "diamond": 0},
        "facts": {"corrected": 1, "lapsed": 1, "raised": 2},
        "ends_judged": 1,
        "demotions": 0,
        "corrected": {"in_tier": 1, "in_period_only": 0},
    }


async def test_facts_are_said_again_under_the_same_ids_and_numbers(told: tuple[World, Client]) -> None:
    world, client = told
    before = await world.said()
    answer = await client.post("/v1/resay", json={"member_id": str(ANNA)})
    assert answer.status_code == 202 or answer.status_code == 200, answer.text
    again = (await world.said())[len(before) :]
    assert [tuple(row) for row in again] == [tuple(row) for row in before]
    await client.post("/v1/resay", json={})
    everything = (await world.said())[2 * len(before) :]
    assert [tuple(row) for row in everything] == [tuple(row) for row in before]
    marks = await world.said("laurel.activities.assessed.v1")
    assert msgspec.json.decode(marks[-1].body)["data"]["next_offset"] == 6


async def test_what_is_said_again_comes_through_although_a_batch_meets_it_crosswise(new_world: NewWorld) -> None:
    """A batch writes members whose standing has not changed before the others, whatever their ids; what is said again locks them by id.

    What would break it: a page that gives up where the two have met, and a caller who is told that the service is busy."""
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    for who in (ANNA, BORIS):
        log.tell(who, purchase(f"o{who.int}", 20_000), at("2025-03-01T04:00"))
    await world.drink(log)
    touch = text("UPDATE member SET last_seq = last_seq WHERE member_id = :member_id")
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    async with client_of(world) as client:
        async with world.database.transaction() as batch:
            await batch.run(touch, member_id=BORIS)
            saying = asyncio.create_task(client.post("/v1/resay", json={}))
            for _ in range(LOOKS_MAX):
                if await world.rows(waits):
                    break
                await asyncio.sleep(0.02)
            await batch.run(touch, member_id=ANNA)
        answer = await saying
        assert answer.status_code == 202, answer.text


async def test_a_programme_is_loaded_once_and_refused_where_it_makes_no_sense(told: tuple[World, Client]) -> None:
    world, client = told
    second = reference_document() | {"version": 2}
    first_answer = await client.put("/v1/programmes/2", json=second)
    again = await client.put("/v1/programmes/2", json=second)
    assert (first_answer.status_code, again.status_code) == (200, 200)
    assert first_answer.json() == again.json()
    loaded = [msgspec.json.decode(row.body) for row in await world.said("laurel.programme.loaded.v1")]
    assert [event["data"]["version"] for event in loaded] == [1, 2, 2]
    assert loaded[1] == loaded[2]
    assert [item["version"] for item in (await got(client, "/v1/programmes"))["items"]] == [1, 2]
    other = await client.put("/v1/programmes/2", json=second | {"close_delay_hours": 7})
    assert (other.status_code, other.json()["type"]) == (409, "other_document")
    third = reference_document() | {"version": 3, "zone": "Europe/Berlin"}
    refused = await client.put("/v1/programmes/3", json=third)
    assert (refused.status_code, refused.json()["type"], refused.json()["errors"][0]["path"]) == (
        422,
        "programme_refused",
        "$.zone",
    )
    for body, status in ((b"{", 400), (b'{"version": 4}', 422), (b"[]", 422)):
        assert (await client.put("/v1/programmes/4", content=body)).status_code == status
    assert (await client.put("/v1/programmes/5", json=second)).status_code == 422


async def test_before_a_programme_is_in_force_nobody_has_a_standing(new_world: NewWorld) -> None:
    world = await new_world(reference_document())
    async with client_of(world) as client:
        assert await got(client, "/v1/summary") == {
            "members": {}, "facts": {}, "ends_judged": 0, "demotions": 0, "corrected": {"in_tier": 0, "in_period_only": 0},
        }  # fmt: skip
        assert await got(client, "/v1/standings") == {"items": [], "next": None}
