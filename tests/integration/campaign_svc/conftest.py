"""One PostgreSQL for all tests of this folder, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from campaign_svc.main import migrations
from laurel_cli.stack import Stack, throwaway_stack
from laurel_contracts.programme import Programme
from laurel_kit.migrate import upgrade
from tests.integration.campaign_svc.world import NewWorld, World


@pytest.fixture(scope="session")
def campaign_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture
async def new_world(campaign_postgres: Stack) -> AsyncIterator[NewWorld]:
    """Makes worlds: an empty database each, with the reference programme unless told otherwise."""
    made: list[World] = []

    async def new(programme: Programme | None = None) -> World:
        url = campaign_postgres.fresh_database()
        await upgrade(url, migrations())
        world = World(url)
        made.append(world)
        await world.load(programme)
        return world

    yield new
    for world in made:
        await world.database.close()
