"""A service runs as a login that owns nothing: it may do what a service does, and cannot take more (reliability.md, T-A08)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_cli.stack.migrating import make_tables
from laurel_cli.stack.services import SERVICES

OWNED = """
SELECT (SELECT count(*) FROM pg_class WHERE relowner = r.oid) + (SELECT count(*) FROM pg_database WHERE datdba = r.oid)
     + (SELECT count(*) FROM pg_proc WHERE proowner = r.oid) + (SELECT count(*) FROM pg_namespace WHERE nspowner = r.oid)
     + (SELECT count(*) FROM pg_auth_members WHERE member = r.oid)
FROM pg_roles r WHERE rolname = current_user
"""
TABLES = """
SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""
# On every table of every service; what an owner could do, and with which he could give himself more.
TO_TAKE = (
    "ALTER TABLE {0} DISABLE TRIGGER ALL",
    "ALTER TABLE {0} ADD COLUMN mine integer",
    "ALTER TABLE {0} OWNER TO CURRENT_USER",
    "DROP TABLE {0}",
    "TRUNCATE {0}",
    "CREATE TRIGGER mine AFTER INSERT ON {0} FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger()",
)
TO_MAKE = (
    "CREATE TABLE mine ()",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "SET session_replication_role = replica",
    "UPDATE alembic_version SET version_num = version_num",
    "SET ROLE {role}",
    "GRANT {role} TO CURRENT_USER",
)
ONLY_GROW = {"points-svc": {"transfer": "amount", "seal": "at", "sealed": "digests", "wallet": "currency"}}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as made:
        made._make_tables(SERVICES)
        yield made


async def _with(url: str, work: Callable[[Any], Any]) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await work(connection)
    finally:
        await connection.close()


async def _allowed(connection: Any, statements: list[str]) -> list[str]:
    """What was not refused for want of a right; nothing of it stays."""
    allowed = []
    for statement in statements:
        try:
            async with connection.transaction():
                await connection.execute(statement)
                allowed.append(statement)
                raise asyncpg.RaiseError("undo it")
        except asyncpg.InsufficientPrivilegeError:
            continue
        except asyncpg.PostgresError as error:
            if statement not in allowed:
                allowed.append(f"{statement}: {error}")
    return allowed


@pytest.mark.parametrize("name", SERVICES)
async def test_a_login_owns_nothing_and_can_take_nothing(stack: Stack, name: str) -> None:
    """INVARIANT: whoever has the service's password can neither alter nor own anything, nor give himself the right to, nor undo what only
    grows. A table made by the service itself, a membership in the owner's role or a GRANT of everything would break it."""
    role = SERVICES[name].role

    async def attempts(connection: Any) -> None:
        assert await connection.fetchval("SELECT current_user") == SERVICES[name].login
        assert await connection.fetchval(OWNED) == 0
        tables = [row[0] for row in await connection.fetch(TABLES)]
        assert len(tables) > 10
        tried = [statement.format(table) for table in tables for statement in TO_TAKE]
        tried += [statement.format(role=role) for statement in TO_MAKE]
        past = ONLY_GROW.get(name, {})
        tried += [f"DELETE FROM {table}" for table in past]
        tried += [f"UPDATE {table} SET {column} = {column}" for table, column in past.items()]
        tried += [f"GRANT UPDATE ON {table} TO CURRENT_USER" for table in past]
        allowed = await _allowed(connection, tried)
        # To grant what one may not grant is a warning in PostgreSQL, and changes nothing.
        assert [one for one in allowed if not one.startswith("GRANT UPDATE")] == []
        for table in past:
            assert await connection.fetchval("SELECT has_table_privilege($1, 'INSERT')", table)
            assert not await connection.fetchval("SELECT has_table_privilege($1, 'UPDATE, DELETE, TRUNCATE')", table)

    await _with(stack.login_url(name), attempts)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_login_may_do_what_its_service_does_and_enters_no_neighbours_database(stack: Stack, name: str) -> None:
    """The control: a login that may do nothing would be denied everything too."""

    async def works(connection: Any) -> int:
        async with connection.transaction():
            await connection.execute("INSERT INTO consumer_cursor VALUES ('g', 'activities', 1, 0)")
            await connection.execute("UPDATE consumer_cursor SET next_offset = 7 WHERE grp = 'g'")
            moved: int = await connection.fetchval("DELETE FROM consumer_cursor WHERE grp = 'g' RETURNING next_offset")
        return moved

    assert await _with(stack.login_url(name), works) == 7
    for other in {service.database for service in SERVICES.values()} - {SERVICES[name].database}:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(f"{stack.login_url(name).rpartition('/')[0]}/{other}")


async def test_what_was_made_before_there_was_a_login_is_handed_over_and_nothing_is_done_twice(stack: Stack) -> None:
    """A stack of an earlier release: the owner's tables are there, the login is new. And where all is done, nothing is tried: the owner's
    password is wrong then, and nobody notices."""
    name = "tier-svc"
    login, owned = SERVICES[name].login, stack._owned(name)

    async def take_away(connection: Any) -> None:
        await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {login}")
        await connection.execute(f"REVOKE CONNECT ON DATABASE {SERVICES[name].database} FROM {login}")

    await _with(stack.database_url(name), take_away)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stack.login_url(name))
    stack._make_tables([name])
    assert (
        await _with(stack.login_url(name), lambda connection: connection.fetchval("SELECT count(*) FROM member")) == 0
    )
    wrong = type(owned)(owned.database, owned.role, "wrong", owned.login, owned.login_password)
    make_tables(stack.superuser_url, {SERVICES[name].package: wrong})


def test_a_container_makes_the_tables_and_ends(stack: Stack) -> None:
    """`python -m tier_svc --only migrations`, as the compose file calls it; without the owner it says so and fails."""
    settings = {
        "LAUREL_SERVICE_PORT": "8000", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "LAUREL_DATABASE_URL": stack.login_url("tier-svc"), "LAUREL_OWNER_DATABASE_URL": stack.database_url("tier-svc"),
    }  # fmt: skip
    command = [sys.executable, "-m", "tier_svc", "--only", "migrations"]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    settings["LAUREL_OWNER_DATABASE_URL"] = ""
    failed = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "LAUREL_OWNER_DATABASE_URL" in failed.stdout + failed.stderr
