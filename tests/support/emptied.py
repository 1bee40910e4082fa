"""Migrated databases that are used again: emptying one costs some milliseconds, making and dropping one half a second. The one thing not to
break: a test finds what a migration leaves and nothing else; a database whose schema a test has changed is not used again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from laurel_cli.stack import Stack
from laurel_kit.migrate import upgrade

LOCK_WAIT = "5s"  # a test that has left a session behind

TABLES = """
SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
# What a test may have done to the schema: switched a trigger off, given or taken a right, added or dropped something.
SHAPE = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
  SELECT format('%s %s %s %s', c.relname, c.relkind, replace(c.relacl::text, pg_get_userbyid(c.relowner), 'owner'), c.relnatts) AS line
  FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s %s', t.tgrelid::regclass, t.tgname, t.tgenabled) FROM pg_trigger t WHERE NOT t.tgisinternal
  UNION ALL SELECT format('%s %s', o.conrelid::regclass, pg_get_constraintdef(o.oid)) FROM pg_constraint o
            WHERE o.connamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s', p.proname, md5(p.prosrc)) FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
) AS lines
"""
# Triggers do not fire: the ledger refuses to be emptied, and here it must be.
EMPTY = """
DO $$
DECLARE place regclass;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR place IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('DELETE FROM %s', place);
  END LOOP;
  FOR place IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' LOOP
    EXECUTE format('ALTER SEQUENCE %s RESTART', place);
  END LOOP;
END $$
"""


@dataclass
class Emptied:
    """Databases of one PostgreSQL, migrated to the newest revision of one service."""

    stack: Stack
    migrations: Path
    _free: list[str] = field(default_factory=list)
    _shape: str = ""
    _kept: dict[str, str] = field(default_factory=dict)

    async def take(self) -> str:
        """The owner's DSN of a database as the migrations leave it."""
        if self._free:
            return self._free.pop()
        url = self.stack.fresh_database()
        await upgrade(url, self.migrations)
        if not self._shape:
            connection = await self._enter(url)
            try:
                self._shape = await connection.fetchval(SHAPE)
                for (table,) in await connection.fetch(TABLES):
                    rows = await connection.fetchval(f"SELECT json_agg(t)::text FROM {table} t")
                    if rows is not None:
                        self._kept[table] = rows
            finally:
                await connection.close()
        return url

    async def give_back(self, url: str) -> None:
        """Empty it for the next test, unless its schema is not what it was."""
        connection = await self._enter(url)
        try:
            if await connection.fetchval(SHAPE) != self._shape:
                return
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                await connection.execute(EMPTY)
                for table, rows in self._kept.items():
                    await connection.execute(
                        f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::{table}, $1::json)",
                        rows,
                    )
        except asyncpg.LockNotAvailableError:
            return
        finally:
            await connection.close()
        self._free.append(url)

    async def _enter(self, url: str) -> asyncpg.Connection:
        """As the superuser, past triggers and rights."""
        there = urlsplit(self.stack.superuser_url)
        return await asyncpg.connect(urlunsplit(there._replace(path=urlsplit(url).path)))
