"""Migrations: Alembic, forward only, run at the start of a service under a lock. The one thing not to break: a migration that waits for
a lock gives up and tries again, instead of queueing everybody else behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from laurel_kit import sql
from laurel_kit.failures import CONTENTION_STATES, sqlstate_of

ADVISORY_LOCK = 0x1A0E1001  # any number, the same for all processes of a service
LOCK_TIMEOUT = "3s"
ATTEMPTS_MAX = 5
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Operations(Protocol):
    """The part of Alembic's `op` that the kit needs."""

    def execute(self, sqltext: Any) -> None: ...


def kit_tables(op: Operations) -> None:
    """Create the kit's tables; every service's first migration calls this."""
    for statement in sql.TABLES:
        op.execute(statement)


def dead_letter_actions(op: Operations) -> None:
    """Keep what people do about dead letters; every service's second migration calls this."""
    for statement in sql.DEAD_LETTER_ACTIONS:
        op.execute(statement)


def _script(folder: Path) -> ScriptDirectory:
    versions = folder / "versions"
    return ScriptDirectory(str(folder), version_locations=[str(versions if versions.is_dir() else folder)])


def head(folder: Path) -> str | None:
    """The newest revision in the folder."""
    return _script(folder).get_current_head()


def _upgrade(connection: Connection, folder: Path) -> None:
    script = _script(folder)

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.commit()
    try:
        with EnvironmentContext(Config(), script, fn=steps, destination_rev="head") as environment:
            environment.configure(connection=connection)
            with environment.begin_transaction():
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                environment.run_migrations()
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


async def upgrade(database_url: str, folder: Path | str) -> None:
    """Bring the database to the newest revision. The folder holds the revision files (or a folder `versions` with them)."""
    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"), pool_size=1)
    try:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(_upgrade, Path(folder))
            except Exception as error:
                if sqlstate_of(error) not in CONTENTION_STATES or attempt == ATTEMPTS_MAX:
                    raise
                log.warning("a migration waits for a lock", attempt=attempt)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
    finally:
        await engine.dispose()
