"""The table of reliability.md 3.4, line by line, on every mutation that takes a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from laurel_kit.once import claim
from laurel_kit.postgres import Transaction
from points_svc.handlers.once import forget_old_answers
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import Script

KEY = "a-key-of-one-and-only-use"
SISTER = type(MEMBER)(int=2)
WEEK = timedelta(days=7)
ACTS = ["spendings", "holds", "transfers", "capture", "void"]


async def request(till: Checkout, act: str) -> tuple[str, dict[str, Any]]:
    """A request that succeeds: where to, and what."""
    if act in {"spendings", "holds"}:
        return f"/v1/members/{MEMBER}/{act}", {"points": 30}
    if act == "transfers":
        sister = Script()
        sister.register()
        await till.books.play(sister, SISTER)
        return f"/v1/members/{MEMBER}/{act}", {"points": 30, "to_member_id": str(SISTER)}
    return f"/v1/holds/{await till.held(30)}/{act}", {}


async def bodies(till: Checkout) -> int:
    async with till.database.reading() as tx:
        return int((await tx.run(text("SELECT count(*) FROM idempotency WHERE body IS NOT NULL"))).scalar_one())


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("key", "word"),
    [
        (None, "idempotency_key_required"),
        ("x" * 15, "idempotency_key_malformed"),
        ("x" * 129, "idempotency_key_malformed"),
        ("tab\tinside-the-key-of-mine", "idempotency_key_malformed"),
        ("", "idempotency_key_malformed"),
    ],
)
async def test_a_key_that_is_missing_or_malformed_is_400(till: Checkout, act: str, key: str | None, word: str) -> None:
    path, body = await request(till, act)
    answer = await till.client.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["type"]) == (400, word)


@pytest.mark.parametrize("act", ACTS)
async def test_the_same_again_is_replayed_and_does_nothing(till: Checkout, act: str) -> None:
    path, body = await request(till, act)
    first = await till.post(path, body, KEY)
    before = await till.balance()
    again = await till.post(path, body, KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert again.headers.get("location") == first.headers.get("location")
    assert await till.balance() == before


@pytest.mark.parametrize("act", ACTS)
async def test_a_key_is_good_for_one_request_only(till: Checkout, act: str) -> None:
    path, body = await request(till, act)
    await till.post(path, body, KEY)
    other_hold = await till.held(5)
    for other_path, other_body in [
        (f"/v1/members/{MEMBER}/spendings", {"points": 7}),
        (f"/v1/members/{MEMBER}/holds", {"points": 7}),
        (f"/v1/holds/{other_hold}/capture", {}),
        (f"/v1/holds/{other_hold}/void", {}),
    ]:
        answer = await till.post(other_path, other_body, KEY)
        assert (answer.status_code, answer.json()["type"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("act", ACTS)
async def test_while_the_first_is_running_the_second_is_told_when_to_come_again(till: Checkout, act: str) -> None:
    path, body = await request(till, act)
    async with till.database.transaction() as tx:
        assert await claim(tx, "anybody", KEY)
        answer = await till.post(path, body, KEY)
    assert (answer.status_code, answer.json()["type"], answer.headers["Retry-After"]) == (409, "request_in_flight", "1")
    assert (await till.post(path, body, KEY)).status_code in {200, 201}


@pytest.mark.parametrize("act", ["spendings", "holds"])
async def test_a_refusal_is_kept_though_points_have_come(till: Checkout, books: Books, act: str) -> None:
    path = f"/v1/members/{MEMBER}/{act}"
    refused = await till.post(path, {"points": 101}, KEY)
    assert (refused.status_code, refused.json()["type"]) == (409, "insufficient_points")
    script = Script(number=2, now=till.clock.at)
    script.buy(10000, "o2")
    await books.play(script)
    till.clock.at = script.now
    again = await till.post(path, {"points": 101}, KEY)
    assert (again.status_code, again.content, again.headers["Idempotent-Replayed"]) == (409, refused.content, "true")
    assert (await till.post(path, {"points": 101})).status_code == 201


async def test_a_refused_capture_is_kept_though_less_would_do(till: Checkout) -> None:
    hold = await till.held(30)
    refused = await till.capture(hold, KEY, points=31)
    assert (await till.capture(hold, points=30)).status_code == 200
    assert (await till.capture(hold, KEY, points=31)).content == refused.content


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("forgotten", [False, True])
async def test_after_seven_days_a_key_says_only_where_to_look(till: Checkout, act: str, forgotten: bool) -> None:
    path, body = await request(till, act)
    first = await till.post(path, body, KEY)
    before = await till.figures()
    till.clock.move(WEEK - timedelta(microseconds=1))
    assert (await till.post(path, body, KEY)).content == first.content
    till.clock.move(timedelta(microseconds=1))
    if forgotten:
        kept = await bodies(till)

        async def forget(tx: Transaction) -> int:
            return await forget_old_answers(till.clock.now() + timedelta(microseconds=1), 1000, till.books.store(tx))

        assert await till.database.in_transaction(forget) == kept
        assert await bodies(till) == 0
    old = await till.post(path, body, KEY)
    assert (old.status_code, old.json()["type"]) == (409, "already_exists")
    assert (await till.see(old.json()["link"]))["points"] == 30
    assert await till.figures() == before
    assert (await till.post(path, body | {"points": 1} if act != "void" else {"x": 1}, KEY)).status_code == 422
