"""points-svc over HTTP: balances, statements, orders, spendings, proof, programmes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from laurel_contracts import programme as documents
from laurel_kit.http import create_app
from laurel_kit.telemetry import KitMetrics
from points_svc.main import migrations, routers
from points_svc.metrics import PointsMetrics
from tests.integration.points_svc.books import MEMBER, Books
from tests.unit.points_svc.script import Script, programme


class StoppedClock:
    """The business time of the script's end."""

    def __init__(self) -> None:
        self.at = Script().now

    def now(self) -> Any:
        return self.at


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def client(books: Books, clock: StoppedClock) -> AsyncIterator[httpx.AsyncClient]:
    kit_metrics = KitMetrics("points-svc")
    app = create_app(
        "points-svc",
        database=books.database,
        routers=routers(books.database, books.shelf, clock, PointsMetrics(kit_metrics.registry)),  # type: ignore[arg-type]
        metrics=kit_metrics,
        migrations=migrations(),
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://points") as client:
        yield client


async def story(books: Books, clock: StoppedClock) -> Script:
    script = Script()
    script.register()
    script.buy(25000, "shop/1")
    script.buy(10000, "shop/2", food=9000, gift_card=1000)
    script.stand("silver", after=2)
    script.refund("shop/2", amount=5000)
    await books.play(script)
    clock.at = script.now
    return script


async def test_a_balance_has_all_its_parts(client: httpx.AsyncClient, books: Books, clock: StoppedClock) -> None:
    await story(books, clock)
    balance = (await client.get(f"/v1/members/{MEMBER}/balance")).json()
    assert {key: balance[key] for key in ("posted", "available", "pending", "held", "debt", "earned_net")} == {
        "posted": 304, "available": 304, "pending": 0, "held": 0, "debt": 0, "earned_net": 304,
    }  # fmt: skip
    assert [lot["remaining"] for lot in balance["lots"]] == [250, 54]


async def test_an_order_says_why(client: httpx.AsyncClient, books: Books, clock: StoppedClock) -> None:
    await story(books, clock)
    order = (await client.get(f"/v1/members/{MEMBER}/orders/shop/2")).json()
    assert (order["points"], order["tier"], order["refunded_minor"]) == (54, "silver", 5000)
    assert [(entry["kind"], entry["points"], entry["cause"]) for entry in order["entries"]] == [
        ("earned", 90, "activity 3"),
        ("rated_again", 18, "standing 1"),
        ("taken_back", -54, "activity 4"),
    ]
    why = order["entries"][1]["why"]
    assert (why["tier"], why["multiplier"], why["version"], why["tier_before"]) == ("silver", "1.2", 1, "regular")
    assert why["parts"] == [
        {"left_minor": 9000, "rate": "1"},
        {"left_minor": 1000, "rate": "0", "excluded": True},
    ]
    assert (await client.get(f"/v1/members/{MEMBER}/orders/none")).status_code == 404


async def test_a_statement_is_paged_newest_first(client: httpx.AsyncClient, books: Books, clock: StoppedClock) -> None:
    await story(books, clock)
    seen, before = [], ""
    while True:
        page = (await client.get(f"/v1/members/{MEMBER}/statement?limit=2{before}")).json()
        seen += [entry["entry"] for entry in page["items"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == [4, 3, 2, 1]
    orders = (await client.get(f"/v1/members/{MEMBER}/orders")).json()
    assert [(order["order_id"], order["points"]) for order in orders["items"]] == [("shop/1", 250), ("shop/2", 54)]


async def test_a_spending_is_answered_and_replayed(
    client: httpx.AsyncClient, books: Books, clock: StoppedClock
) -> None:
    await story(books, clock)
    route = f"/v1/members/{MEMBER}/spendings"
    key = {"Idempotency-Key": "0123456789abcdef"}
    first = await client.post(route, json={"points": 100, "reason": "coffee"}, headers=key)
    again = await client.post(route, json={"reason": "coffee", "points": 100}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["available"] == 204
    refused = await client.post(route, json={"points": 1000}, headers={"Idempotency-Key": "fedcba9876543210"})
    assert refused.status_code == 409
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert refused.json()["type"] == "insufficient_points"
    assert (await client.get(f"/v1/members/{MEMBER}/balance")).json()["available"] == 204


@pytest.mark.parametrize(
    ("body", "key", "status", "word"),
    [
        ({"points": 1}, None, 400, "idempotency_key_required"),
        ({"points": 1}, "short", 400, "idempotency_key_malformed"),
        ({"points": 1}, "x" * 129, 400, "idempotency_key_malformed"),
        ({"points": 0}, "0123456789abcdef", 422, "invalid"),
        ({"points": -5}, "0123456789abcdef", 422, "invalid"),
        ({"points": 1.0}, "0123456789abcdef", 422, "invalid"),
        ({"points": True}, "0123456789abcdef", 422, "invalid"),
        ({"points": "1"}, "0123456789abcdef", 422, "invalid"),
        ({"points": 10**12 + 1}, "0123456789abcdef", 422, "invalid"),
        ({"points": 2**63}, "0123456789abcdef", 422, "invalid"),
        ({"points": 1, "member": "x"}, "0123456789abcdef", 422, "invalid"),
        ({"points": 1, "reason": "\x00"}, "0123456789abcdef", 422, "invalid"),
        ({"points": 1}, "0123456789abcdef", 404, "member_unknown"),
    ],
)
async def test_a_wrong_request_is_a_4xx_and_leaves_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], key: str | None, status: int, word: str
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    answer = await client.post(f"/v1/members/{MEMBER}/spendings", json=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, word)


async def test_the_export_has_every_member_page_by_page(
    client: httpx.AsyncClient, books: Books, clock: StoppedClock
) -> None:
    for n in (3, 1, 2):
        script = Script()
        script.buy(n * 10000, f"o{n}")
        await books.play(script, type(MEMBER)(int=n))
        clock.at = script.now
    page = (await client.get("/v1/balances?limit=2")).json()
    rest = (await client.get(f"/v1/balances?limit=2&after={page['next']}")).json()
    assert [item["available"] for item in page["items"] + rest["items"]] == [100, 200, 300]
    assert rest["next"] is None
    assert (await client.get("/v1/summary")).json() == {
        "issued": 600, "taken_back": 0, "spent": 0, "expired": 0, "clearing": 0, "adjusted": 0, "outstanding": 600, "held": 0, "debt": 0,
        "members": 3,
        "members_in_debt": 0,
    }  # fmt: skip


async def test_the_books_prove_themselves(client: httpx.AsyncClient, books: Books, clock: StoppedClock) -> None:
    await story(books, clock)
    proof = (await client.get("/v1/ledger/trial-balance")).json()
    assert proof["sum"] == 0
    assert proof["by_account"] == {"available": 304, "issuance": -304}
    assert set(proof["invariants"]) >= {"I1", "I2", "I4", "I5", "I6", "I7", "I8"}
    assert set(proof["invariants"].values()) == {0}


async def test_a_programme_is_stored_once(client: httpx.AsyncClient) -> None:
    document = documents.canonical(programme())
    first = await client.put("/v1/programmes/1", content=document)
    assert first.json() == {"version": 1, "sha256": documents.sha256(programme())}
    assert (await client.put("/v1/programmes/1", content=document)).status_code == 200
    other = documents.canonical(programme(rate="2"))
    assert (await client.put("/v1/programmes/1", content=other)).json()["type"] == "programme_differs"
    assert (await client.put("/v1/programmes/2", content=document)).json()["type"] == "programme_invalid"
    deep = b'{"campaigns": [{"who": ' + b'{"not": ' * 9_000
    for unreadable in (b"{", b'{"programme": "\xff"}', deep):
        refused = await client.put("/v1/programmes/2", content=unreadable)
        assert (refused.status_code, refused.json()["type"]) == (422, "programme_invalid")
    both = documents.canonical(programme(version=3, category_rates={"gift-card": "1"}))
    assert "not qualifying and has a rate" in (await client.put("/v1/programmes/3", content=both)).json()["detail"]
    assert [item["version"] for item in (await client.get("/v1/programmes")).json()["items"]] == [1]


async def test_bad_paths_are_4xx(client: httpx.AsyncClient) -> None:
    for path, status in [
        ("/v1/members/nobody/balance", 422),
        (f"/v1/members/{MEMBER}/balance", 404),
        (f"/v1/members/{MEMBER}/statement", 404),
        (f"/v1/members/{MEMBER}/statement?limit=0", 422),
        (f"/v1/members/{MEMBER}/statement?before=99999999999999999999", 422),
        (f"/v1/members/{MEMBER}/orders?after=99999999999999999999", 422),
        ("/v1/balances?after=x", 422),
        ("/v1/nothing", 404),
    ]:
        assert (await client.get(path)).status_code == status, path
