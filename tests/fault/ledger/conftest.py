"""One PostgreSQL for the catalogue of the ledger; empty books for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit.migrate import upgrade
from points_svc.main import migrations
from tests.integration.points_svc.books import Books


@pytest.fixture(scope="session")
def ledger_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture
async def books(ledger_postgres: Stack) -> AsyncIterator[Books]:
    url = ledger_postgres.fresh_database()
    await upgrade(url, migrations())
    opened = Books(url)
    yield opened
    await opened.database.close()
