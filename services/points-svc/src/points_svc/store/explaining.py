"""What an explanation reads: one entry or one cause, the lots it touched, and what became of them. The one thing not to break: it locks
nothing, and reads a bounded number of rows however long the history is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Entry, NoEffect
from points_svc.store import ledger

ONE = text(f"SELECT {ledger.ENTRY_COLUMNS} FROM transfer WHERE member_id = :member_id AND seq = :seq")

OF_CAUSE = text(
    f"SELECT {ledger.ENTRY_COLUMNS} FROM transfer WHERE member_id = :member_id AND cause = :cause ORDER BY seq"
)

NOTHING = text("""
SELECT cause, at, CAST(why AS text) AS why FROM no_effect WHERE member_id = :member_id AND cause = :cause
""")

# Lots with the entry that first put points into each.
LOTS = text("""
SELECT l.lot, l.kind, l.granted, l.remaining, l.earned_at, l.available_at, l.expires_at,
  (SELECT min(t.seq) FROM transfer t WHERE t.member_id = l.member_id AND t.lot = l.lot) AS made_by
FROM lot l WHERE l.member_id = :member_id AND l.lot = ANY(CAST(:lots AS bigint[])) ORDER BY l.expires_at, l.earned_at, l.lot
""")

# What came out of a lot after an entry, and what came into it.
LATER = text("""
SELECT seq, kind, cause, at, order_id, points FROM (
  SELECT t.seq, t.kind, t.cause, t.at, t.order_id, c.amount AS points FROM consumption c JOIN transfer t USING (member_id, seq)
  WHERE c.member_id = :member_id AND c.lot = :lot AND c.seq > :seq
  UNION ALL SELECT t.seq, t.kind, t.cause, t.at, t.order_id, t.amount FROM transfer t
  WHERE t.member_id = :member_id AND t.lot = :lot AND t.seq > :seq) AS later
ORDER BY seq LIMIT :limit
""")

# How many points of a spending have come back.
RETURNED = text("SELECT coalesce(sum(returned), 0) FROM consumption WHERE member_id = :member_id AND seq = :seq")


@dataclass(frozen=True, slots=True)
class LotSeen:
    """A lot as it stands now, and the entry that made it."""

    lot: int
    kind: str
    granted: int
    remaining: int
    earned_at: datetime
    available_at: datetime
    expires_at: datetime
    made_by: int | None


@dataclass(frozen=True, slots=True)
class Later:
    """What happened to points of a lot after an entry."""

    seq: int
    kind: str
    cause: str
    at: datetime
    order_id: str | None
    points: int


async def entry(tx: Transaction, member_id: UUID, seq: int) -> Entry | None:
    """One entry with what it consumed."""
    found = await ledger.read_entries(tx, member_id, (await tx.run(ONE, member_id=member_id, seq=seq)).all())
    return found[0] if found else None


async def of_cause(tx: Transaction, member_id: UUID, cause: str) -> list[Entry]:
    """What a cause moved."""
    return await ledger.read_entries(tx, member_id, (await tx.run(OF_CAUSE, member_id=member_id, cause=cause)).all())


async def no_effect(tx: Transaction, member_id: UUID, cause: str) -> NoEffect | None:
    """Why a cause moved nothing."""
    row = (await tx.run(NOTHING, member_id=member_id, cause=cause)).one_or_none()
    return None if row is None else NoEffect(row.cause, row.at, msgspec.json.decode(row.why))


async def lots(tx: Transaction, member_id: UUID, numbers: Collection[int]) -> list[LotSeen]:
    """These lots as they stand, in the order in which they are spent."""
    return [LotSeen(*row) for row in await tx.run(LOTS, member_id=member_id, lots=list(numbers))]


async def later(tx: Transaction, member_id: UUID, lot: int, seq: int, limit: int) -> list[Later]:
    """What happened to a lot after an entry."""
    return [Later(*row) for row in await tx.run(LATER, member_id=member_id, lot=lot, seq=seq, limit=limit)]


async def returned(tx: Transaction, member_id: UUID, seq: int) -> int:
    """How many points of a spending have come back."""
    value: Any = (await tx.run(RETURNED, member_id=member_id, seq=seq)).scalar_one()
    return int(value)
