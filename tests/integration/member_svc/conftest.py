"""One PostgreSQL for all tests of this folder, an empty migrated database with the programme in force for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit.migrate import upgrade
from member_svc.main import migrations
from tests.integration.member_svc.world import World


@pytest.fixture(scope="session")
def member_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture
async def bare_world(member_postgres: Stack) -> AsyncIterator[World]:
    """No programme is in force yet."""
    url = member_postgres.fresh_database()
    await upgrade(url, migrations())
    world = World(url)
    yield world
    await world.database.close()


@pytest.fixture
async def world(bare_world: World) -> World:
    """The reference programme is in force, in USD and America/New_York."""
    await bare_world.put_in_force()
    return bare_world
