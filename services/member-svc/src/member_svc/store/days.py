"""Closed days and import leases. The one thing not to break: whether an import runs is looked at under the calendar's lock, which whoever
begins an import takes too, so no day closes while history comes in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction

CALENDAR = 0x1A0E2002  # any number: the advisory lock of the calendar

CALENDAR_LOCK = text("SELECT pg_advisory_xact_lock(:calendar)")

DAY_INSERT = text("""
INSERT INTO day_closing (as_of, local_day, version, closed_at) VALUES (:as_of, :local_day, :version, :closed_at)
ON CONFLICT DO NOTHING
""")

DAY_LATEST = text("SELECT max(as_of) FROM day_closing")

DAYS_READ = text("""
SELECT as_of, local_day, version, closed_at, position FROM day_closing ORDER BY as_of DESC LIMIT :limit
""")

DAYS_LOG = text("SELECT as_of, local_day, version, closed_at, position FROM day_closing ORDER BY position")

# Leases go by the database's clock, which is the machine's own.
LEASE_INSERT = text("""
INSERT INTO import_lease (name, ttl_seconds, alive_until)
VALUES (:name, CAST(:ttl_seconds AS integer), clock_timestamp() + make_interval(secs => CAST(:ttl_seconds AS integer)))
RETURNING lease_id, alive_until
""")

LEASE_RENEW = text("""
UPDATE import_lease SET alive_until = clock_timestamp() + make_interval(secs => ttl_seconds)
WHERE lease_id = :lease_id AND alive_until > clock_timestamp()
RETURNING alive_until
""")

LEASE_END = text("DELETE FROM import_lease WHERE lease_id = :lease_id")

LEASES_ALIVE = text("SELECT name FROM import_lease WHERE alive_until > clock_timestamp() ORDER BY name")

LEASES_DROP = text("DELETE FROM import_lease WHERE alive_until <= clock_timestamp()")


class ClosedDay(NamedTuple):
    """A day record: the instant at which `local_day` begins, the version it is stamped with, and its place in the log."""

    as_of: datetime
    local_day: date
    version: int
    closed_at: datetime
    position: int


class Days:
    """The calendar inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self) -> None:
        """Whoever closes days or begins an import takes turns."""
        await self._tx.run(CALENDAR_LOCK, calendar=CALENDAR)

    async def add(self, as_of: datetime, local_day: date, version: int, now: datetime) -> bool:
        """Close a day; False when it is closed already."""
        done = await self._tx.run(DAY_INSERT, as_of=as_of, local_day=local_day, version=version, closed_at=now)
        return done.rowcount == 1

    async def latest(self) -> datetime | None:
        """The latest `as_of` there is."""
        latest: datetime | None = (await self._tx.run(DAY_LATEST)).scalar_one()
        return latest

    async def recent(self, limit: int) -> list[ClosedDay]:
        """Closed days, the latest first."""
        return [ClosedDay(*row) for row in (await self._tx.run(DAYS_READ, limit=limit)).all()]

    async def log(self) -> list[ClosedDay]:
        """All closed days, in the order of their place in the log."""
        return [ClosedDay(*row) for row in (await self._tx.run(DAYS_LOG)).all()]

    async def imports_alive(self) -> Sequence[str]:
        """The names of the imports that run now."""
        return list((await self._tx.run(LEASES_ALIVE)).scalars())

    async def begin_import(self, name: str, ttl_seconds: int) -> tuple[UUID, datetime]:
        """A lease: (its id, until when it lives unless it is renewed)."""
        row = (await self._tx.run(LEASE_INSERT, name=name, ttl_seconds=ttl_seconds)).one()
        return row.lease_id, row.alive_until

    async def renew_import(self, lease_id: UUID) -> datetime | None:
        """Renew a lease that is alive; None when it is not."""
        until: datetime | None = (await self._tx.run(LEASE_RENEW, lease_id=lease_id)).scalar_one_or_none()
        return until

    async def end_import(self, lease_id: UUID) -> bool:
        """End a lease; False when there is none."""
        return (await self._tx.run(LEASE_END, lease_id=lease_id)).rowcount == 1

    async def drop_dead_leases(self) -> int:
        """Delete leases that were not renewed."""
        return (await self._tx.run(LEASES_DROP)).rowcount
