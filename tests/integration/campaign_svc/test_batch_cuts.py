"""The result must not depend on where a batch is cut, nor on when tier-svc's facts arrive (architecture.md 2)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from campaign_svc.domain.standings import Member, Standing
from tests.fault.report import record
from tests.integration.campaign_svc.histories import history
from tests.integration.campaign_svc.world import NewWorld
from tests.unit.campaign_svc.programmes import campaign, leaf, reference_document, with_campaigns

TWO_ITEMS: list[dict[str, Any]] = [{"kind": "points", "points": 7}, {"kind": "coupon", "coupon": "f"}]
PROGRAMME = with_campaigns(
    *reference_document()["campaigns"],
    campaign("fruit", leaf("category_left_minor(c1)", ">=", 4_000), what=TWO_ITEMS),
    campaign("app", leaf("channel", "==", "app"), when="laurel.member.signed-in.v1", limits={"per_member_and_tier": 1}),
    campaign("scarce", {"all": [leaf("order_left_minor", ">", 0), leaf("orders_count", ">=", 2)]}, limits={"budget": 20, "per_member": 2}),
)  # fmt: skip


@pytest.mark.fault
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_log_gives_the_same_books_however_it_is_cut(new_world: NewWorld, seed: int) -> None:
    """T-K18: campaign-svc. What would break it: a limit or a budget counted per batch."""
    log = history(members=20, events=300, seed=seed)
    chance = random.Random(seed)
    cuts = {
        "1": [1],
        "7": [7],
        "100": [100],
        "1000": [1_000],
        "random": [chance.randint(1, 60) for _ in range(200)],
    }
    dumps, saids = {}, {}
    for name, sizes in cuts.items():
        world = await new_world(PROGRAMME)
        await world.drink(log, sizes, seed=seed)
        dumps[name], saids[name] = await world.dump(), sorted(await world.said(), key=lambda row: row.event_id)
    differing = [name for name in cuts if (dumps[name], saids[name]) != (dumps["1"], saids["1"])]
    figure = f"campaign-svc, 300 activities, cuts {', '.join(cuts)}: {len(differing)} differ"
    record("T-K18", figure, "identical state", not differing, seed=seed)
    for name in cuts:
        assert dumps[name] == dumps["1"], f"cut {name} differs"
        assert saids[name] == saids["1"], f"cut {name} says something else"
    assert len(dumps["1"]["award"]) > 100
    assert any(row["back_number"] for row in dumps["1"]["award"])
    assert dumps["1"]["budget"] == [{"campaign_id": "scarce", "used": 20}]
    assert len(dumps["1"]["emptied"]) == 1


@pytest.mark.parametrize("seed", [3, 4, 5])
async def test_decisions_do_not_depend_on_when_standings_arrive(new_world: NewWorld, seed: int) -> None:
    programme = with_campaigns(*reference_document()["campaigns"])
    log = history(members=10, events=200, seed=seed, partitions=3)
    dumps = []
    for tiers_first, size, shuffle in [
        (True, 10_000, None),
        (True, 9, None),
        (False, 7, None),
        (False, 50, None),
        (True, 11, seed),
    ]:
        world = await new_world(programme)
        await world.drink(log, [size], tiers_first=tiers_first, seed=shuffle)
        dumps.append(await world.dump())
    assert all(dump == dumps[0] for dump in dumps)


async def test_a_decision_by_the_latest_standing_would_be_caught(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: with the mistake that architecture.md warns of, it does."""

    def by_the_latest(member: Member) -> list[Standing]:
        for standing in member.ahead:
            member.tier, member.ordinal = standing.effective_to, standing.ordinal
        return honest(member)

    honest = Member.passed
    monkeypatch.setattr(Member, "passed", by_the_latest)
    log = history(members=10, events=200, seed=3)
    dumps = []
    for tiers_first in (True, False):
        world = await new_world()
        await world.drink(log, [7], tiers_first=tiers_first)
        dumps.append((await world.dump())["award"])
    assert dumps[0] != dumps[1]


async def test_what_is_heard_twice_changes_nothing(new_world: NewWorld) -> None:
    log = history(members=5, events=60, seed=6)
    world = await new_world()
    await world.drink(log, [10])
    before, said = await world.dump(), await world.said()
    await world.forget_position()
    await world.drink(log, [13])
    assert await world.dump() == before
    assert await world.said() == said
