"""A real PostgreSQL (and, where asked for, a real Kafka) for the kit's tests; every test gets an empty database with the kit's tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit import sql
from laurel_kit.postgres import Database

from .toy import GROUP, TABLE


@pytest.fixture(scope="session")
def postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka() -> Iterator[Stack]:
    with throwaway_stack(only=("kafka",)) as stack:
        yield stack


@pytest.fixture
async def database_url(postgres: Stack) -> str:
    url = postgres.fresh_database()
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        for statement in (*sql.TABLES, *sql.DEAD_LETTER_ACTIONS, TABLE):
            await connection.execute(text(statement))
    await engine.dispose()
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application_name=GROUP)
    yield database
    await database.close()
