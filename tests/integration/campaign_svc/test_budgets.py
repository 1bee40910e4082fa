"""A budget holds under concurrency (domain.md 5): claimed by more than it has, it grants what it has."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from tests.integration.campaign_svc.world import Log, NewWorld, World
from tests.unit.campaign_svc.programmes import campaign, leaf, with_campaigns
from tests.unit.campaign_svc.streams import purchase

PARTITIONS = 6
BUDGET = 100


def claims(partitions: int, per_partition: int) -> Log:
    """A member per order, so that nothing but the budget limits."""
    log = Log(partitions)
    for place in range(partitions * per_partition):
        log.tell(UUID(int=place + 1), purchase(f"o{place}", 100))
    log.mark()
    return log


async def claim_in_parallel(world: World, log: Log, size: int) -> None:
    """Every partition in its own transactions of this size, all at once."""
    await world.apply(*(log.tiers[partition] for partition in log.tiers))

    async def lane(partition: int) -> None:
        records = log.activities[partition]
        for start in range(0, len(records), size):
            await world.apply(records[start : start + size])

    await asyncio.gather(*(lane(partition) for partition in log.activities))


async def test_a_budget_of_100_claimed_by_300_in_concurrent_partitions_grants_exactly_100(new_world: NewWorld) -> None:
    world = await new_world(
        with_campaigns(campaign("scarce", limits={"budget": BUDGET}), campaign("other", limits={"budget": 250}))
    )
    await claim_in_parallel(world, claims(PARTITIONS, 50), size=7)
    dump = await world.dump()
    granted = [row["campaign_id"] for row in dump["award"]]
    assert (granted.count("scarce"), granted.count("other")) == (100, 250)
    assert dump["budget"] == [{"campaign_id": "other", "used": 250}, {"campaign_id": "scarce", "used": 100}]
    emptied = [row for row in await world.said() if row.type == "laurel.campaign.emptied.v1"]
    assert len(emptied) == 2
    assert all(row.key is None and row.number is None for row in emptied)
    refused = await world.rows("SELECT count(*) AS n FROM occasion WHERE outcomes ->> 'scarce' = 'budget:100'")
    assert refused[0].n == 200


async def test_a_budget_goes_to_the_first_in_the_stream_wherever_the_batch_is_cut(new_world: NewWorld) -> None:
    programme = with_campaigns(campaign("scarce", leaf("order_left_minor", ">", 0), limits={"budget": 10}))
    log = claims(1, 30)
    takers = []
    for size in (1, 4, 1_000):
        world = await new_world(programme)
        await world.drink(log, [size])
        takers.append(sorted(row["order_id"] for row in (await world.dump())["award"]))
    assert takers[0] == takers[1] == takers[2] == sorted(f"o{place}" for place in range(10))


async def test_a_larger_budget_in_a_later_version_goes_on_where_the_first_ended(new_world: NewWorld) -> None:
    log = claims(1, 4)
    world = await new_world(with_campaigns(campaign("scarce", limits={"budget": 3})))
    await world.load(with_campaigns(campaign("scarce", limits={"budget": 5}), version=2))
    await world.drink(log, [1])
    for place in range(4):
        log.tell(UUID(int=1_000 + place), purchase(f"second{place}", 1), version=2)
    log.mark()
    await world.drink(log, [2])
    dump = await world.dump()
    assert len(dump["award"]) == 5
    assert [row["budget"] for row in dump["emptied"]] == [3, 5]


@pytest.mark.parametrize("size", [1, 100])
async def test_a_budget_of_two_versions_in_one_batch_is_not_overrun(new_world: NewWorld, size: int) -> None:
    """A late order of the version whose budget is used up, and at once one of the version that has more, which others have used."""
    alice, others, first = UUID(int=1), range(2, 5), UUID(int=9)
    world, log = await new_world(with_campaigns(campaign("scarce", limits={"budget": 1, "per_member": 1}))), Log()
    await world.load(with_campaigns(campaign("scarce", limits={"budget": 3, "per_member": 1}), version=2))
    log.tell(first, purchase("first", 1))
    for other in others:
        log.tell(UUID(int=other), purchase(f"o{other}", 1), version=2)
    log.mark()
    await world.drink(log, [1])
    log.tell(alice, purchase("late", 1), version=1)
    log.tell(alice, purchase("now", 1), version=2)
    log.mark()
    await world.drink(log, [size])
    dump = await world.dump()
    assert dump["budget"] == [{"campaign_id": "scarce", "used": 3}]
    assert len(dump["award"]) == 3
