"""The door and its neighbours over HTTP, without a network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry

from laurel_kit.http import create_app
from laurel_kit.short_way import InFront
from member_svc.api import activities, days, decisions, members, programmes, status
from member_svc.api.access import Access
from member_svc.metrics import MemberMetrics
from tests.integration.member_svc.world import World


def client_of(world: World) -> httpx.AsyncClient:
    access, metrics = Access(world.database, world.open_store), MemberMetrics(CollectorRegistry())
    status_route = status.StatusRoute(access, lambda: world.now)
    routers = [
        activities.router(access, metrics),
        status_route.router(),
        members.router(access),
        decisions.router(access),
        days.router(access, metrics),
        programmes.router(access),
    ]
    app = create_app("member-svc", database=world.database, routers=routers, body_bytes_max=8 * 2**20)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(InFront(app, status_route.short_way)), base_url="http://door"
    )


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


async def post(http: httpx.AsyncClient, *reports: Any) -> httpx.Response:
    return await http.post("/v1/activities", json=list(reports))


async def test_every_report_has_an_outcome_of_its_own(world: World, http: httpx.AsyncClient) -> None:
    wrong = world.purchase("o-2", 500)
    wrong["data"]["amount_minor"] = "500"
    answer = await post(
        http, world.purchase("o-1", 500), wrong, world.purchase("o-1", 500), world.refund("o-9", "r", 1), 17
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body["counts"] == {"accepted": 1, "refused": 2, "duplicate": 1, "waiting": 1}
    first, second, _, _, last = body["outcomes"]
    assert (first["index"], first["outcome"], first["member_seq"]) == (0, "accepted", 1)
    assert (second["reason"], second["detail"]) == ("invalid", "Expected `int`, got `str` - at `$.data.amount_minor`")
    assert (last["index"], last["reason"]) == (4, "invalid")


async def test_ndjson_is_taken_line_by_line(world: World, http: httpx.AsyncClient) -> None:
    lines = [json.dumps(world.sign_in("1")), "{not json", "", json.dumps(world.sign_in("2"))]
    answer = await http.post(
        "/v1/activities", content="\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )
    outcomes = [(o["index"], o["outcome"], o.get("reason")) for o in answer.json()["outcomes"]]
    assert outcomes == [(0, "accepted", None), (1, "refused", "undecodable"), (2, "accepted", None)]


async def test_two_reports_on_one_line_are_no_line_and_move_no_outcome_to_another(
    world: World, http: httpx.AsyncClient
) -> None:
    first, second, third = (json.dumps(world.sign_in(number)) for number in "123")
    answer = await http.post(
        "/v1/activities", content=f"{first}{second}\n{third}", headers={"content-type": "application/x-ndjson"}
    )
    outcomes = [(o["index"], o["outcome"], o.get("reason")) for o in answer.json()["outcomes"]]
    assert outcomes == [(0, "refused", "undecodable"), (1, "accepted", None)]


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        (b"", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b"{oops", 400, "malformed"),
        (b"[{]", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (b"[" + b"{}," * 1000 + b"{}]", 413, "too_many_reports"),
        (b"[" + b" " * (8 * 2**20) + b"]", 413, "too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_problem(
    http: httpx.AsyncClient, body: bytes, code: int, kind: str
) -> None:
    answer = await http.post("/v1/activities", content=body)
    assert (answer.status_code, answer.json()["type"]) == (code, kind)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount_minor": 500.0}, "invalid"),
        ({"amount_minor": True}, "invalid"),
        ({"amount_minor": -500}, "invalid"),
        ({"amount_minor": 10**30}, "invalid"),
        ({"amount_minor": 499}, "wrong_sum"),
        ({"currency": "EUR"}, "wrong_currency"),
        ({"currency": "usd"}, "invalid"),
        ({"lines": []}, "invalid"),
        ({"order_id": ""}, "invalid"),
        ({"order_id": "x" * 201}, "invalid"),
        ({"order_id": "a\0b"}, "invalid"),
        ({"identifier": {"kind": "phone", "value": " "}}, "invalid"),
        ({"identifier": {"kind": "shoe", "value": "1"}}, "invalid"),
        ({"note": "x" * 262_144}, "too_large"),
        ({"lines": [{"line_id": "l", "sku": "s", "quantity": 1, "amount_minor": 250}] * 2}, "repeated_line"),
    ],
)
async def test_a_wrong_report_is_refused_and_its_neighbour_taken(
    world: World, http: httpx.AsyncClient, change: dict[str, Any], reason: str
) -> None:
    answer = await post(http, world.purchase("o-1", 500, data=change), world.sign_in())
    assert [(o["outcome"], o.get("reason")) for o in answer.json()["outcomes"]] == [
        ("refused", reason),
        ("accepted", None),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"time": "2018-01-09T12:00:00"},
        {"time": "yesterday"},
        {"time": "0001-01-01T00:00:00Z"},
        {"time": "9999-12-31T23:59:59-12:00"},
        {"id": ""},
        {"source": "a\0b"},
        {"type": "laurel.day.closed.v1"},
        {"type": "laurel.member.registered.v1"},
        {"subject": "nobody"},
        {"specversion": "0.3"},
        {"data": None},
        {"data": [1]},
    ],
    ids=str,
)
async def test_a_wrong_envelope_is_refused(world: World, http: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answer = await post(http, world.sign_in("1") | change, world.sign_in("2"))
    assert [o["outcome"] for o in answer.json()["outcomes"]] == ["refused", "accepted"]


async def test_money_with_an_exponent_or_nan_is_refused(world: World, http: httpx.AsyncClient) -> None:
    good = json.dumps(world.purchase("o-1", 500))
    for money in ("5e2", "NaN", "500.0", "Infinity"):
        body = "[" + good.replace('"amount_minor": 500}', f'"amount_minor": {money}}}') + "]"
        answer = await http.post("/v1/activities", content=body)
        refused = answer.status_code == 400 or answer.json()["outcomes"][0]["outcome"] == "refused"
        assert refused, money
    assert await world.value("SELECT count(*) FROM activity") == 0


async def test_without_a_programme_the_door_says_so(bare_world: World) -> None:
    async with client_of(bare_world) as http:
        answer = await post(http, bare_world.sign_in())
        assert (answer.status_code, answer.json()["type"]) == (503, "no_programme")
        answer = await http.post("/v1/members", json={"identifiers": [{"kind": "phone", "value": "1"}]})
        assert answer.status_code == 503


async def test_a_member_is_registered_once_and_found_by_each_identifier(world: World, http: httpx.AsyncClient) -> None:
    await world.take(world.sign_in("1"))
    one = {"identifiers": [{"kind": "phone", "value": "1"}, {"kind": "email", "value": "Ann@Example.org"}]}
    first, again = await http.post("/v1/members", json=one), await http.post("/v1/members", json=one)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["member_id"] == again.json()["member_id"] == str(await world.member_of("1"))
    found = (await http.get("/v1/members", params={"identifier": "email:ann@example.org"})).json()
    assert (found["member_id"], found["state"]) == (first.json()["member_id"], "active")
    stream = (await http.get(f"/v1/members/{found['member_id']}/activities")).json()
    assert [(e["type"], e["memberseq"]) for e in stream["items"]] == [
        ("laurel.member.signed-in.v1", 1),
        ("laurel.member.registered.v1", 2),
    ]
    assert (await http.get(f"/v1/members/{found['member_id']}/status")).json()["state"] == "active"


async def test_registration_refuses_identifiers_of_two_members(world: World, http: httpx.AsyncClient) -> None:
    await world.take(world.sign_in("1"), world.sign_in("2"))
    both = {"identifiers": [{"kind": "phone", "value": "1"}, {"kind": "phone", "value": "2"}]}
    answer = await http.post("/v1/members", json=both)
    assert (answer.status_code, answer.json()["type"]) == (409, "identifiers_of_two_members")


async def test_an_unknown_member_is_registered_from_number_one(world: World, http: httpx.AsyncClient) -> None:
    new = {"identifiers": [{"kind": "card", "value": "77"}], "time": "2017-05-01T00:00:00Z"}
    member_id = (await http.post("/v1/members", json=new)).json()["member_id"]
    shown = (await http.get(f"/v1/members/{member_id}")).json()
    assert (shown["state"], shown["member_seq"], shown["enrolled_at"]) == ("active", 1, "2017-05-01T00:00:00Z")


async def test_members_are_exported_page_by_page(world: World, http: httpx.AsyncClient) -> None:
    await world.take(*(world.sign_in(str(n)) for n in range(5)))
    seen, after = [], None
    while True:
        page = (await http.get("/v1/members", params={"limit": 2} | ({"after": after} if after else {}))).json()
        seen += [item["identifiers"][0]["value"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == list("01234")


@pytest.mark.parametrize("path", ["", "/status", "/activities"])
async def test_an_unknown_member_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"/v1/members/{uuid4()}{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "no_such_member")


async def test_the_status_leaves_out_what_has_expired(world: World, http: httpx.AsyncClient) -> None:
    await world.take(world.sign_in("1"))
    async with world.database.transaction() as tx:
        await tx.connection.exec_driver_sql(
            """UPDATE member_status SET posted = 100, held = 10, earned_net = 100, tier = 'gold', coupons = '[{"coupon": "c"}]',
               ladder = '[["2018-01-10T12:00:00Z", 20], ["2018-02-01T00:00:00Z", 30], ["2019-01-01T00:00:00Z", 50]]',
               pending = '[["2018-01-09T00:00:00Z", 3], ["2018-01-11T00:00:00Z", 5]]'"""
        )
    found = (await http.get(f"/v1/members/{await world.member_of('1')}/status")).json()
    assert (found["posted"], found["available"], found["pending"], found["held"]) == (100, 65, 5, 10)
    assert found["expiring_soon"] == {"points": 30, "next_at": "2018-02-01T00:00:00Z"}
    assert (found["tier"], found["coupon_count"], found["coupons"]) == ("gold", 1, [{"coupon": "c"}])


async def test_days_are_closed_by_command(http: httpx.AsyncClient) -> None:
    for as_of in ("2018-01-09", "2018-01-10T00:00:00-05:00"):
        answer = await http.post("/v1/days/close", json={"as_of": as_of})
        assert (answer.status_code, answer.json()["records"]) == (200, 4), answer.text
    assert [day["local_day"] for day in (await http.get("/v1/days")).json()["items"]] == ["2018-01-10", "2018-01-09"]
    for as_of, code in (("2018-01-11", 422), ("2018-01-10T00:00:00", 422), ("tomorrow!!", 422), ("2018-01-09", 409)):
        assert (await http.post("/v1/days/close", json={"as_of": as_of})).status_code == code, as_of


async def test_an_import_holds_the_days(http: httpx.AsyncClient) -> None:
    lease = (await http.post("/v1/imports", json={"name": "history", "ttl_seconds": 60})).json()
    answer = await http.post("/v1/days/close", json={"as_of": "2018-01-09"})
    assert (answer.status_code, answer.json()["type"], answer.json()["imports"]) == (409, "import_runs", ["history"])
    assert (await http.put(f"/v1/imports/{lease['lease_id']}")).status_code == 200
    assert (await http.delete(f"/v1/imports/{lease['lease_id']}")).status_code == 204
    assert (await http.put(f"/v1/imports/{lease['lease_id']}")).status_code == 404


async def test_programmes_are_listed_with_who_has_loaded_them(world: World, http: httpx.AsyncClient) -> None:
    (listed,) = (await http.get("/v1/programmes")).json()["items"]
    assert (listed["version"], listed["state"], listed["effective_from"]) == (1, "active", None)
    assert set(listed["loaded_by"]) == {"campaign-svc", "points-svc", "tier-svc"}
    document = (await http.get("/v1/programmes/1")).json()["document"]
    assert (await http.put("/v1/programmes/1", json=document)).json() == {"version": 1, "sha256": listed["sha256"]}
    assert (await http.put("/v1/programmes/1", json=document | {"currency": "EUR"})).status_code == 409
    assert (await http.put("/v1/programmes/2", json=document | {"version": 2})).status_code == 200
    answer = await http.post("/v1/programmes/2/activate", json={"effective_from": None})
    assert (answer.status_code, answer.json()["type"]) == (409, "programme_not_loaded")
    assert answer.json()["missing"] == ["campaign-svc", "points-svc", "tier-svc"]


@pytest.mark.parametrize("as_of", ["2018-W02-2", "2018-W02-2T00:00:00-05:00", "20180109T000000-0500"])
async def test_a_day_is_closed_by_no_other_writing_than_the_one_that_is_told(
    world: World, http: httpx.AsyncClient, as_of: str
) -> None:
    """Closing cannot be undone: week 2, day 2 may have been meant for the 2nd of February."""
    answer = await http.post("/v1/days/close", json={"as_of": as_of})
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")
    assert await world.value("SELECT count(*) FROM day_closing") == 0
