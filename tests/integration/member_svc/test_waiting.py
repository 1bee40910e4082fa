"""Refunds and reviews that come before their order, and what is left of an order (domain.md 2.2.2, 3.2)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from member_svc.domain.outcomes import Outcome
from member_svc.handlers.expire_waiting import expire_waiting
from member_svc.handlers.read_reports import read_body
from member_svc.handlers.take_request import take_request
from member_svc.store import MemberStore
from tests.integration.member_svc.world import World, verdicts


async def test_a_refund_belongs_to_the_member_of_its_order(world: World) -> None:
    await world.take(world.purchase("o-1", 500, phone="1"), world.sign_in("2"))
    refund = world.refund("o-1", "r-1", 100)
    refund["data"]["identifier"] = {"kind": "phone", "value": "2"}
    (outcome,) = await world.take(refund)
    assert (outcome.outcome, outcome.member_id) == ("accepted", await world.member_of("1"))
    assert await world.value("SELECT left_minor FROM purchase_order") == 400


async def test_refunds_above_what_is_left_or_of_unknown_lines_are_refused(world: World) -> None:
    outcomes = await world.take(
        world.purchase("o-1", 500, 300),
        world.refund("o-1", "r-1", {"l1": (1, 200)}),
        world.refund("o-1", "r-2", {"l1": (1, 301)}),  # of the line 300 are left
        world.refund("o-1", "r-3", {"l1": (2, 10)}),  # and one piece
        world.refund("o-1", "r-4", {"l9": (1, 10)}),
        world.refund("o-1", "r-5", 601),  # of the order 600 are left
        world.refund("o-1", "r-6", 550),
        world.refund("o-1", "r-7", {"l2": (1, 51)}),  # the unallocated refund has left 50 of the order
        world.refund("o-1", "r-1", {"l1": (1, 200)}),
    )
    assert verdicts(outcomes)[1:] == [
        "accepted",
        "refused:above_what_is_left",
        "refused:above_what_is_left",
        "refused:unknown_line",
        "refused:above_what_is_left",
        "accepted",
        "refused:above_what_is_left",
        "duplicate",
    ]
    assert verdicts(await world.take(world.refund("o-1", "r-8", {"l2": (1, 51)}))) == ["refused:above_what_is_left"]
    assert verdicts(await world.take(world.refund("o-1", "r-8", {"l2": (1, 50)}))) == ["accepted"]
    assert await world.value("SELECT left_minor FROM purchase_order") == 0


async def test_a_refund_waits_without_a_number_until_its_order_comes(world: World) -> None:
    refund = world.refund("o-1", "r-1", 100)
    assert verdicts(await world.take(refund)) == ["waiting"]
    assert verdicts(await world.take(refund)) == ["waiting"]  # reported again: it waits once
    assert await world.value("SELECT count(*) FROM waiting") == 1
    (outcome,) = await world.take(world.purchase("o-1", 500))
    assert outcome.member_seq == 1
    said = [(event.memberseq, event.type, event.id) for event in await world.said() if event.subject]
    assert [(number, kind) for number, kind, _ in said] == [
        (1, "laurel.purchase.recorded.v1"),
        (2, "laurel.purchase.refunded.v1"),
    ]
    assert said[1][2] == refund["id"]
    assert await world.value("SELECT count(*) FROM waiting") == 0
    assert verdicts(await world.take(refund)) == ["duplicate"]


async def test_several_are_taken_in_order_of_arrival_and_what_exceeds_is_a_dead_letter(world: World) -> None:
    for number, amount in enumerate((300, 300, 200), start=1):
        await world.take(world.refund("o-1", f"r-{number}", amount))
    await world.take(world.purchase("o-1", 500))
    said = [event.data["refund_id"] for event in await world.said() if event.type == "laurel.purchase.refunded.v1"]
    assert said == ["r-1", "r-3"]
    (dead,) = await world.rows("SELECT reason, value FROM dead_letter")
    assert dead.reason == "above_what_is_left"
    assert b'"r-2"' in dead.value
    assert await world.value("SELECT count(*) FROM claim") == 2 * 3  # the dead one uses up no key
    assert verdicts(await world.take(world.refund("o-1", "r-2", 0))) == ["accepted"]


async def test_in_one_request_a_refund_may_stand_before_its_order(world: World) -> None:
    outcomes = await world.take(
        world.refund("o-1", "r-1", 100),
        world.review("o-1"),
        world.purchase("o-1", 500),
        world.refund("o-1", "r-2", 401),
    )
    assert verdicts(outcomes) == ["accepted", "accepted", "accepted", "refused:above_what_is_left"]
    assert [outcome.member_seq for outcome in outcomes[:3]] == [2, 3, 1]
    assert await world.value("SELECT count(*) FROM waiting") == 0


async def test_a_corrected_refund_may_come_while_the_wrong_one_waits(world: World) -> None:
    await world.take(world.refund("o-1", "r-1", 9_999))
    assert verdicts(await world.take(world.refund("o-1", "r-1", 100))) == ["waiting"]
    await world.take(world.purchase("o-1", 500))
    assert await world.value("SELECT left_minor FROM purchase_order") == 400
    assert await world.value("SELECT count(*) FROM dead_letter") == 1


async def test_a_review_counts_once_per_member_order_and_sku(world: World) -> None:
    outcomes = await world.take(
        world.purchase("o-1", 5, 6),
        world.review("o-1", sku="s1"),
        world.review("o-1", line_id="l1"),
        world.review("o-1", line_id="l2"),
        world.review("o-1", sku="s9"),
    )
    assert verdicts(outcomes)[1:] == ["accepted", "duplicate", "accepted", "refused:unknown_line"]
    assert verdicts(await world.take(world.review("o-1", line_id="l2"))) == ["duplicate"]


async def test_a_review_of_an_order_of_somebody_else_waits(world: World) -> None:
    outcomes = await world.take(world.purchase("o-1", phone="1"), world.review("o-1", phone="2"))
    assert verdicts(outcomes) == ["accepted", "waiting"]
    assert await world.value("SELECT count(*) FROM member") == 1


async def test_a_review_waits_for_its_order_and_is_taken_for_the_members_own(world: World) -> None:
    await world.take(world.review("o-1", phone="1"), world.review("o-1", phone="2"))
    await world.take(world.purchase("o-1", phone="1"))
    said = [event.type for event in await world.said() if event.subject]
    assert said == ["laurel.purchase.recorded.v1", "laurel.review.posted.v1"]
    assert await world.value("SELECT count(*) FROM waiting") == 1  # of the other one


async def test_after_thirty_days_waiting_ends_in_a_dead_letter(world: World) -> None:
    await world.take(world.refund("o-1", "r-1", 100), world.refund("o-2", "r-2", 100))
    world.now += timedelta(days=29)
    await world.take(world.refund("o-2", "r-3", 100))
    assert await world.change(expire_waiting) == 0
    world.now += timedelta(days=1)
    assert await world.change(expire_waiting) == 2
    assert await world.value("SELECT count(*) FROM dead_letter WHERE reason = 'order_never_came'") == 2
    assert await world.value("SELECT count(*) FROM claim") == 1  # o-2 is waited for, o-1 no more
    assert verdicts(await world.take(world.purchase("o-1", 500))) == ["accepted"]


async def hold_between(
    world: World, before: asyncio.Event, go_on: asyncio.Event, *reports: dict[str, Any]
) -> list[Outcome]:
    """Take reports; the transaction stays open until `go_on` is set."""

    async def work(store: MemberStore) -> list[Outcome]:
        outcomes = await take_request(read_body(json.dumps(reports).encode()), store)
        before.set()
        await go_on.wait()
        return outcomes

    return await world.change(work)


@pytest.mark.parametrize("waited_for_before", [False, True], ids=["first", "already waited for"])
@pytest.mark.parametrize("refund_first", [True, False], ids=["refund first", "order first"])
async def test_neither_order_of_two_open_transactions_misses_the_other(
    world: World, refund_first: bool, waited_for_before: bool
) -> None:
    expected = {"r-1"}
    if waited_for_before:
        await world.take(world.refund("o-1", "r-0", 1))
        expected.add("r-0")
    refund, purchase = world.refund("o-1", "r-1", 100), world.purchase("o-1", 500)
    first, second = (refund, purchase) if refund_first else (purchase, refund)
    done, go_on = asyncio.Event(), asyncio.Event()
    opened = asyncio.create_task(hold_between(world, done, go_on, first))
    await asyncio.wait_for(done.wait(), 10)
    following = asyncio.create_task(world.take(second))
    await world.until_locked_out(following)
    go_on.set()
    await opened
    await following
    said = {event.data["refund_id"] for event in await world.said() if event.type == "laurel.purchase.refunded.v1"}
    assert said == expected
    assert await world.value("SELECT count(*) FROM waiting") == 0
    assert await world.value("SELECT count(*) FROM claim WHERE activity IS NULL") == 0
