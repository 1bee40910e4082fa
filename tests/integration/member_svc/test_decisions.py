"""Overrides and sanctions at the door: numbered like everything that can change a rating, once per key."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.member_svc.test_http import client_of
from tests.integration.member_svc.world import World

KEY = "a-key-of-staff-0001"
VIP = {
    "tier": "diamond",
    "mode": "floor",
    "until": "2018-06-01T00:00:00Z",
    "reason": "opening guest",
    "actor": "staff/7",
}
LOWER = {"act": "lower", "steps": 2, "until": "2018-06-01T00:00:00Z", "reason": "resold prices", "actor": "staff/7"}


async def decide(http: httpx.AsyncClient, member: object, what: str, body: dict[str, Any], key: str = KEY) -> Any:
    return await http.post(f"/v1/members/{member}/{what}", json=body, headers={"Idempotency-Key": key})


@pytest.mark.parametrize(
    ("what", "body", "type"),
    [
        ("overrides", VIP, "laurel.standing.overridden.v1"), ("sanctions", LOWER, "laurel.standing.sanctioned.v1"),
        ("sanctions", LOWER | {"act": "freeze"}, "laurel.standing.sanctioned.v1"),
    ],
)  # fmt: skip
async def test_a_decision_gets_the_next_number_and_is_said(
    world: World, what: str, body: dict[str, Any], type: str
) -> None:
    await world.take(world.sign_in("1"))
    member = await world.member_of("1")
    async with client_of(world) as http:
        answer = await decide(http, member, what, body)
    assert (answer.status_code, answer.json()["member_seq"]) == (201, 2)
    event = (await world.said())[-1]
    assert (event.type, event.memberseq, event.subject, event.programmeversion) == (type, 2, member, 1)
    assert event.data["since"] == "2018-01-10T12:00:00Z"
    assert event.data["actor"] == "staff/7"


async def test_the_same_request_under_one_key_is_one_decision(world: World) -> None:
    """INVARIANT: a decision is numbered once.

    A door that looks the key up before it locks the member would number it twice under two requests at once."""
    await world.take(world.sign_in("1"))
    member = await world.member_of("1")
    async with client_of(world) as http:
        answers = await asyncio.gather(*(decide(http, member, "overrides", VIP) for _ in range(6)))
        world.now = world.now.replace(hour=13)
        answers.append(await decide(http, member, "overrides", VIP))
        other = await decide(http, member, "overrides", VIP | {"tier": "gold"})
        next_one = await decide(http, member, "overrides", VIP, "another-key-of-staff")
    assert {(answer.status_code, answer.json()["member_seq"]) for answer in answers} == {(201, 2)}
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 6
    assert (other.status_code, other.json()["type"]) == (422, "idempotency_key_reused")
    assert next_one.json()["member_seq"] == 3


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (VIP | {"tier": "platinum"}, 422, "no_such_tier"),
        (VIP | {"until": "2018-01-01T00:00:00Z"}, 422, "over_before_it_begins"),
        (VIP | {"since": "1000-01-01T00:00:00Z"}, 422, "before_any_programme"),
        (VIP | {"until": "9999-12-31T23:59:59-12:00"}, 422, "beyond_any_programme"),
        (VIP | {"since": "0001-01-01T00:00:00+12:00"}, 422, "before_any_programme"),
        (VIP | {"until": "0001-01-01T00:00:00+12:00"}, 422, "over_before_it_begins"),
        (VIP | {"mode": "ceiling"}, 422, None),
        (VIP | {"reason": ""}, 422, None),
        (VIP | {"reason": "a\0b"}, 422, None),
        (VIP | {"until": "2018-06-01T00:00:00"}, 422, None),
    ],
)
async def test_a_decision_that_makes_no_sense_gets_no_number(
    world: World, body: dict[str, Any], status: int, problem: str | None
) -> None:
    await world.take(world.sign_in("1"))
    member = await world.member_of("1")
    async with client_of(world) as http:
        answer = await decide(http, member, "overrides", body)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem is None or answer.json()["type"] == problem
        assert (await decide(http, member, "overrides", VIP)).json()["member_seq"] == 2


async def test_a_key_is_asked_for_and_strangers_are_not_found(world: World) -> None:
    await world.take(world.sign_in("1"))
    member = await world.member_of("1")
    async with client_of(world) as http:
        missing = await http.post(f"/v1/members/{member}/sanctions", json=LOWER)
        short = await decide(http, member, "sanctions", LOWER, "short")
        stranger = await decide(http, "0b8f6c1e-7a55-4d5e-9d3f-0c9a6f2f8a11", "sanctions", LOWER)
    assert (missing.status_code, missing.json()["type"]) == (400, "idempotency_key_required")
    assert (short.status_code, short.json()["type"]) == (400, "idempotency_key_malformed")
    assert (stranger.status_code, stranger.json()["type"]) == (404, "no_such_member")


async def take_back(
    http: httpx.AsyncClient, member: object, number: object, key: str = "a-key-to-take-back", **more: Any
) -> Any:
    body = {"reason": "by mistake", "actor": "staff/9"} | more
    return await http.post(
        f"/v1/members/{member}/overrides/{number}/take-back", json=body, headers={"Idempotency-Key": key}
    )


@pytest.mark.parametrize(("what", "body"), [("overrides", VIP), ("sanctions", LOWER)])
@pytest.mark.parametrize(
    ("since", "says"), [(None, "2018-01-10T12:00:00Z"), ("2018-02-01T00:00:00+08:00", "2018-01-31T16:00:00Z")]
)
async def test_what_was_decided_is_taken_back_under_a_number_of_its_own(
    world: World, what: str, body: dict[str, Any], since: str | None, says: str
) -> None:
    await world.take(world.sign_in("1"))
    member = await world.member_of("1")
    async with client_of(world) as http:
        await decide(http, member, what, body)
        answers = await asyncio.gather(*(take_back(http, member, 2, since=since) for _ in range(4)))
        other = await take_back(http, member, 2, since=since, reason="another reason")
    assert {answer.status_code for answer in answers} == {201}
    assert {(answer.json()["member_seq"], answer.json()["override_seq"]) for answer in answers} == {(3, 2)}
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 3
    assert (other.status_code, other.json()["type"]) == (422, "idempotency_key_reused")
    event = (await world.said())[-1]
    assert (event.type, event.memberseq, event.subject) == ("laurel.override.taken-back.v1", 3, member)
    assert event.data == {"override_seq": 2, "since": says, "reason": "by mistake", "actor": "staff/9"}


@pytest.mark.parametrize(
    ("number", "more", "status", "problem"),
    [
        (1, {}, 404, "no_such_override"),  # a sign-in
        (9, {}, 404, "no_such_override"),
        (2, {"since": "2018-06-01T00:00:00Z"}, 409, "override_is_over"),
        (2, {"since": "0001-01-01T00:00:00+12:00"}, 422, "before_any_programme"),
        (2, {"since": "9999-12-31T23:59:59-12:00"}, 422, "beyond_any_programme"),
        (2, {"actor": ""}, 422, None),
        (0, {}, 422, None),
        (2**63, {}, 422, None),
        ("x", {}, 422, None),
    ],
)
async def test_a_taking_back_that_makes_no_sense_gets_no_number(
    world: World, number: object, more: dict[str, Any], status: int, problem: str | None
) -> None:
    await world.take(world.sign_in("1"))
    member = await world.member_of("1")
    async with client_of(world) as http:
        await decide(http, member, "overrides", VIP)
        answer = await take_back(http, member, number, **more)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem is None or answer.json()["type"] == problem
        assert (await take_back(http, member, 2)).json()["member_seq"] == 3


async def test_one_members_override_is_nobody_elses(world: World) -> None:
    await world.take(world.sign_in("1"))
    await world.take(world.sign_in("2"))
    async with client_of(world) as http:
        await decide(http, await world.member_of("1"), "overrides", VIP)
        answer = await take_back(http, await world.member_of("2"), 2)
    assert (answer.status_code, answer.json()["type"]) == (404, "no_such_override")
