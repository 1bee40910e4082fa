"""One PostgreSQL for all tests of this folder, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from campaign_svc.main import migrations
from laurel_cli.stack import Stack, throwaway_stack
from laurel_contracts.programme import Programme
from tests.integration.campaign_svc.world import NewWorld, World
from tests.support.emptied import Emptied


@pytest.fixture(scope="session")
def campaign_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture(scope="session")
def campaign_databases(campaign_postgres: Stack) -> Emptied:
    return Emptied(campaign_postgres, migrations())


@pytest.fixture
async def new_world(campaign_databases: Emptied) -> AsyncIterator[NewWorld]:
    """Makes worlds: an empty database each, with the reference programme unless told otherwise."""
    made: dict[str, World] = {}

    async def new(programme: Programme | None = None) -> World:
        url = await campaign_databases.take()
        world = made[url] = World(url)
        await world.load(programme)
        return world

    yield new
    for url, world in made.items():
        await world.database.close()
        await campaign_databases.give_back(url)
