"""All about a standing in one call, and what a version would do before it does it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from laurel_contracts.activities import SurveyAnswered
from laurel_contracts.decisions import OverrideTakenBack, StandingOverridden, StandingSanctioned
from tests.integration.tier_svc.histories import member
from tests.integration.tier_svc.test_http import client_of, got
from tests.integration.tier_svc.world import Log, NewWorld, World, purchase
from tests.unit.tier_svc.domain.ladders import reference_document

ANNA = UUID(int=2)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def told(new_world: NewWorld) -> World:
    """Anna: silver, a VIP for April, lowered from June on."""
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 30_000), at("2025-03-01T04:00"))
    vip = StandingOverridden(
        tier="diamond", since=at("2025-04-01T00:00"), until=at("2025-05-01T00:00"), mode="floor", reason="guest", actor="staff/7"
    )  # fmt: skip
    log.tell(ANNA, vip, at("2025-03-02T04:00"))
    log.tell(ANNA, purchase("b", 1_000), at("2025-04-10T04:00"))
    lowered = StandingSanctioned(
        act="lower", since=at("2025-06-01T00:00"), until=at("2025-09-01T00:00"), reason="resold", actor="staff/8"
    )
    log.tell(ANNA, lowered, at("2025-05-20T04:00"))
    log.close_day(at("2025-06-30T16:00"))
    await world.drink(log, 2)
    return world


async def test_one_call_says_what_applies_what_lies_below_and_why(new_world: NewWorld) -> None:
    world = await told(new_world)
    async with client_of(world) as client:
        shown = await got(
            client, f"/v1/members/{ANNA}/standing?at=2025-04-15T00:00:00Z&as_known_at=2025-04-20T00:00:00Z&history=3"
        )
        assert (shown["tier"], shown["computed_tier"], shown["until"], shown["judged_at"]) == (
            "regular", "silver", "2026-02-28T16:00:00Z", "2026-02-28T16:00:00Z",
        )  # fmt: skip
        assert shown["metrics"] == {"spend_total": 31_000, "largest_order": 30_000, "spend_in_days(365)": 31_000}
        (lowered,) = shown["overrides"]
        assert (lowered["member_seq"], lowered["act"], lowered["tier"], lowered["reason"], lowered["actor"]) == (
            4, "lower", "regular", "resold", "staff/8",
        )  # fmt: skip
        assert [(fact["ordinal"], fact["kind"], fact["effective_to"]) for fact in shown["history"]] == [
            (4, "overridden", "regular"), (3, "overridden", "silver"), (2, "overridden", "diamond"),
        ]  # fmt: skip
        assert shown["history"][0]["rule"].startswith("lowered by 1 to regular until 2025-09-01")
        then = shown["then"]
        assert (then["tier"], then["computed_tier"], then["since"], then["override"]["actor"]) == (
            "diamond", "silver", "2025-04-01T00:00:00Z", "staff/7",
        )  # fmt: skip
        missing = {each["metric"]: each["missing"] for way in shown["needed"]["next"] for each in way["all_of"]}
        assert missing == {"spend_total": 169_000, "spend_in_days(365)": 69_000}
        (keep,) = shown["needed"]["keep"]
        assert (keep["holds"], keep["by"], keep["as_of"]) == (True, "2026-02-28T16:00:00Z", "2026-02-28")


async def test_which_tier_applied_when_is_answered_day_by_day(new_world: NewWorld) -> None:
    world = await told(new_world)
    expected = {
        "2025-02-01": "regular", "2025-03-15": "silver", "2025-04-01": "diamond", "2025-04-30": "diamond", "2025-05-01": "silver",
        "2025-06-01": "regular", "2025-08-31": "regular", "2025-09-01": "silver",
    }  # fmt: skip
    async with client_of(world) as client:
        held = {
            day: (await got(client, f"/v1/members/{ANNA}/standings?at={day}T00:00:00Z"))["tier"] for day in expected
        }
        assert held == expected
        known = await got(
            client, f"/v1/members/{ANNA}/standings?at=2025-06-15T00:00:00Z&as_known_at=2025-05-25T00:00:00Z"
        )
        assert (known["tier"], known["override"]) == ("silver", None)
        (row,) = (await got(client, "/v1/standings"))["items"]
        assert (row["tier"], row["computed_tier"]) == ("regular", "silver")


async def test_what_was_taken_back_is_told_as_it_was_and_as_it_was_known(new_world: NewWorld) -> None:
    """The VIP of April ends on the 10th, the sanction from June on never begins."""
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 30_000), at("2025-03-01T04:00"))
    vip = StandingOverridden(
        tier="diamond", since=at("2025-04-01T00:00"), until=at("2025-05-01T00:00"), mode="floor", reason="guest", actor="staff/7"
    )  # fmt: skip
    log.tell(ANNA, vip, at("2025-03-02T04:00"))
    lowered = StandingSanctioned(
        act="lower", since=at("2025-06-01T00:00"), until=at("2025-09-01T00:00"), reason="resold", actor="staff/8"
    )
    log.tell(ANNA, lowered, at("2025-03-03T04:00"))
    for which, since, told_at in (
        (2, "2025-04-05T00:00", "2025-04-10T00:00"),
        (3, "2025-05-20T00:00", "2025-04-20T00:00"),
    ):
        back = OverrideTakenBack(override_seq=which, since=at(since), reason="by mistake", actor="staff/9")
        log.tell(ANNA, back, at(told_at))
    await world.drink(log, 2)
    async with client_of(world) as client:
        shown = await got(client, f"/v1/members/{ANNA}/standing")
        assert (shown["tier"], shown["overrides"]) == ("silver", [])
        assert shown["history"][0]["cause"] == "override 2 taken back by 4"
        assert "by mistake (staff/9)" in shown["history"][0]["rule"]
        ever = await got(client, f"/v1/members/{ANNA}/overrides")
        assert [(each["starts"], each["ends"], each["taken_back"]["member_seq"]) for each in ever] == [
            ("2025-04-01T00:00:00Z", "2025-04-10T00:00:00Z", 4), (None, "2025-05-20T00:00:00Z", 5),
        ]  # fmt: skip
        assert ever[0]["taken_back"]["actor"] == "staff/9"
        asked = {"2025-04-09": "diamond", "2025-04-10": "silver", "2025-07-01": "silver"}
        held = {day: (await got(client, f"/v1/members/{ANNA}/standings?at={day}T00:00:00Z"))["tier"] for day in asked}
        assert held == asked
        then = await got(
            client, f"/v1/members/{ANNA}/standings?at=2025-04-12T00:00:00Z&as_known_at=2025-04-09T00:00:00Z"
        )
        assert then["tier"] == "diamond"
        assert (await client.get(f"/v1/members/{UUID(int=99)}/overrides")).status_code == 404


def stricter() -> dict[str, Any]:
    """Version 2: gold from 600.00 a year, and silver is kept by 300.00."""
    words = reference_document() | {"version": 2}
    tiers = {tier["id"]: tier for tier in words["tiers"]["ladder"]}
    tiers["gold"]["reach"][1]["at_least"] = tiers["gold"]["keep"][0]["at_least"] = 60_000
    tiers["silver"]["keep"][0]["at_least"] = 30_000
    tiers["silver"]["reach"] = [{"metric": "spend_in_days", "days": 365, "at_least": 30_000}, *tiers["silver"]["reach"]]
    return words


async def test_a_dry_run_foretells_what_the_version_then_does(new_world: NewWorld) -> None:
    """INVARIANT: what a dry run tells is what happens, and telling it moves nobody.

    A dry run with conditions of its own would drift away from the judge."""
    world, log = await new_world(reference_document()), Log(partitions=3)
    log.activate(reference_document())
    amounts = {member(n): 7_000 * n for n in range(1, 13)}
    for who, amount in amounts.items():
        log.tell(who, purchase(f"o{who.int}", amount), at("2025-03-01T04:00"))
    await world.drink(log)
    before = await world.dump()
    foretold: dict[str, dict[str, str]] = {}
    async with client_of(world) as client:
        path, after, pages = "/v1/programmes/2/dry-run?limit=5", "", 0
        while True:
            answer = await client.post(f"{path}{after}", json=stricter())
            assert answer.status_code == 200, answer.text
            page = answer.json()
            pages += 1
            for item in page["items"]:
                foretold[item["member_id"]] = {move["when"]: move["with_version"]["tier"] for move in item["moves"]}
                assert all(move["with_version"]["rule"] and move["as_it_is"]["rule"] for move in item["moves"])
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert pages == 3
        assert await world.dump() == before
        unknown = await client.post("/v1/programmes/2/dry-run")
        assert (unknown.status_code, unknown.json()["type"]) == (404, "unknown_version")
        broken = stricter()
        broken["tiers"]["ladder"][1]["reach"] = []
        refused = await client.post("/v1/programmes/2/dry-run", json=broken)
        assert (refused.status_code, refused.json()["type"]) == (422, "programme_refused")
        assert (await client.post("/v1/programmes/2/dry-run", content=b"{")).status_code == 400
        deep = b'{"campaigns": [{"who": ' + b'{"not": ' * 9_000
        for asked in (
            client.post("/v1/programmes/2/dry-run", content=deep),
            client.put("/v1/programmes/2", content=deep),
        ):
            too_deep = await asked
            assert (too_deep.status_code, too_deep.json()["type"]) == (422, "programme_refused")
        await world.load(stricter())
        assert (await client.post("/v1/programmes/2/dry-run?limit=50")).json()["seen"] == 12
    done = {partition: len(records) for partition, records in log.records.items()}
    log.activate(stricter(), at("2025-03-02T00:00"))
    for who in amounts:
        log.tell(who, SurveyAnswered(survey_id=f"s{who.int}", score=5), at("2025-03-03T04:00"), version=2)
    await world.drink_in([[record for p, records in log.records.items() for record in records[done[p] :]]])
    rows = {str(row["member_id"]): row["tier"] or "regular" for row in (await world.dump())["member"]}
    was = {str(row["member_id"]): row["tier"] or "regular" for row in before["member"]}
    assert {who: tier for who, tier in rows.items() if tier != was[who]} == {
        who: moves["next_activity"] for who, moves in foretold.items() if "next_activity" in moves
    }
    assert len(foretold) >= 3


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"tasks": [{"id": "t", "done_by": "review", "growth": 5, "from_day": "2025-02-30"}]}, "$.tasks[0].from_day"),
        ({"tasks": [{"id": "t", "done_by": "review"}]}, "$.tasks[0]"),
        (
            {"benefits": {"catalogue": [{"id": "b", "kind": "other", "from_tier": "tin"}]}},
            "$.benefits.catalogue[0].from_tier",
        ),
    ],
)
async def test_what_could_not_be_loaded_is_not_tried(new_world: NewWorld, part: dict[str, Any], path: str) -> None:
    """What would break it: a trial that looks at the ladder alone, and ends in a 500 where a task has a day that no calendar has."""
    world = await new_world(reference_document())
    async with client_of(world) as client:
        for method, where in (("PUT", "/v1/programmes/2"), ("POST", "/v1/programmes/2/dry-run")):
            answer = await client.request(method, where, json=stricter() | part)
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), answer.text


async def test_a_version_from_before_a_tier_was_added_is_not_tried(new_world: NewWorld) -> None:
    """What would break it: a trial that begins, meets a member at the new tier, and tells the caller to come again (503)."""
    first, second = reference_document(), reference_document() | {"version": 2}
    first["tiers"]["ladder"] = first["tiers"]["ladder"][:2]  # regular and silver
    world, log = await new_world(first, second), Log()
    log.activate(first)
    log.activate(second, at("2025-02-01T00:00"))
    log.tell(ANNA, purchase("a", 200_000), at("2025-03-01T04:00"), version=2)
    await world.drink(log)
    async with client_of(world) as client:
        for body in (b"", msgspec.json.encode(first)):
            answer = await client.post("/v1/programmes/1/dry-run", content=body)
            assert (answer.status_code, answer.json()["type"]) == (422, "programme_refused"), answer.text
            assert answer.json()["errors"][0]["says"] == "gold is missing, which the version in force has"
