"""One PostgreSQL and two migrated databases for all tests of this folder, emptied before each: making and dropping a database per test
costs more than the tests."""

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


@pytest.fixture(scope="session")
async def database_url(member_postgres: Stack) -> str:
    return await migrated(member_postgres)


@pytest.fixture(scope="session")
async def second_database_url(member_postgres: Stack) -> str:
    return await migrated(member_postgres)


@pytest.fixture
async def bare_world(database_url: str) -> AsyncIterator[World]:
    """No programme is in force yet."""
    async for world in empty(database_url):
        yield world


@pytest.fixture
async def restored(second_database_url: str) -> AsyncIterator[World]:
    """Another database, for what was lost in the first."""
    async for world in empty(second_database_url):
        yield world


@pytest.fixture
async def world(bare_world: World) -> World:
    """The reference programme is in force, in USD and America/New_York."""
    await bare_world.put_in_force()
    return bare_world


async def migrated(stack: Stack) -> str:
    url = stack.fresh_database()
    await upgrade(url, migrations())
    return url


async def empty(url: str) -> AsyncIterator[World]:
    """An empty database, closed at the end."""
    world = World(url)
    await world.clear()
    yield world
    await world.database.close()
