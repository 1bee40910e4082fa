"""Migrations: Alembic, forward only, run under a lock by who owns the tables; the login of the service is given what it may do there. The
one thing not to break: a migration that waits for a lock gives up and tries again, instead of queueing everybody else behind it."""

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

# What the service's own login may do: all that a service does, with every table on which the owner has kept that right himself. What only
# grows has been taken from the owner too, so no list is needed here. All at once: nobody sees a moment without rights.
HAND_TO = """
DO $hand_to$
DECLARE
  login text := current_setting('laurel.login');
  place record;
  may text;
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), login);
  EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', login);
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', login);
  FOR place IN SELECT oid, oid::regclass AS name, relname FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY oid LOOP
    EXECUTE format('GRANT SELECT ON %s TO %I', place.name, login);
    FOREACH may IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
      IF place.relname <> 'alembic_version' AND has_table_privilege(place.oid, may) THEN
        EXECUTE format('GRANT %s ON %s TO %I', may, place.name, login);
      END IF;
    END LOOP;
  END LOOP;
END $hand_to$
"""

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


def _is_current(connection: Connection, folder: Path) -> bool:
    """Whether nothing is to be done: so that a login that owns nothing need not try."""
    if connection.execute(text("SELECT to_regclass('public.alembic_version')")).scalar() is None:
        return False
    return bool(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == head(folder))


def _upgrade(connection: Connection, folder: Path, hand_to: str | None) -> None:
    if hand_to is None and _is_current(connection, folder):
        connection.rollback()
        return
    connection.rollback()
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
                if hand_to is not None:
                    # In the same transaction: the newest revision is never there without the rights that go with it.
                    connection.execute(text("SELECT set_config('laurel.login', :login, true)"), {"login": hand_to})
                    connection.exec_driver_sql(HAND_TO)
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


async def upgrade(database_url: str, folder: Path | str, *, hand_to: str | None = None) -> None:
    """Bring the database to the newest revision. The folder holds the revision files (or a folder `versions` with them). `hand_to`: the
    service's own login, which owns nothing and is given what a service does."""
    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"), pool_size=1)
    try:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(_upgrade, Path(folder), hand_to)
            except Exception as error:
                if sqlstate_of(error) not in CONTENTION_STATES or attempt == ATTEMPTS_MAX:
                    raise
                log.warning("a migration waits for a lock", attempt=attempt)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
    finally:
        await engine.dispose()
