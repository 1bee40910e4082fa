"""Databases that are used again (tests/support/emptied.py) are as the migrations leave them; else tests would read each other's rows."""

from __future__ import annotations

import asyncpg

from laurel_cli.stack import Stack
from points_svc.main import migrations
from tests.integration.points_svc.books import Books
from tests.support.emptied import TABLES, Emptied
from tests.unit.points_svc.script import Script


async def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table."""
    connection = await asyncpg.connect(url)
    try:
        tables = [row[0] for row in await connection.fetch(TABLES)]
        return {table: sorted(map(str, await connection.fetch(f"SELECT * FROM {table}"))) for table in tables}
    finally:
        await connection.close()


async def test_a_database_is_empty_again_and_counts_from_one(points_postgres: Stack) -> None:
    databases = Emptied(points_postgres, migrations())
    first = await databases.take()
    fresh = await contents(first)
    seen = []
    for _ in range(2):
        books, script = Books(first), Script()
        script.register()
        script.buy(10000)
        await books.play(script)
        seen.append(await books.dump())
        await books.database.close()
        assert await contents(first) != fresh
        await databases.give_back(first)
        assert await contents(first) == fresh
        assert await databases.take() == first
    assert seen[0] == seen[1]


async def test_a_database_whose_schema_a_test_has_changed_is_not_used_again(points_postgres: Stack) -> None:
    databases = Emptied(points_postgres, migrations())
    first = await databases.take()
    connection = await asyncpg.connect(first)
    await connection.execute("ALTER TABLE transfer DISABLE TRIGGER ledger_only_grows")
    await connection.close()
    await databases.give_back(first)
    assert await databases.take() != first
