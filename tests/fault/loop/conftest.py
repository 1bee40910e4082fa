"""One PostgreSQL and one Kafka for the whole package; every test has an empty database and empty topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit import sql
from laurel_kit.migrate import upgrade
from laurel_kit.postgres import Database
from points_svc.main import migrations
from tests.fault.loop.observer import watch_cursors
from tests.fault.loop.points import TOPICS, Points
from tests.integration.kit.toy import GROUP, TABLE
from tests.integration.kit.toy_kafka import fresh_topics


@pytest.fixture(scope="session", autouse=True)
def logs_as_in_a_service() -> None:
    """The console renderer shows a thousand records of local variables in a traceback; no service does, and time is measured here."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=False,
    )


@pytest.fixture(scope="session")
def engines() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres", "kafka")) as stack:
        yield stack


@pytest.fixture
async def database_url(engines: Stack) -> str:
    """An empty database with the kit's tables, the toy's, and the observer."""
    url = engines.fresh_database()
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        for statement in (*sql.TABLES, *sql.DEAD_LETTER_ACTIONS, TABLE):
            await connection.execute(text(statement))
    await engine.dispose()
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application_name=GROUP)
    await watch_cursors(database)
    yield database
    await database.close()


@pytest.fixture
async def bootstrap(engines: Stack) -> str:
    """A broker with empty topics for the toy."""
    await fresh_topics(engines.kafka_bootstrap)
    return engines.kafka_bootstrap


@pytest.fixture
async def points_url(engines: Stack) -> str:
    url = engines.fresh_database()
    await upgrade(url, migrations())
    return url


@pytest.fixture
async def points(engines: Stack, points_url: str) -> AsyncIterator[Points]:
    """points-svc's own books and loop on an empty database and empty topics."""
    await fresh_topics(engines.kafka_bootstrap, TOPICS)
    points = Points(points_url, engines.kafka_bootstrap)
    await points.open()
    yield points
    await points.close()
