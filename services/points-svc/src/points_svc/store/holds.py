"""Holds: read by name, by member or because their time is over, and written back. The one thing not to break: a hold is read after its
member's account has been locked; what was read before only says whose account that is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import OPEN, Account, Hold
from points_svc.store import accounts, ledger

# With what each took from which lot, in that order.
COLUMNS = """h.member_id, h.hold_id, h.seq, h.points, h.order_id, h.made_at, h.expires_at, h.state, h.captured, h.ended_at, h.ended_by,
  array_agg(c.lot ORDER BY c.place) AS lots, array_agg(c.amount ORDER BY c.place) AS amounts"""
FROM = "FROM hold h JOIN consumption c ON c.member_id = h.member_id AND c.seq = h.seq"

OWNER = text("SELECT member_id FROM hold WHERE hold_id = :hold_id")

NAMED = text(f"SELECT {COLUMNS} {FROM} WHERE h.hold_id = :hold_id GROUP BY h.hold_id")

OPEN_OF = text(f"""
SELECT {COLUMNS} {FROM} WHERE h.state = 'held' AND h.member_id = ANY(CAST(:ids AS uuid[])) GROUP BY h.hold_id
""")

DUE_OF = text(f"""
SELECT {COLUMNS} {FROM}
WHERE h.state = 'held' AND h.member_id = ANY(CAST(:ids AS uuid[])) AND h.expires_at <= :now GROUP BY h.hold_id
""")

# Whose holds have been over for longest.
DUE = text("""
SELECT DISTINCT member_id FROM (
  SELECT member_id FROM hold WHERE state = 'held' AND expires_at <= :now ORDER BY expires_at, hold_id LIMIT :limit) AS due
""")

# What of a member's points pays for an order: spent on it, or held for it and not over.
ON_ORDER = text("""
SELECT coalesce(sum(CASE state WHEN 'held' THEN points ELSE captured END), 0) FROM hold
WHERE member_id = :member_id AND order_id = :order_id AND (state = 'captured' OR (state = 'held' AND expires_at > :now))
""")

PAGE = text(f"""
SELECT {COLUMNS} {FROM}
WHERE h.member_id = :member_id AND h.seq < :before AND (NOT :only_open OR h.state = 'held')
GROUP BY h.hold_id ORDER BY h.seq DESC LIMIT :limit
""")

ADD = text("""
INSERT INTO hold (hold_id, member_id, seq, points, order_id, made_at, expires_at, state, captured, ended_at, ended_by)
SELECT * FROM unnest(
  CAST(:hold_id AS uuid[]), CAST(:ids AS uuid[]), CAST(:seq AS bigint[]), CAST(:points AS bigint[]), CAST(:order_id AS text[]),
  CAST(:made_at AS timestamptz[]), CAST(:expires_at AS timestamptz[]), CAST(:state AS text[]), CAST(:captured AS bigint[]),
  CAST(:ended_at AS timestamptz[]), CAST(:ended_by AS text[]))
""")

END = text("""
UPDATE hold h SET state = n.state, captured = n.captured, order_id = n.order_id, ended_at = n.ended_at, ended_by = n.ended_by
FROM unnest(
  CAST(:hold_id AS uuid[]), CAST(:state AS text[]), CAST(:captured AS bigint[]), CAST(:order_id AS text[]),
  CAST(:ended_at AS timestamptz[]), CAST(:ended_by AS text[])) AS n(hold_id, state, captured, order_id, ended_at, ended_by)
WHERE h.hold_id = n.hold_id
""")


async def owner(tx: Transaction, hold_id: UUID) -> UUID | None:
    """Whose hold it is; None: there is none."""
    found: UUID | None = (await tx.run(OWNER, hold_id=hold_id)).scalar_one_or_none()
    return found


async def named(tx: Transaction, hold_id: UUID) -> tuple[UUID, Hold] | None:
    """One hold and whose it is."""
    row = (await tx.run(NAMED, hold_id=hold_id)).one_or_none()
    return None if row is None else (row.member_id, _hold(row))


async def points_on_order(tx: Transaction, member_id: UUID, order_id: str, now: datetime) -> int:
    """Points of a member that pay for an order."""
    return int((await tx.run(ON_ORDER, member_id=member_id, order_id=order_id, now=now)).scalar_one())


async def page(tx: Transaction, member_id: UUID, before: int, limit: int, *, only_open: bool) -> list[Hold]:
    """A member's holds, the latest first."""
    rows = await tx.run(PAGE, member_id=member_id, before=before, limit=limit, only_open=only_open)
    return [_hold(row) for row in rows]


async def read_named(tx: Transaction, account: Account, hold_id: UUID) -> None:
    """One hold of this account, with the lots it took from."""
    await _into([account], await tx.run(NAMED, hold_id=hold_id), tx)


async def read_open(tx: Transaction, concerned: Collection[Account]) -> None:
    """Every open hold of these accounts, with the lots it took from."""
    if concerned:
        await _into(concerned, await tx.run(OPEN_OF, ids=[a.member_id for a in concerned]), tx)


async def read_due(tx: Transaction, concerned: Collection[Account], now: datetime) -> None:
    """Open holds of these accounts whose time is over, with the lots they took from."""
    if concerned:
        await _into(concerned, await tx.run(DUE_OF, ids=[a.member_id for a in concerned], now=now), tx)


async def lock_due(tx: Transaction, now: datetime, limit: int) -> list[Account]:
    """The accounts whose holds have been over for longest, locked in ascending order."""
    ids = sorted((await tx.run(DUE, now=now, limit=limit)).scalars())
    rows = (await tx.run(accounts.LOCK, ids=ids)).all()
    return accounts.from_rows(rows, await accounts.read_days(tx, {row.partition for row in rows}))


async def write(tx: Transaction, concerned: Iterable[Account]) -> None:
    """New holds, and those that have ended."""
    holds = [(account.member_id, hold) for account in concerned if account.holds for hold in account.holds.values()]
    new = [(member_id, hold) for member_id, hold in holds if hold.is_new]
    if new:
        await tx.run(
            ADD,
            hold_id=[hold.hold_id for _, hold in new],
            ids=[member_id for member_id, _ in new],
            seq=[hold.seq for _, hold in new],
            points=[hold.points for _, hold in new],
            order_id=[hold.order_id for _, hold in new],
            made_at=[hold.made_at for _, hold in new],
            expires_at=[hold.expires_at for _, hold in new],
            state=[hold.state for _, hold in new],
            captured=[hold.captured for _, hold in new],
            ended_at=[hold.ended_at for _, hold in new],
            ended_by=[hold.ended_by for _, hold in new],
        )
    ended = [hold for _, hold in holds if hold.is_changed and not hold.is_new]
    if ended:
        await tx.run(
            END,
            hold_id=[hold.hold_id for hold in ended],
            state=[hold.state for hold in ended],
            captured=[hold.captured for hold in ended],
            order_id=[hold.order_id for hold in ended],
            ended_at=[hold.ended_at for hold in ended],
            ended_by=[hold.ended_by for hold in ended],
        )


async def _into(concerned: Iterable[Account], rows: Iterable[Any], tx: Transaction) -> None:
    by_id = {account.member_id: account for account in concerned}
    lots = {}
    for row in rows:
        account = by_id[row.member_id]
        hold = account.holds.setdefault(row.hold_id, _hold(row))
        if hold.state == OPEN:
            lots.update({(row.member_id, lot): (account, lot) for lot, _ in hold.parts if lot not in account.lots})
    await ledger.read_lots(tx, list(lots.values()))


def _hold(row: Any) -> Hold:
    return Hold(
        row.hold_id, row.seq, row.points, row.order_id, row.made_at, row.expires_at,
        tuple(zip(row.lots, row.amounts, strict=True)), row.state, row.captured, row.ended_at, row.ended_by,
    )  # fmt: skip
