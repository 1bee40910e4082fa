"""The four databases, each with its owner and the login of its service, which owns nothing; also what tests need: a fresh database in a
moment."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from .blocking import wait_for
from .errors import StackError

# A server on loopback answers in milliseconds, one elsewhere may take a few seconds.
CONNECT_LIMIT_SECONDS = 10.0


@dataclass(frozen=True)
class Owned:
    """A database and the role that owns it. Beside it only `login` may connect, which owns nothing; None: there is none."""

    database: str
    role: str
    password: str
    login: str | None = None
    login_password: str = ""


def answers(url: str) -> bool:
    """True when the server accepts a session and a query now. Raises StackError where it is somebody else's."""
    return wait_for(_answers(url))


def ensure(url: str, wanted: list[Owned]) -> None:
    """Make roles and databases that are missing, set the passwords, close every database to everybody else. What a login may do in a
    database is given to it when its tables are made (migrating.py)."""
    try:
        wait_for(_ensure(url, wanted))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise StackError(f"cannot make the databases on {without_password(url)}: {error}") from error


def close_to_everybody(url: str, databases: list[str]) -> None:
    """Take CONNECT from PUBLIC, so that only owners and the superuser may enter."""
    wait_for(_execute(url, [f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC" for name in databases]))


def fresh(url: str) -> str:
    """Make an empty database with an owner of its own; the owner's DSN. For tests."""
    name = f"t_{secrets.token_hex(6)}"
    owned = Owned(database=name, role=name, password=secrets.token_urlsafe(16))
    ensure(url, [owned])
    return url_for(url, owned)


def url_for(server_url: str, owned: Owned) -> str:
    """The DSN of an owner on the server of `server_url`, with the same options."""
    parts = urlsplit(server_url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(owned.role, safe='')}:{quote(owned.password, safe='')}"
    return urlunsplit((parts.scheme, f"{login}@{address}", f"/{owned.database}", parts.query, ""))


def login_url_for(server_url: str, owned: Owned) -> str:
    """The DSN of the login that owns nothing; where there is none, the owner's."""
    if owned.login is None:
        return url_for(server_url, owned)
    return url_for(server_url, Owned(owned.database, owned.login, owned.login_password))


def without_password(url: str) -> str:
    """A DSN that may be shown."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_LIMIT_SECONDS)
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError, TimeoutError):
        return False
    except asyncpg.InvalidPasswordError as error:
        raise StackError(
            f"{without_password(url)} is answered by a server with another password: another stack took the port, or the "
            "secrets of this one are lost. Stop the other, or move this stack with --port-base (or LAUREL_PORT_BASE)."
        ) from error
    await connection.close()
    return True


async def _execute(url: str, statements: list[str]) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_LIMIT_SECONDS)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _ensure(url: str, wanted: list[Owned]) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_LIMIT_SECONDS)
    try:
        for owned in wanted:
            await _ensure_one(connection, owned)
    finally:
        await connection.close()


async def _ensure_one(connection: Any, owned: Owned) -> None:
    role, database = _quoted(owned.role), _quoted(owned.database)
    await _ensure_role(connection, owned.role, owned.password)
    if owned.login is not None:
        await _ensure_role(connection, owned.login, owned.login_password)
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await connection.execute(f"GRANT {role} TO CURRENT_USER")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", owned.database):
        await connection.execute(f"CREATE DATABASE {database} OWNER {role}")
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")


async def _ensure_role(connection: Any, role: str, password: str) -> None:
    verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role) else "CREATE"
    await connection.execute(f"{verb} ROLE {_quoted(role)} LOGIN PASSWORD {_literal(password)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
