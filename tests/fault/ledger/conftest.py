"""One PostgreSQL for the tests of the ledger, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_kit.migrate import upgrade
from points_svc.main import migrations
from tests.integration.points_svc.books import Books

NewBooks = Callable[[], Awaitable[Books]]


@pytest.fixture(scope="session")
def ledger_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture
async def new_books(ledger_postgres: Stack) -> AsyncIterator[NewBooks]:
    """Opens books: an empty database each."""
    opened: list[Books] = []

    async def new() -> Books:
        url = ledger_postgres.fresh_database()
        await upgrade(url, migrations())
        opened.append(Books(url))
        return opened[-1]

    yield new
    for books in opened:
        await books.database.close()


@pytest.fixture
async def books(new_books: NewBooks) -> Books:
    return await new_books()
