"""A service's own database from outside: copied, thrown away, put in another's place, slowed down, read. The service must not run meanwhile
where a database changes its name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from laurel_kit.postgres import Database
from tests.support.shop import Shop

T = TypeVar("T")


def name_of(shop: Shop, service: str) -> str:
    """What PostgreSQL calls the database of a service."""
    return urlsplit(shop.stack.database_url(service)).path.lstrip("/")


def owner_of(shop: Shop, service: str) -> str:
    """The role that owns it."""
    return urlsplit(shop.stack.database_url(service)).username or ""


def _with(url: str, work: Callable[[Any], Awaitable[T]]) -> T:
    async def connected() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def as_superuser(shop: Shop, *statements: str) -> None:
    """Run statements on the server, one by one."""

    async def run(connection: Any) -> None:
        for statement in statements:
            await connection.execute(statement)

    _with(shop.stack.superuser_url, run)


def as_owner(shop: Shop, service: str, *statements: str, suffix: str = "") -> list[Any]:
    """Run statements in the service's database, or in its copy of that suffix; the rows of the last one."""

    async def run(connection: Any) -> list[Any]:
        rows: list[Any] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows

    url = urlsplit(shop.stack.database_url(service))
    return _with(urlunsplit(url._replace(path=url.path + suffix)), run)


def back_up(shop: Shop, service: str) -> None:
    """A copy of the database as it is now. Nobody may be connected to it."""
    name, owner = name_of(shop, service), owner_of(shop, service)
    as_superuser(shop, f"CREATE DATABASE {name}_backup TEMPLATE {name} OWNER {owner}")


def restore(shop: Shop, service: str) -> None:
    """The copy takes the place of the database, which is gone."""
    name = name_of(shop, service)
    as_superuser(
        shop, f"DROP DATABASE {name} WITH (FORCE)", f"ALTER DATABASE {name}_backup RENAME TO {name}",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    )  # fmt: skip


def empty(shop: Shop, service: str) -> None:
    """A new database without anything takes its place."""
    name, owner = name_of(shop, service), owner_of(shop, service)
    as_superuser(
        shop, f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} OWNER {owner}",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    )  # fmt: skip


def canonical_dump(shop: Shop, service: str) -> dict[str, list[dict[str, Any]]]:
    """All that the service has decided, in one order (its own store/dump.py)."""

    async def dump() -> dict[str, list[dict[str, Any]]]:
        database = Database(shop.stack.database_url(service), application_name="the test", pool_size=1)
        try:
            async with database.reading(pool_wait_seconds=30.0) as tx:
                package = service.replace("-", "_")
                found: dict[str, list[dict[str, Any]]] = await import_module(f"{package}.store.dump").canonical_dump(tx)
                return found
        finally:
            await database.close()

    return asyncio.run(dump())


SLOW = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$
"""


def slow_down(shop: Shop, service: str, seconds: float) -> int:
    """Every statement that writes into any table of the service takes so much longer; how many tables there are."""
    tables = [row["tablename"] for row in as_owner(shop, service, TABLES)]
    statements = [
        f"CREATE TRIGGER slowly AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION slowly()"
        for table in tables
    ]
    as_owner(shop, service, SLOW.format(seconds=seconds), *statements)
    return len(tables)


def speed_up(shop: Shop, service: str) -> None:
    """As fast as before."""
    as_owner(
        shop,
        service,
        "CREATE OR REPLACE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    )


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
