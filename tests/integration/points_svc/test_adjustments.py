"""Corrections by hand over HTTP on a real PostgreSQL: reason, limit, a second person, batches and their reversal (domain.md 3.5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from points_svc.main import say_all_again
from tests.integration.points_svc.books import MEMBER, Books, activated
from tests.integration.points_svc.test_saying import CLEAR, outbox
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import Script

PATH = f"/v1/members/{MEMBER}/adjustments"
BATCHES = "/v1/adjustment-batches"
ANNA, BORIS = "staff/anna", "staff/boris"
RENE, RENE_AGAIN = "Ren\u00e9", "Rene\u0301"  # looks the same


@pytest.fixture
async def desk(till: Checkout, books: Books) -> Checkout:
    """The till, with the programme in force and three members more who have 100 points each."""
    await books.apply([activated()])
    for n in range(2, 5):
        script = Script()
        script.register()
        script.buy(10000, f"o{n}")
        await books.play(script, UUID(int=n))
    return till


async def adjust(desk: Checkout, points: Any, actor: str = ANNA, **more: Any) -> Any:
    return await desk.post(PATH, {"points": points, "reason": "till was down", "actor": actor, **more})


async def batch(desk: Checkout, points: dict[int, int], actor: str = ANNA) -> Any:
    items = [{"member_id": str(UUID(int=member)), "points": n} for member, n in points.items()]
    return await desk.post(BATCHES, {"reason": "wrong rate on 3 March", "actor": actor, "items": items})


async def test_a_small_correction_is_posted_at_once_with_its_whole_reason(desk: Checkout) -> None:
    made = await adjust(desk, 50)
    assert (made.status_code, made.json()["state"], made.json()["four_eyes"]) == (201, "posted", False)
    assert await desk.see(made.headers["location"]) == made.json()
    assert await desk.figures() == (150, 0, 0, 150)
    entry = (await desk.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"][0]
    assert (entry["kind"], entry["from"], entry["to"], entry["points"]) == ("adjusted", "adjustment", "available", 50)
    assert (entry["why"]["reason"], entry["why"]["posted_by"], entry["why"]["version"]) == ("till was down", ANNA, 1)
    taken = await adjust(desk, -120)
    assert (taken.status_code, await desk.figures()) == (201, (30, 0, 0, 30))


async def test_what_is_not_available_is_not_taken_and_no_debt_is_made(desk: Checkout) -> None:
    await desk.held(60)
    refused = await adjust(desk, -41)
    assert (refused.status_code, refused.json()["type"], refused.json()["available"]) == (
        409,
        "insufficient_points",
        40,
    )
    assert (await adjust(desk, -40)).status_code == 201
    assert await desk.figures() == (60, 60, 0, 0)


async def test_a_correction_upwards_repays_debt_first(desk: Checkout, books: Books) -> None:
    await desk.spend(80)
    script = Script(number=2, now=desk.clock.at)
    script.refund("o1", amount=10000)
    await books.play(script)
    assert await desk.figures() == (0, 0, 80, 0)
    assert (await adjust(desk, -1)).json()["type"] == "insufficient_points"
    await adjust(desk, 100)
    assert await desk.figures() == (20, 0, 0, 20)


async def test_above_the_limit_nothing_moves_until_a_second_person_approves(desk: Checkout) -> None:
    made = (await adjust(desk, 10_001)).json()
    assert (made["state"], made["four_eyes"], await desk.figures()) == ("proposed", True, (100, 0, 0, 100))
    assert [one["adjustment_id"] for one in (await desk.see("/v1/adjustments?state=proposed"))["items"]] == [
        made["adjustment_id"]
    ]
    path = f"/v1/adjustments/{made['adjustment_id']}"
    own = await desk.post(f"{path}/approve", {"actor": ANNA})
    assert (own.status_code, own.json()["type"]) == (409, "same_actor")
    yes = await desk.post(f"{path}/approve", {"actor": BORIS})
    assert (yes.status_code, yes.json()["state"], yes.json()["decided_by"]) == (200, "posted", BORIS)
    assert (await desk.figures())[0] == 10_101
    for act in ("approve", "reject"):
        assert (await desk.post(f"{path}/{act}", {"actor": BORIS})).json()["type"] == "not_proposed"
    assert (await desk.figures())[0] == 10_101


async def test_what_is_rejected_or_withdrawn_never_moves(desk: Checkout) -> None:
    for actor in (ANNA, BORIS):
        path = f"/v1/adjustments/{(await adjust(desk, -20_000)).json()['adjustment_id']}"
        assert (await desk.post(f"{path}/reject", {"actor": actor})).json()["state"] == "rejected"
        assert (await desk.post(f"{path}/approve", {"actor": BORIS})).json()["type"] == "not_proposed"
    assert await desk.figures() == (100, 0, 0, 100)


async def test_of_many_who_approve_at_once_one_does(desk: Checkout) -> None:
    """Reading the proposal before the account is locked would let several through."""
    path = f"/v1/adjustments/{(await adjust(desk, 20_000)).json()['adjustment_id']}/approve"
    answers = await asyncio.gather(*[desk.post(path, {"actor": f"staff/{n}"}) for n in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert (await desk.figures())[0] == 20_100


async def test_a_batch_is_posted_whole_or_not_at_all(desk: Checkout) -> None:
    refused = await batch(desk, {1: 10, 2: -101, 3: -100})
    assert (refused.status_code, refused.json()["type"]) == (409, "batch_refused")
    assert [one["member_id"] for one in refused.json()["refusals"]] == [str(UUID(int=2))]
    assert [(await desk.figures(UUID(int=n)))[0] for n in range(1, 5)] == [100] * 4
    made = await batch(desk, {1: 10, 2: -100, 3: -5})
    assert (made.status_code, made.json()["state"], made.json()["points"]) == (201, "posted", -95)
    assert [(await desk.figures(UUID(int=n)))[0] for n in range(1, 5)] == [110, 0, 95, 100]
    assert await desk.see(made.headers["location"]) == made.json()


async def test_small_corrections_that_are_large_together_need_a_second_person(desk: Checkout) -> None:
    made = (await batch(desk, {1: 5_000, 2: 5_001})).json()
    assert made["state"] == "proposed"
    one = f"/v1/adjustments/{made['items'][0]['adjustment_id']}/approve"
    assert (await desk.post(one, {"actor": BORIS})).json()["type"] == "in_batch"
    path = f"{BATCHES}/{made['batch_id']}"
    assert (await desk.post(f"{path}/approve", {"actor": ANNA})).json()["type"] == "same_actor"
    assert (await desk.post(f"{path}/approve", {"actor": BORIS})).json()["state"] == "posted"
    assert [(await desk.figures(UUID(int=n)))[0] for n in (1, 2)] == [5_100, 5_101]
    reversal = {"actor": ANNA, "reason": "again"}
    assert (await desk.post(f"{path}/reverse", reversal)).json()["type"] == "same_actor"
    other = (await batch(desk, {1: 20_000})).json()
    assert (await desk.post(f"{BATCHES}/{other['batch_id']}/reject", {"actor": BORIS})).json()["state"] == "rejected"
    assert (await desk.post(f"{BATCHES}/{other['batch_id']}/reverse", reversal)).json()["type"] == "not_posted"


async def test_a_batch_is_reversed_once_however_many_ask(desk: Checkout) -> None:
    """T-L18. Without the lock on the batch, or with a state read before it, two of these would give back twice."""
    made = (await batch(desk, {1: 30, 2: -40, 3: 7})).json()
    path = f"{BATCHES}/{made['batch_id']}/reverse"
    body = {"actor": BORIS, "reason": "it was right before"}
    answers = await asyncio.gather(*[desk.post(path, body) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {"batch_reversed"}
    assert [(await desk.figures(UUID(int=n)))[0] for n in (1, 2, 3)] == [100, 100, 100]


async def test_a_reversal_takes_what_is_left_and_says_what_is_missing(desk: Checkout) -> None:
    made = (await batch(desk, {1: 30, 2: 30})).json()
    await desk.spend(120)
    body = {"actor": BORIS, "reason": "wrong members"}
    answer = (await desk.post(f"{BATCHES}/{made['batch_id']}/reverse", body)).json()
    assert [one["reversed_points"] for one in answer["items"]] == [10, 30]
    assert await desk.figures() == (0, 0, 0, 0)


async def test_points_taken_by_mistake_come_back_into_the_lots_they_came_from(desk: Checkout) -> None:
    before = (await desk.balance(UUID(int=2)))["lots"]
    one, other = (await batch(desk, {2: -40})).json(), (await batch(desk, {2: -30})).json()
    body = {"actor": BORIS, "reason": "it was right before"}
    await desk.post(f"{BATCHES}/{one['batch_id']}/reverse", body)
    desk.clock.move(timedelta(days=400))
    await desk.post(f"{BATCHES}/{other['batch_id']}/reverse", body)
    lots = (await desk.balance(UUID(int=2)))["lots"]
    assert [lot["remaining"] for lot in lots] == [70, 30]
    assert lots[0]["expires_at"] == before[0]["expires_at"]
    # The lot's expiry has passed: until the start of the 31st local day (Shanghai) after the reversal of 7 April 2026.
    assert lots[1]["expires_at"] == "2026-05-07T16:00:00Z"


async def test_everything_said_about_corrections_can_be_said_again(desk: Checkout, books: Books) -> None:
    await desk.held(10)
    made = (await batch(desk, {1: 30, 2: -40})).json()
    await adjust(desk, -20)
    desk.clock.move(timedelta(hours=1))
    await adjust(desk, 20_000)
    await desk.post(f"{BATCHES}/{made['batch_id']}/reverse", {"actor": BORIS, "reason": "r"})
    first = sorted(row for row in await outbox(books) if row[1] is not None)
    async with books.database.transaction() as tx:
        await tx.run(CLEAR)
    await say_all_again(books.database, books.shelf, None)
    assert sorted(row for row in await outbox(books) if row[1] is not None) == first


async def test_without_a_programme_in_force_nothing_is_corrected(till: Checkout) -> None:
    assert (await adjust(till, 5)).json()["type"] == "no_programme"
    assert (await batch(till, {1: 5})).json()["type"] == "no_programme"


async def test_who_and_what_is_unknown_is_a_404_and_uses_up_no_key(desk: Checkout) -> None:
    nobody, key = UUID(int=77), "the-key-stays-usable"
    line = {"points": 1, "reason": "r", "actor": ANNA}
    items = [{"member_id": str(nobody), "points": 1}]
    for path, body, word in [
        (f"/v1/members/{nobody}/adjustments", line, "member_unknown"),
        (BATCHES, {"reason": "r", "actor": ANNA, "items": items}, "member_unknown"),
        (f"/v1/adjustments/{nobody}/approve", {"actor": ANNA}, "adjustment_unknown"),
        (f"{BATCHES}/{nobody}/approve", {"actor": ANNA}, "adjustment_batch_unknown"),
        (f"{BATCHES}/{nobody}/reverse", {"actor": ANNA, "reason": "r"}, "adjustment_batch_unknown"),
    ]:
        answer = await desk.post(path, body, key)
        assert (answer.status_code, answer.json()["type"]) == (404, word)
    assert (await desk.client.get(f"/v1/adjustments/{nobody}")).status_code == 404
    assert (await desk.client.get(f"{BATCHES}/{nobody}")).status_code == 404
    assert (await desk.post(PATH, line, key)).status_code == 201


async def test_another_spelling_of_a_name_is_no_second_person(desk: Checkout) -> None:
    """Callers give names, not credentials; a blank, a capital, what nobody sees or another é must not make two of one."""
    path = f"/v1/adjustments/{(await adjust(desk, 10_001)).json()['adjustment_id']}/approve"
    for name in (f" {ANNA}", ANNA.upper(), ANNA.replace("/", " / "), f"{ANNA}\u200b", ANNA.replace("/", "\uff0f")):
        assert (await desk.post(path, {"actor": name})).json()["type"] == "same_actor", name
    path = f"/v1/adjustments/{(await adjust(desk, 10_001, RENE)).json()['adjustment_id']}/approve"
    assert (await desk.post(path, {"actor": RENE_AGAIN})).json()["type"] == "same_actor"
    assert (await desk.figures())[0] == 100


async def test_a_hold_that_is_over_is_told_once_when_a_correction_is_proposed_or_decided(
    desk: Checkout, books: Books
) -> None:
    """Broken by a page of the hold's end that is closed a second time: the statement would be said twice."""
    for points, end in ((10_001, "reject"), (10_002, "approve")):
        await desk.held(30)
        desk.clock.move(timedelta(minutes=15))
        made = (await adjust(desk, points)).json()
        await desk.held(20)
        desk.clock.move(timedelta(minutes=15))
        await desk.post(f"/v1/adjustments/{made['adjustment_id']}/{end}", {"actor": BORIS})
    numbers = [number for member, number, _ in await books.said() if member == MEMBER]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await desk.figures() == (10_102, 0, 0, 10_102)
