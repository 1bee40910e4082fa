"""One PostgreSQL for the tests of the ledger, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from points_svc.main import migrations
from tests.integration.points_svc.books import Books
from tests.support.emptied import Emptied

NewBooks = Callable[[], Awaitable[Books]]


@pytest.fixture(scope="session")
def ledger_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture(scope="session")
def ledger_databases(ledger_postgres: Stack) -> Emptied:
    return Emptied(ledger_postgres, migrations())


@pytest.fixture
async def new_books(ledger_databases: Emptied) -> AsyncIterator[NewBooks]:
    """Opens books: an empty database each."""
    opened: dict[str, Books] = {}

    async def new() -> Books:
        url = await ledger_databases.take()
        opened[url] = Books(url)
        return opened[url]

    yield new
    for url, books in opened.items():
        await books.database.close()
        await ledger_databases.give_back(url)


@pytest.fixture
async def books(new_books: NewBooks) -> Books:
    return await new_books()
