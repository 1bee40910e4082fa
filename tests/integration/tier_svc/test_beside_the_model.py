"""tier-svc with its database beside the independent model, after every batch: overrides, sanctions and their taking back, clubs, tasks,
requalification, grace, what is late, refunds, closed days, in histories made at random."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from tests.integration.tier_svc.neighbours import Neighbourhood
from tests.integration.tier_svc.world import World
from tests.support.emptied import Emptied
from tests.support.model_overlays import Overlaid

MEMBERS, STEPS = 3, 150  # of one neighbourhood: the model adds everything up anew each time
RECORDS_OF_A_BATCH = (1, 1, 1, 1, 1, 2, 5)


async def lived(databases: Emptied, seed: int, steps: int) -> tuple[list[str], list[Overlaid]]:
    """So many records of one neighbourhood in a database of its own; what differs, and the model's members."""
    around, url = Neighbourhood(seed, MEMBERS), await databases.take()
    world = World(url)
    try:
        await world.load(around.words)
        problems = await _compared(around, world, random.Random(seed), steps)
    finally:
        await world.database.close()
        await databases.give_back(url)
    return [f"seed {seed}, {each}" for each in problems], [person.standings for person in around.people]


async def _compared(around: Neighbourhood, world: World, chance: random.Random, steps: int) -> list[str]:
    """After each batch; what differs first."""
    done, told = 0, 0
    while told < steps:
        for _ in range(min(chance.choice(RECORDS_OF_A_BATCH), steps - told)):
            around.step()
            told += 1
        records = around.log.records[0]
        await world.applier.apply(records[done:])
        done = len(records)
        found = await around.by_the_service(world)
        for person in around.people:
            if person.standings.clock is not None:
                problems = _differences(around.by_the_model(person), found[person.id])
                if problems:
                    return [f"step {told}, {each}" for each in problems]
    return []


def _differences(model: dict[str, Any], service: dict[str, Any]) -> list[str]:
    return [f"{name}: model {model[name]}, tier-svc {service[name]}" for name in model if model[name] != service[name]]


@pytest.mark.parametrize(
    ("neighbourhoods", "steps"), [(2, 100), pytest.param(70, STEPS, marks=pytest.mark.long)], ids=["200", "10500"]
)
async def test_every_member_stands_where_the_model_says_after_every_batch(
    tier_databases: Emptied, neighbourhoods: int, steps: int
) -> None:
    """INVARIANT: what tier-svc keeps and says of a member is what domain.md makes of his stream, whatever lies on top of it or beside it.

    An override that is woken at the wrong clock, growth of a task that a refund forgets, or a club that goes on from a sum that
    something late has made wrong, would break it."""
    kinds: dict[str, int] = {}
    for seed in range(1, neighbourhoods + 1):
        problems, members = await lived(tier_databases, seed, steps)
        assert problems == []
        for fact in (fact for standings in members for fact in standings.facts):
            kinds[fact.kind] = kinds.get(fact.kind, 0) + 1
    sys.stderr.write(
        f"\nbeside the model: {neighbourhoods * steps:,} records, {sum(kinds.values()):,} facts, 0 differ: {kinds}\n"
    )
    assert {"raised", "kept", "overridden"} <= set(kinds)
