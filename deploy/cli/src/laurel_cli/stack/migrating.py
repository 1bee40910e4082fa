"""Tables are made by who owns them, before a service starts as a login that owns nothing. The one thing not to break: nothing is done where
nothing is to be done, because services are started again by the dozen while they are being killed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import asyncpg

from laurel_kit import migrate

from . import databases
from .blocking import wait_for
from .databases import Owned
from .errors import StackError


def make_tables(server_url: str, wanted: dict[str, Owned]) -> None:
    """For each package its tables, at their newest revision, with what its login may do."""
    try:
        wait_for(_all(server_url, wanted))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise StackError(f"cannot make the tables on {databases.without_password(server_url)}: {error}") from error


async def _all(server_url: str, wanted: dict[str, Owned]) -> None:
    # One after another: of Alembic's context there is one per process.
    for package, owned in wanted.items():
        await _one(server_url, package, owned)


async def _one(server_url: str, package: str, owned: Owned) -> None:
    folder = migrations_of(package)
    if folder is None or owned.login is None:
        return
    if not await _is_done(databases.login_url_for(server_url, owned), folder):
        await migrate.upgrade(databases.url_for(server_url, owned), folder, hand_to=owned.login)


def migrations_of(package: str) -> Path | None:
    """The revisions of a service: inside a wheel, or beside `src` in a checkout; None: it has none."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    inside = Path(next(iter(spec.submodule_search_locations)))
    return next((found for found in (inside / "migrations", inside.parents[1] / "migrations") if found.is_dir()), None)


async def _is_done(login_url: str, folder: Path) -> bool:
    """Whether the login can enter and the newest revision is there for it: it was given its rights behind that one."""
    try:
        connection = await asyncpg.connect(login_url, timeout=databases.CONNECT_LIMIT_SECONDS)
    except asyncpg.InsufficientPrivilegeError:
        return False
    try:
        return bool(await connection.fetchval("SELECT version_num FROM alembic_version") == migrate.head(folder))
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return False
    finally:
        await connection.close()
