"""Corrections by hand, alone and in batches. The one thing not to break: the accounts are locked before a correction is read to be
decided, so that of several who decide one the first one does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account
from points_svc.domain.adjusting import Adjustment, Batch
from points_svc.store import accounts

COLUMNS = """adjustment_id, batch_id, member_id, points, reason, proposed_by, proposed_at, alone, state, decided_by, decided_at, seq,
  reversed_points, number"""
BATCH_COLUMNS = """batch_id, reason, proposed_by, proposed_at, alone, state, decided_by, decided_at, reversed_by, reversed_at,
  reversed_because"""

ADD = text("""
INSERT INTO adjustment (adjustment_id, batch_id, member_id, points, reason, proposed_by, proposed_at, alone, state,
  decided_by, decided_at, seq, reversed_points)
SELECT * FROM unnest(
  CAST(:id AS uuid[]), CAST(:batch AS uuid[]), CAST(:member AS uuid[]), CAST(:points AS bigint[]), CAST(:reason AS text[]),
  CAST(:proposed_by AS text[]), CAST(:proposed_at AS timestamptz[]), CAST(:alone AS boolean[]), CAST(:state AS text[]),
  CAST(:decided_by AS text[]), CAST(:decided_at AS timestamptz[]), CAST(:seq AS bigint[]), CAST(:reversed AS bigint[]))
""")

# Decided or reversed; the accounts are locked, so nobody else does it meanwhile.
CHANGE = text("""
UPDATE adjustment a SET state = n.state, decided_by = n.decided_by, decided_at = n.decided_at, seq = n.seq,
  reversed_points = n.reversed
FROM unnest(CAST(:id AS uuid[]), CAST(:state AS text[]), CAST(:decided_by AS text[]), CAST(:decided_at AS timestamptz[]),
            CAST(:seq AS bigint[]), CAST(:reversed AS bigint[])) AS n(id, state, decided_by, decided_at, seq, reversed)
WHERE a.adjustment_id = n.id
""")

NAMED = text(f"SELECT {COLUMNS} FROM adjustment WHERE adjustment_id = :id")

OF_BATCH = text(f"SELECT {COLUMNS} FROM adjustment WHERE batch_id = :id ORDER BY member_id")

# A page, the latest first.
PAGE = text(f"""
SELECT {COLUMNS} FROM adjustment
WHERE number < :before AND (CAST(:state AS text) IS NULL OR state = :state) ORDER BY number DESC LIMIT :limit
""")

ADD_BATCH = text("""
INSERT INTO adjustment_batch (batch_id, reason, proposed_by, proposed_at, alone, state, decided_by, decided_at)
VALUES (:batch_id, :reason, :proposed_by, :proposed_at, :alone, :state, :decided_by, :decided_at)
""")

CHANGE_BATCH = text("""
UPDATE adjustment_batch SET state = :state, decided_by = :decided_by, decided_at = :decided_at, reversed_by = :reversed_by,
  reversed_at = :reversed_at, reversed_because = :reversed_because
WHERE batch_id = :batch_id
""")

BATCH = text(f"SELECT {BATCH_COLUMNS} FROM adjustment_batch WHERE batch_id = :id")

# After its accounts; two who reverse one batch wait for each other here at the latest.
LOCK_BATCH = text(f"{BATCH.text} FOR NO KEY UPDATE")

# What the entries of these corrections took from lots, or which lot they filled.
PARTS = text("""
SELECT a.adjustment_id, coalesce(c.lot, t.lot) AS lot, coalesce(c.amount, t.amount) AS amount
FROM unnest(CAST(:ids AS uuid[])) AS wanted(id)
JOIN adjustment a ON a.adjustment_id = wanted.id
JOIN transfer t ON t.member_id = a.member_id AND t.seq = a.seq
LEFT JOIN consumption c ON c.member_id = t.member_id AND c.seq = t.seq
ORDER BY a.adjustment_id, c.place
""")


class AdjustmentStore:
    """The part of the books that keeps corrections by hand."""

    tx: Transaction

    async def lock_known(self, member_ids: Collection[UUID]) -> dict[UUID, Account]:
        """Members' accounts of points that are there, locked in ascending order."""
        rows = (await self.tx.run(accounts.LOCK, ids=sorted(member_ids))).all()
        days = await accounts.read_days(self.tx, {row.partition for row in rows})
        return {account.member_id: account for account in accounts.from_rows(rows, days) if not account.is_wallet}

    async def add_adjustments(self, made: Collection[Adjustment]) -> None:
        """New corrections, proposed or posted."""
        await self.tx.run(
            ADD,
            id=[a.adjustment_id for a in made],
            batch=[a.batch_id for a in made],
            member=[a.member_id for a in made],
            points=[a.points for a in made],
            reason=[a.reason for a in made],
            proposed_by=[a.proposed_by for a in made],
            proposed_at=[a.proposed_at for a in made],
            alone=[a.alone for a in made],
            state=[a.state for a in made],
            decided_by=[a.decided_by for a in made],
            decided_at=[a.decided_at for a in made],
            seq=[a.seq for a in made],
            reversed=[a.reversed_points for a in made],
        )

    async def change_adjustments(self, changed: Collection[Adjustment]) -> None:
        """Decided, or reversed."""
        await self.tx.run(
            CHANGE,
            id=[a.adjustment_id for a in changed],
            state=[a.state for a in changed],
            decided_by=[a.decided_by for a in changed],
            decided_at=[a.decided_at for a in changed],
            seq=[a.seq for a in changed],
            reversed=[a.reversed_points for a in changed],
        )

    async def adjustment(self, adjustment_id: UUID) -> Adjustment | None:
        """One correction as it stands."""
        row = (await self.tx.run(NAMED, id=adjustment_id)).one_or_none()
        return None if row is None else Adjustment(*row)

    async def adjustments_before(self, before: int, limit: int, state: str | None) -> list[Adjustment]:
        """A page of corrections, the latest first."""
        return [Adjustment(*row) for row in await self.tx.run(PAGE, before=before, limit=limit, state=state)]

    async def adjustments_of(self, batch_id: UUID) -> list[Adjustment]:
        """All corrections of a batch, by member."""
        return [Adjustment(*row) for row in await self.tx.run(OF_BATCH, id=batch_id)]

    async def adjustment_parts(self, adjustment_ids: Collection[UUID]) -> dict[UUID, tuple[tuple[int, int], ...]]:
        """The (lot, points) that posted corrections took or filled."""
        parts: dict[UUID, tuple[tuple[int, int], ...]] = {}
        for row in await self.tx.run(PARTS, ids=list(adjustment_ids)):
            parts[row.adjustment_id] = (*parts.get(row.adjustment_id, ()), (row.lot, row.amount))
        return parts

    async def add_batch(self, batch: Batch) -> None:
        """A new batch, before its corrections."""
        await self.tx.run(ADD_BATCH, **_columns(batch, 8))

    async def change_batch(self, batch: Batch) -> None:
        """Decided, or reversed."""
        columns = _columns(batch, 11)
        for name in ("reason", "proposed_by", "proposed_at", "alone"):
            del columns[name]
        await self.tx.run(CHANGE_BATCH, **columns)

    async def batch(self, batch_id: UUID, *, locked: bool = False) -> Batch | None:
        """One batch as it stands."""
        row = (await self.tx.run(LOCK_BATCH if locked else BATCH, id=batch_id)).one_or_none()
        return None if row is None else Batch(*row)


def _columns(batch: Batch, count: int) -> dict[str, Any]:
    names = [name.strip() for name in BATCH_COLUMNS.split(",")]
    return dict(zip(names[:count], astuple(batch)[:count], strict=True))
