"""Decisions on a real database: what is granted in one batch and undone in a later one, what is said, and what holds a lane."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from campaign_svc.main import skip_number
from campaign_svc.store import CampaignStore
from laurel_contracts import registry
from laurel_contracts.activities import PurchaseRefunded
from laurel_contracts.decisions import DayClosed, ProgrammeActivated
from laurel_kit.hearing import BrokenNumbers, Hold
from tests.integration.campaign_svc.world import START, Log, NewWorld, World
from tests.unit.campaign_svc.programmes import campaign, leaf, with_campaigns
from tests.unit.campaign_svc.streams import purchase

ALICE, BOB = UUID(int=0xA11CE), UUID(int=0xB0B)


def facts(said: list[Any]) -> list[tuple[str, int, Any]]:
    """What was said about members, decoded as a reader would."""
    return [
        (row.type.split(".")[2], row.number, registry.decoder(row.type).decode(row.body).data)
        for row in said
        if row.key
    ]


async def drink_each(world: World, log: Log) -> None:
    """Everything new in the log, one record per transaction."""
    await world.drink(log, [1])


async def test_a_purchase_is_granted_and_a_later_batch_takes_it_back(new_world: NewWorld) -> None:
    world, log = await new_world(), Log()
    log.stand(ALICE, "silver", after=0)
    log.tell(ALICE, purchase("a", 9_000, 3_000))
    log.mark()
    await drink_each(world, log)
    log.tell(ALICE, PurchaseRefunded(refund_id="r1", order_id="a", amount_minor=2_000))
    log.tell(ALICE, PurchaseRefunded(refund_id="r2", order_id="a", amount_minor=1))
    log.tell(ALICE, PurchaseRefunded(refund_id="r3", order_id="a", amount_minor=9_999))
    log.mark()
    await drink_each(world, log)
    told = facts(await world.said())
    assert [(kind, number, fact.campaign_id, fact.cause) for kind, number, fact in told] == [
        ("granted", 1, "upgrade-gift", "standing 1"),
        ("granted", 2, "first-purchase", "activity 1"),
        ("granted", 3, "big-basket", "activity 1"),
        ("taken-back", 4, "big-basket", "activity 3"),
        ("taken-back", 5, "first-purchase", "activity 4"),
    ]
    assert told[2][2].award_id == told[3][2].award_id
    assert told[1][2].at == START
    assert (told[2][2].points, told[3][2].points, told[3][2].order_id) == (50, 50, "a")
    (order,) = await world.rows("SELECT left_minor, tier, outcomes FROM occasion WHERE order_id = 'a'")
    assert (order.left_minor, order.tier) == (0, "silver")


async def test_the_messages_carry_the_members_key_partition_and_number(new_world: NewWorld) -> None:
    world, log = await new_world(), Log(partitions=4)
    for member in (ALICE, BOB):
        log.tell(member, purchase(f"o{member.int}", 100))
    log.mark()
    await world.drink(log, [100])
    rows = await world.said()
    for row in [row for row in rows if row.key]:
        assert row.topic == "campaigns"
        assert row.partition == log.partition_of(UUID(bytes=row.key))
        event = registry.decoder(row.type).decode(row.body)
        assert (event.subject and event.subject.bytes, event.memberseq, event.id) == (row.key, row.number, row.event_id)
        assert event.time == START


async def test_a_version_that_is_not_loaded_holds_the_lane_and_changes_nothing(new_world: NewWorld) -> None:
    world, log = await new_world(), Log()
    log.tell(ALICE, purchase("a", 100), version=3)
    log.mark()
    with pytest.raises(Hold, match="version 3"):
        await world.drink(log, [100])
    assert (await world.dump())["member"] == []
    await world.load(with_campaigns(campaign("three"), version=3))
    await world.drink(log, [100])
    assert [row["campaign_id"] for row in (await world.dump())["award"]] == ["three"]


async def test_each_activity_is_decided_by_the_version_it_is_stamped_with_and_limits_count_across_versions(
    new_world: NewWorld,
) -> None:
    limit = {"per_member": 2}
    world, log = await new_world(with_campaigns(campaign("kept", limits=limit), campaign("old")), ), Log()  # fmt: skip
    await world.load(with_campaigns(campaign("kept", limits=limit), campaign("new"), version=2))
    for order, version in (("a", 1), ("b", 2), ("late", 1), ("c", 2)):
        log.tell(ALICE, purchase(order, 100), version=version)
    log.mark()
    await world.drink(log, [1])
    awards = await world.rows("SELECT campaign_id, number FROM award ORDER BY said_number")
    assert [tuple(row) for row in awards] == [
        ("kept", 1), ("old", 1), ("kept", 2), ("new", 2), ("old", 3), ("new", 4),
    ]  # fmt: skip


async def test_a_refund_is_judged_by_the_version_of_its_order(new_world: NewWorld) -> None:
    world, log = await new_world(with_campaigns(campaign("c", leaf("order_left_minor", ">=", 100)))), Log()
    await world.load(with_campaigns(campaign("c", leaf("order_left_minor", ">=", 1)), version=2))
    log.tell(ALICE, purchase("a", 100), version=1)
    log.tell(ALICE, PurchaseRefunded(refund_id="r", order_id="a", amount_minor=1), version=2)
    log.mark()
    await world.drink(log, [1])
    assert [row["back_number"] for row in (await world.dump())["award"]] == [2]


async def test_a_standing_without_a_version_is_decided_by_the_one_in_force_at_its_time(new_world: NewWorld) -> None:
    world, log = await new_world(with_campaigns(campaign("one", when="standing.raised"))), Log()
    two = with_campaigns(campaign("two", when="standing.raised"), version=2)
    await world.load(two)
    await world.activate(log, with_campaigns(campaign("one", when="standing.raised")))
    log.mark()
    await world.drink(log, [10])
    log.stand(ALICE, "silver", after=0, version=None)
    await world.drink(log, [10])
    assert [row["campaign_id"] for row in (await world.dump())["award"]] == ["one"]
    assert len((await world.dump())["activation"]) == 1


async def test_an_activated_version_that_is_another_document_here_holds_the_lane(new_world: NewWorld) -> None:
    world, log = await new_world(), Log()
    log.tell_all(ProgrammeActivated(version=1, sha256="another"))
    log.mark()
    with pytest.raises(Hold, match="another document"):
        await world.drink(log, [10])


async def test_the_last_closed_day_of_a_partition_is_kept_and_never_goes_back(new_world: NewWorld) -> None:
    world, log = await new_world(), Log(partitions=2)
    for days in (2, 1):
        log.tell_all(DayClosed(as_of=START + timedelta(days=days)))
    log.mark()
    await world.drink(log, [1])
    assert {row["as_of"] for row in (await world.dump())["partition_day"]} == {START + timedelta(days=2)}


async def test_a_missing_number_halts_instead_of_guessing(new_world: NewWorld) -> None:
    world, log = await new_world(), Log()
    log.tell(ALICE, purchase("a", 100))
    log.numbers[ALICE] = 2
    log.tell(ALICE, purchase("b", 100))
    log.mark()
    with pytest.raises(BrokenNumbers):
        await world.drink(log, [100])


async def test_a_number_that_was_given_up_lets_the_next_one_pass(new_world: NewWorld) -> None:
    world, log = await new_world(), Log()
    log.tell(ALICE, purchase("a", 100))
    log.mark()
    await world.drink(log, [100])
    async with world.database.transaction() as tx:
        await skip_number(CampaignStore(tx, world.shelf), "activities", ALICE.bytes, 2)
    log.numbers[ALICE] = 2
    log.tell(ALICE, purchase("c", 100))
    log.mark()
    await world.drink(log, [100])
    assert (await world.dump())["member"][0]["last_seq"] == 3


async def test_a_standing_that_comes_too_late_makes_orders_be_judged_again(new_world: NewWorld) -> None:
    world, log = await new_world(), Log()
    for order in "ab":
        log.tell(ALICE, purchase(order, 10_000))
    log.mark()
    await world.drink(log, [100])
    log.stand(ALICE, "silver", after=1)
    log.stand(ALICE, "regular", after=2, kind="lowered", before="silver")
    await world.drink(log, [1])
    rows = await world.rows("SELECT campaign_id, cause, number FROM award ORDER BY said_number")
    assert [tuple(row) for row in rows] == [
        ("first-purchase", "activity", 1), ("upgrade-gift", "standing", 1), ("big-basket", "activity", 2),
    ]  # fmt: skip
    tiers = await world.rows("SELECT order_id, tier FROM occasion WHERE order_id IS NOT NULL ORDER BY 1")
    assert [tuple(row) for row in tiers] == [("a", "regular"), ("b", "silver")]


async def _two_standings_come_too_late(world: World, log: Log, size: int) -> None:
    """An order is decided at regular; then it becomes known, in batches of `size`, that he was silver and gold before it."""
    log.tell(ALICE, purchase("a", 100))
    log.mark()
    await world.drink(log, [100])
    log.stand(ALICE, "silver", after=0)
    log.stand(ALICE, "gold", after=0, before="silver")
    await world.drink(log, [size])


@pytest.mark.parametrize("size", [1, 100])
async def test_two_standings_that_come_too_late_decide_an_order_alike_however_they_are_cut(
    new_world: NewWorld, size: int
) -> None:
    club = campaign("club", leaf("tier", "in", ["silver", "gold"]), limits={"per_member": 1})
    world, log = await new_world(with_campaigns(club)), Log()
    await _two_standings_come_too_late(world, log, size)
    (order,) = await world.rows("SELECT tier, ordinal, outcomes FROM occasion WHERE order_id = 'a'")
    assert (order.tier, order.ordinal, order.outcomes) == ("gold", 2, {"club": "granted"})
    assert [row["number"] for row in (await world.dump())["award"]] == [1]


@pytest.mark.parametrize("size", [1, 100])
async def test_two_standings_that_come_too_late_grant_once_where_nothing_limits(new_world: NewWorld, size: int) -> None:
    world, log = await new_world(with_campaigns(campaign("club", leaf("tier", "in", ["silver", "gold"])))), Log()
    await _two_standings_come_too_late(world, log, size)
    assert [row["number"] for row in (await world.dump())["award"]] == [1]


@pytest.mark.parametrize("size", [1, 100])
async def test_a_limit_counts_what_a_version_without_one_has_granted_however_it_is_cut(
    new_world: NewWorld, size: int
) -> None:
    world, log = await new_world(with_campaigns(campaign("kept"))), Log()
    await world.load(with_campaigns(campaign("kept", limits={"per_member": 1}), version=2))
    log.tell(ALICE, purchase("a", 100), version=1)
    log.tell(ALICE, purchase("b", 100), version=2)
    log.mark()
    await world.drink(log, [size])
    assert [row["number"] for row in (await world.dump())["award"]] == [1]
