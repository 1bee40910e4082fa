"""One PostgreSQL for all tests of this folder, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit.migrate import upgrade
from tests.integration.tier_svc.world import NewWorld, World
from tier_svc.main import migrations


@pytest.fixture(scope="session")
def tier_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture
async def new_world(tier_postgres: Stack) -> AsyncIterator[NewWorld]:
    """Makes worlds: an empty database each, with some programme documents loaded (the short one unless told otherwise)."""
    made: list[World] = []

    async def new(*documents: dict[str, Any]) -> World:
        url = tier_postgres.fresh_database()
        await upgrade(url, migrations())
        world = World(url)
        made.append(world)
        await world.load(*documents)
        return world

    yield new
    for world in made:
        await world.database.close()
