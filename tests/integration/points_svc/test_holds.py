"""Holds over HTTP on a real PostgreSQL (domain.md 3.5, reliability.md 3.4 and 3.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from points_svc.main import say_all_again
from tests.integration.points_svc.books import MEMBER, Books, activated
from tests.integration.points_svc.test_saying import CLEAR, outbox
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import Script

QUARTER = timedelta(minutes=15)


async def more(till: Checkout, number: int) -> Script:
    """The member's stream goes on after so many activities."""
    return Script(number=number, now=till.clock.at)


async def test_a_hold_is_made_seen_and_captured_in_part(till: Checkout) -> None:
    made = await till.hold(30, order_id="o9", seconds=60)
    hold = made.json()
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/holds/{hold['hold_id']}"
    assert (hold["points"], hold["state"], hold["order_id"]) == (30, "held", "o9")
    assert await till.figures() == (100, 30, 0, 70)
    assert [one["hold_id"] for one in (await till.balance())["holds"]] == [hold["hold_id"]]
    captured = await till.capture(hold["hold_id"], points=20)
    assert (captured.status_code, captured.json()["state"]) == (200, "captured")
    assert (captured.json()["captured"], captured.json()["released"]) == (20, 10)
    assert await till.figures() == (80, 0, 0, 80)
    assert await till.see(f"/v1/holds/{hold['hold_id']}") == captured.json()


async def test_the_statement_says_why_of_every_step(till: Checkout) -> None:
    hold = await till.held(30)
    await till.capture(hold, points=20)
    entries = (await till.see(f"/v1/members/{MEMBER}/statement?limit=3"))["items"]
    assert [(e["kind"], e["from"], e["to"], e["amount"], e["points"], e["cause"]) for e in entries] == [
        ("released", "held", "available", 10, 0, f"capture {hold}"),
        ("spent", "held", "redeemed", 20, -20, f"capture {hold}"),
        ("reserved", "available", "held", 30, 0, f"hold {hold}"),
    ]
    assert [(e["why"]["rule"], e["why"]["hold_id"]) for e in entries] == [
        ("release", hold), ("capture", hold), ("hold", hold),
    ]  # fmt: skip
    assert entries[0]["why"]["because"] == "captured in part"
    assert entries[2]["consumed"] == [{"lot": 2, "points": 30}]


async def test_without_seconds_a_hold_lasts_as_long_as_the_programme_in_force_says(
    till: Checkout, books: Books
) -> None:
    made = (await till.hold(1)).json()
    assert made["expires_at"] == (till.clock.at + QUARTER).isoformat().replace("+00:00", "Z")
    import msgspec

    from laurel_contracts.programme import SpendingRule
    from tests.unit.points_svc.script import programme

    rules = programme(version=2)
    rules = msgspec.structs.replace(
        rules, points=msgspec.structs.replace(rules.points, spending=SpendingRule(hold_seconds=60))
    )
    await books.load(rules)
    await books.apply([activated(version=2)])
    made = (await till.hold(2)).json()
    assert made["expires_at"] == (till.clock.at + timedelta(seconds=60)).isoformat().replace("+00:00", "Z")
    entry = (await till.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"][0]
    assert entry["why"]["version"] == 2


async def test_past_its_end_a_hold_is_refused_shown_as_expired_and_swept(till: Checkout) -> None:
    hold = await till.held(30)
    till.clock.move(QUARTER)
    assert (await till.see(f"/v1/holds/{hold}"))["state"] == "expired"
    for refused in (await till.capture(hold), await till.void(hold)):
        assert (refused.status_code, refused.json()["type"], refused.json()["state"]) == (
            409,
            "hold_expired",
            "expired",
        )
        assert refused.headers["content-type"].startswith("application/problem+json")
    assert await till.figures() == (100, 30, 0, 70)
    assert (await till.sweep(), await till.sweep()) == (1, 0)
    assert await till.figures() == (100, 0, 0, 100)
    entry = (await till.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"][0]
    assert (entry["cause"], entry["kind"], entry["why"]["because"]) == (f"expiry {hold}", "released", "expired")


async def test_points_of_a_hold_that_is_over_can_be_held_again_although_nobody_has_swept(till: Checkout) -> None:
    await till.held(100)
    assert (await till.hold(1)).json()["type"] == "insufficient_points"
    till.clock.move(QUARTER)
    await till.held(60)
    assert (await till.spend(40)).status_code == 201
    assert await till.figures() == (60, 60, 0, 0)


async def test_the_sweeper_goes_in_chunks_over_many_members(till: Checkout, books: Books) -> None:
    for n in range(2, 8):
        script = Script()
        script.register()
        script.buy(10000, f"o{n}")
        await books.play(script, UUID(int=n))
        for _ in range(3):
            await till.held(n, UUID(int=n))
    till.clock.move(QUARTER)
    ended = [await till.sweep(limit=4) for _ in range(8)]
    assert sum(ended) == 18
    assert ended[0] < 18
    for n in range(2, 8):
        assert (await till.figures(UUID(int=n)))[1] == 0


@pytest.mark.parametrize("end", ["capture", "void"])
async def test_the_same_end_under_another_key_is_replayed_and_another_end_is_refused(till: Checkout, end: str) -> None:
    hold = await till.held(30)
    first = await (till.capture(hold) if end == "capture" else till.void(hold))
    again = await (till.capture(hold, points=30) if end == "capture" else till.void(hold))
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    others = [await till.capture(hold, points=29)]
    others.append(await till.void(hold) if end == "capture" else await till.capture(hold))
    state = "captured" if end == "capture" else "voided"
    for other in others:
        assert (other.status_code, other.json()["type"], other.json()["state"]) == (409, f"hold_{state}", state)


async def test_more_than_is_held_is_refused_and_the_hold_stays(till: Checkout) -> None:
    hold = await till.held(30)
    refused = await till.capture(hold, points=31)
    assert (refused.status_code, refused.json()["type"], refused.json()["state"]) == (
        409,
        "capture_exceeds_hold",
        "held",
    )
    assert (await till.capture(hold)).status_code == 200


async def test_points_captured_for_an_order_come_back_with_its_refund(till: Checkout, books: Books) -> None:
    hold = await till.held(90)
    assert (await till.capture(hold, points=60, order_id="o2")).status_code == 200
    script = await more(till, 2)
    script.buy(4000, "o2")
    script.refund("o2", amount=2000)
    await books.play(script)
    till.clock.at = script.now
    # 140 earned, 60 spent; half of o2: 20 taken back, 30 come back.
    assert await till.figures() == (90, 0, 0, 90)


async def test_debt_refuses_new_holds_lets_old_ones_be_captured_and_is_repaid_by_what_is_released(
    till: Checkout, books: Books
) -> None:
    one, other = await till.held(30), await till.held(50)
    script = await more(till, 2)
    script.refund("o1", amount=10000)
    await books.play(script)
    assert await till.figures() == (80, 80, 80, 0)
    assert (await till.hold(1)).json()["type"] == "in_debt"
    assert (await till.capture(one)).status_code == 200
    assert (await till.void(other)).status_code == 200
    assert await till.figures() == (0, 0, 30, 0)


async def test_the_members_holds_are_listed_the_latest_first(till: Checkout) -> None:
    made = [await till.held(n) for n in (1, 2, 3)]
    await till.void(made[1])
    await till.spend(5)
    path = f"/v1/members/{MEMBER}/holds"
    page = await till.see(f"{path}?limit=2")
    rest = await till.see(f"{path}?limit=2&before={page['next']}")
    seen = [(one["points"], one["state"]) for one in page["items"] + rest["items"]]
    assert seen == [(5, "captured"), (3, "held"), (2, "voided"), (1, "held")]
    assert [one["points"] for one in (await till.see(f"{path}?state=held"))["items"]] == [3, 1]


async def test_everything_said_about_holds_can_be_said_again_and_tells_what_is_free(
    till: Checkout, books: Books
) -> None:
    hold = await till.held(30)
    await till.held(20)
    await till.capture(hold, points=10)
    till.clock.move(QUARTER)
    await till.sweep()
    first = [row for row in await outbox(books) if row[1] is not None]
    said = [data for _, _, data in await books.said()]
    assert [(one.posted, one.held, sum(points for _, points in one.ladder)) for one in said] == [
        (100, 0, 100), (100, 30, 70), (100, 50, 50), (90, 20, 70), (90, 0, 90),
    ]  # fmt: skip
    async with books.database.transaction() as tx:
        await tx.run(CLEAR)
    await say_all_again(books.database, books.shelf, None)
    assert [row for row in await outbox(books) if row[1] is not None] == first


UNKNOWN = UUID(int=77)
WRONG: list[tuple[str, Any, int, str]] = [
    ("holds", {"points": 0}, 422, "invalid"),
    ("holds", {"points": -1}, 422, "invalid"),
    ("holds", {"points": 2**63}, 422, "invalid"),
    ("holds", {"points": 10**12 + 1}, 422, "invalid"),
    ("holds", {"points": 1.0}, 422, "invalid"),
    ("holds", {"points": "1"}, 422, "invalid"),
    ("holds", {"points": True}, 422, "invalid"),
    ("holds", {}, 422, "invalid"),
    ("holds", [], 422, "invalid"),
    ("holds", {"points": 1, "seconds": 0}, 422, "invalid"),
    ("holds", {"points": 1, "seconds": 7 * 86_400 + 1}, 422, "invalid"),
    ("holds", {"points": 1, "order_id": ""}, 422, "invalid"),
    ("holds", {"points": 1, "order_id": "a\x00b"}, 422, "invalid"),
    ("holds", {"points": 1, "member_id": str(MEMBER)}, 422, "invalid"),
    ("capture", {"points": 0}, 422, "invalid"),
    ("capture", {"points": 2**63}, 422, "invalid"),
    ("capture", {"state": "captured"}, 422, "invalid"),
    ("void", {"points": 1}, 422, "invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "body", "status", "word"), WRONG)
async def test_what_cannot_be_asked_is_a_4xx_and_uses_up_no_key(
    till: Checkout, act: str, body: Any, status: int, word: str
) -> None:
    hold = await till.held(30)
    path = f"/v1/members/{MEMBER}/holds" if act == "holds" else f"/v1/holds/{hold}/{act}"
    answer = await till.post(path, body, "the-key-stays-usable")
    assert (answer.status_code, answer.json()["type"]) == (status, word)
    assert (await till.spend(1, key="the-key-stays-usable")).status_code == 201


async def test_unknown_members_and_holds_are_404_and_use_up_no_key(till: Checkout) -> None:
    key = "the-key-stays-usable"
    for answer, word in [
        (await till.hold(1, UNKNOWN, key), "member_unknown"),
        (await till.capture(str(UNKNOWN), key), "hold_unknown"),
        (await till.void(str(UNKNOWN), key), "hold_unknown"),
        (await till.client.get(f"/v1/holds/{UNKNOWN}"), "hold_unknown"),
        (await till.client.get(f"/v1/members/{UNKNOWN}/holds"), "member_unknown"),
    ]:
        assert (answer.status_code, answer.json()["type"]) == (404, word)
    for path in ("/v1/holds/none", f"/v1/members/{MEMBER}/holds?state=gone", f"/v1/members/{MEMBER}/holds?before=0"):
        assert (await till.client.get(path)).status_code == 422
    assert (await till.hold(1, key=key)).status_code == 201


async def test_capture_and_void_need_no_body(till: Checkout) -> None:
    one, other = await till.held(1), await till.held(2)
    for path in (f"/v1/holds/{one}/capture", f"/v1/holds/{other}/void"):
        answer = await till.client.post(path, headers={"Idempotency-Key": till.key()})
        assert answer.status_code == 200
