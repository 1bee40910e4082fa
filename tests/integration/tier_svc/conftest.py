"""One PostgreSQL for all tests of this folder, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from tests.integration.tier_svc.world import NewWorld, World
from tests.support.emptied import Emptied
from tier_svc.main import migrations


@pytest.fixture(scope="session")
def tier_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture(scope="session")
def tier_databases(tier_postgres: Stack) -> Emptied:
    return Emptied(tier_postgres, migrations())


@pytest.fixture
async def new_world(tier_databases: Emptied) -> AsyncIterator[NewWorld]:
    """Makes worlds: an empty database each, with some programme documents loaded (the short one unless told otherwise)."""
    made: dict[str, World] = {}

    async def new(*documents: dict[str, Any]) -> World:
        url = await tier_databases.take()
        world = made[url] = World(url)
        await world.load(*documents)
        return world

    yield new
    for url, world in made.items():
        await world.database.close()
        await tier_databases.give_back(url)
