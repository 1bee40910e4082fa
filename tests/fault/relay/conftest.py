"""One PostgreSQL and one Kafka for this folder; every test gets an empty database with the toy's tables, and empty topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit import migrate
from tests.integration.kit import toy
from tests.integration.kit.toy_kafka import fresh_topics

MIGRATIONS = Path(toy.__file__).parent / "toy_migrations"


@pytest.fixture(scope="session")
def ground() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres", "kafka")) as stack:
        yield stack


@pytest.fixture
async def database_url(ground: Stack) -> str:
    url = ground.fresh_database()
    await migrate.upgrade(url, MIGRATIONS)
    return url


@pytest.fixture
async def bootstrap(ground: Stack) -> str:
    await fresh_topics(ground.kafka_bootstrap)
    return ground.kafka_bootstrap
