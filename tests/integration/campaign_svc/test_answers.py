"""What campaign-svc answers over HTTP: awards, decisions with each leaf, campaigns, sums, programmes, and facts said again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

import httpx
import msgspec
import pytest

from campaign_svc.api import campaigns, members, programmes
from campaign_svc.main import resay
from laurel_contracts import programme as document
from laurel_contracts.activities import PurchaseRefunded
from laurel_kit.clock import BusinessClock
from laurel_kit.http import create_app
from tests.integration.campaign_svc.histories import history
from tests.integration.campaign_svc.world import Log, NewWorld, World
from tests.unit.campaign_svc.programmes import campaign, leaf, reference, with_campaigns
from tests.unit.campaign_svc.streams import purchase

ALICE = UUID(int=0xA11CE)
Shop = tuple[World, httpx.AsyncClient]


def client_of(world: World) -> httpx.AsyncClient:
    database = world.database
    app = create_app(
        "campaign-svc",
        database=database,
        routers=[
            members.router(database, world.shelf),
            campaigns.router(database, world.shelf),
            programmes.router(database, BusinessClock()),
        ],
        resay=partial(resay, database),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://campaign")


@pytest.fixture
async def shop(new_world: NewWorld) -> AsyncIterator[Shop]:
    """Alice, silver, buys for 120.00, of which 30.00 come back; then a small order."""
    world, log = await new_world(), Log()
    log.stand(ALICE, "silver", after=0)
    log.tell(ALICE, purchase("a", 12_000))
    log.tell(ALICE, PurchaseRefunded(refund_id="r", order_id="a", amount_minor=3_000))
    log.tell(ALICE, purchase("b", 500))
    log.mark()
    await world.drink(log, [10])
    async with client_of(world) as client:
        yield world, client


async def test_awards_say_what_for_and_why_they_were_taken_back(shop: Shop) -> None:
    _, client = shop
    page = (await client.get(f"/v1/members/{ALICE}/awards")).json()
    assert page["next"] is None
    assert [(a["campaign_id"], a["state"], a["cause"], a["number"]) for a in page["items"]] == [
        ("big-basket", "taken_back", "activity 1", 3),
        ("first-purchase", "granted", "activity 1", 2),
        ("upgrade-gift", "granted", "standing 1", 1),
    ]
    big = page["items"][0]
    assert big["why"] == "order_left_minor >= 10000 (is 12000); tier in [silver, gold, diamond] (is silver)"
    assert (big["taken_back"]["cause"], big["taken_back"]["why"]) == (
        "activity 2",
        "order_left_minor >= 10000 (is 9000)",
    )


async def test_awards_come_in_pages(shop: Shop) -> None:
    _, client = shop
    seen, before = [], None
    while True:
        parameters = {"limit": 2} | ({"before": before} if before else {})
        page = (await client.get(f"/v1/members/{ALICE}/awards", params=parameters)).json()
        seen += [a["number"] for a in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == [3, 2, 1]


async def test_why_not_has_an_answer_leaf_by_leaf(shop: Shop) -> None:
    _, client = shop
    page = (await client.get(f"/v1/members/{ALICE}/decisions")).json()
    assert [(d["cause"], d["order_id"], d["tier"]) for d in page["items"]] == [
        ("activity 3", "b", "silver"), ("activity 1", "a", "silver"), ("standing 1", None, "silver"),
    ]  # fmt: skip
    small = {verdict["campaign_id"]: verdict for verdict in page["items"][0]["campaigns"]}
    assert small["first-purchase"]["outcome"] == "per_member"
    assert "limit" in small["first-purchase"]["says"]
    assert small["big-basket"]["outcome"] == "not_matched"
    assert [(part["says"], part["held"], part["found"]) for part in small["big-basket"]["condition"]["parts"]] == [
        ("order_left_minor >= 10000", False, 500), ("tier in [silver, gold, diamond]", True, "silver"),
    ]  # fmt: skip
    big = {verdict["campaign_id"]: verdict for verdict in page["items"][1]["campaigns"]}["big-basket"]
    assert (big["outcome"], big["condition"]["held"], big["condition_now"]["held"]) == ("taken_back", True, False)
    assert page["items"][1]["facts"]["order_left_minor"] == 12_000


async def test_one_order_can_be_asked_for(shop: Shop) -> None:
    _, client = shop
    page = (await client.get(f"/v1/members/{ALICE}/decisions", params={"order_id": "b"})).json()
    assert [d["order_id"] for d in page["items"]] == ["b"]
    missing = await client.get(f"/v1/members/{ALICE}/decisions", params={"order_id": "nowhere"})
    assert (missing.status_code, missing.json()["type"]) == (404, "unknown_order")


async def test_every_decision_can_be_explained_and_agrees_with_what_was_granted(new_world: NewWorld) -> None:
    """Over a whole random history: a campaign was granted or met a limit exactly where its condition is explained to have held."""
    world = await new_world()
    await world.drink(history(members=4, events=150, seed=9), [20])
    async with client_of(world) as client:
        for row in await world.rows("SELECT member_id FROM member"):
            before, seen = None, 0
            while True:
                parameters = {"limit": 7} | ({"before": before} if before else {})
                page = (await client.get(f"/v1/members/{row.member_id}/decisions", params=parameters)).json()
                for decision in page["items"]:
                    seen += 1
                    for verdict in decision["campaigns"]:
                        assert verdict["condition"]["held"] is (verdict["outcome"] != "not_matched")
                        assert bool(verdict["awards"]) is (verdict["outcome"] in {"granted", "taken_back"})
                before = page["next"]
                if before is None:
                    break
            (count,) = await world.rows("SELECT count(*) AS n FROM occasion WHERE member_id = :m", m=row.member_id)
            assert seen == count.n


async def test_an_unknown_member_is_a_problem(shop: Shop) -> None:
    _, client = shop
    for what in ("awards", "decisions"):
        answer = await client.get(f"/v1/members/{UUID(int=404)}/{what}")
        assert (answer.status_code, answer.json()["type"]) == (404, "unknown_member")
    assert (await client.get(f"/v1/members/{ALICE}/decisions", params={"before": "x.y"})).status_code == 422


async def test_campaigns_tell_their_budget(new_world: NewWorld) -> None:
    world, log = await new_world(with_campaigns(campaign("scarce", limits={"budget": 5}))), Log()
    log.tell(ALICE, purchase("a", 1))
    log.mark()
    await world.drink(log, [10])
    async with client_of(world) as client:
        (only,) = (await client.get("/v1/campaigns")).json()["items"]
    assert only["budget"] == {"grants": 5, "used": 1}


async def test_the_summary_counts_grants_coupons_and_what_was_taken_back(shop: Shop) -> None:
    _, client = shop
    summary = (await client.get("/v1/summary")).json()
    assert summary["granted"] == {"big-basket": 1, "first-purchase": 1, "upgrade-gift": 1}
    assert (summary["taken_back"], summary["coupons"], summary["points"], summary["points_taken_back"]) == (
        1,
        1,
        150,
        50,
    )


class TestProgrammes:
    async def test_the_same_document_again_is_fine_and_another_is_a_conflict(self, new_world: NewWorld) -> None:
        world = await new_world()
        body = document.canonical(reference())
        async with client_of(world) as client:
            again = await client.put("/v1/programmes/1", content=body)
            assert (again.status_code, again.json()) == (200, {"version": 1, "sha256": document.sha256(reference())})
            other = await client.put("/v1/programmes/1", content=document.canonical(with_campaigns(campaign())))
            assert (other.status_code, other.json()["type"]) == (409, "other_document")
            listed = (await client.get("/v1/programmes")).json()["items"]
        assert listed == [{"version": 1, "sha256": document.sha256(reference())}]

    async def test_it_is_said_with_its_hash_on_partition_0(self, new_world: NewWorld) -> None:
        world = await new_world()
        (said,) = await world.said()
        event = msgspec.json.decode(said.body)
        assert (said.partition, said.key, said.type) == (0, None, "laurel.programme.loaded.v1")
        assert event["data"] == {"service": "campaign-svc", "version": 1, "sha256": document.sha256(reference())}

    async def test_campaigns_that_cannot_be_decided_are_refused_with_their_paths(self, new_world: NewWorld) -> None:
        world = await new_world()
        broken = with_campaigns(campaign(who=leaf("nonsense", ">", 1)), version=2)
        async with client_of(world) as client:
            refused = await client.put("/v1/programmes/2", content=document.canonical(broken))
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "$.campaigns[0].who.fact")
            shape = await client.put("/v1/programmes/2", content=b'{"programme": "x", "version": "two"}')
            assert (shape.status_code, shape.json()["errors"][0]["path"]) == (422, "$.version")
            assert (await client.put("/v1/programmes/2", content=b"{")).status_code == 400
            deep = document.canonical(broken).replace(b'"who":{', b'"who":' + b'{"not":' * 9_000 + b"{")
            too_deep = await client.put("/v1/programmes/2", content=deep)
            assert (too_deep.status_code, too_deep.json()["type"]) == (422, "programme_refused")
            assert (await client.put("/v1/programmes/2", content=document.canonical(reference()))).status_code == 422


async def test_facts_are_said_again_under_the_same_ids_and_numbers(shop: Shop) -> None:
    world, client = shop
    before = await world.said()
    await world.forget_outbox()
    answer = await client.post("/v1/resay", json={})
    after = await world.said()
    assert answer.json() == {"said": len(before), "next": None}
    assert {row.event_id: tuple(row) for row in before} == {row.event_id: tuple(row) for row in after}
    assert [row.number for row in after if row.key] == [1, 2, 3, 4]
    await world.forget_outbox()
    assert (await client.post("/v1/resay", json={"member_id": str(ALICE)})).json() == {"said": 4, "next": None}
