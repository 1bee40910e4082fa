"""One PostgreSQL for all tests of this folder, an empty migrated database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from points_svc.main import migrations
from tests.integration.points_svc.books import Books, activated
from tests.integration.points_svc.till import Checkout, open_checkout
from tests.support.emptied import Emptied
from tests.unit.points_svc.script import Script


@pytest.fixture(scope="session")
def points_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture(scope="session")
def points_databases(points_postgres: Stack) -> Emptied:
    return Emptied(points_postgres, migrations())


@pytest.fixture
async def new_books(points_databases: Emptied) -> AsyncIterator[Callable[[], object]]:
    """Opens books: an empty database each."""
    opened: dict[str, Books] = {}

    async def new() -> Books:
        url = await points_databases.take()
        opened[url] = Books(url)
        return opened[url]

    yield new
    for url, books in opened.items():
        await books.database.close()
        await points_databases.give_back(url)


@pytest.fixture
async def books(new_books: Callable[[], object]) -> Books:
    return await new_books()  # type: ignore[no-any-return, misc]


@pytest.fixture
async def till(books: Books) -> AsyncIterator[Checkout]:
    """A member with 100 points, and a checkout."""
    async with open_checkout(books) as checkout:
        script = Script()
        script.register()
        script.buy(10000)
        await books.play(script)
        checkout.clock.at = script.now
        yield checkout
        assert await books.broken() == {}


@pytest.fixture
async def shop(till: Checkout, books: Books) -> Checkout:
    """The same member where a programme is in force."""
    await books.apply([activated()])
    return till
