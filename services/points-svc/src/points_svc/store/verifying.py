"""What a full proof reads, member by member, in pages. The one thing not to break: a page is of one moment, and asks for everything that
bears one of its members, whether or not he has an account."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Entry, Hold, Lot
from points_svc.store import accounts, ledger
from points_svc.store.reports import LOWEST_ID

# Accounts, and members who were sealed and may have none any more.
MEMBERS = text("""
SELECT member_id FROM (
  (SELECT member_id FROM account WHERE member_id > :after ORDER BY member_id LIMIT :limit)
  UNION
  (SELECT member_id FROM sealed_up_to WHERE member_id > :after ORDER BY member_id LIMIT :limit)) AS members
ORDER BY member_id LIMIT :limit
""")

# Without their reasons, which no figure is made from.
ENTRIES = text("""
SELECT member_id, seq, cause, leg, at, kind, debit, credit, amount, order_id, lot FROM transfer
WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, seq
""")

CONSUMED = text("""
SELECT member_id, seq, lot, amount FROM consumption WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, seq, place
""")

LOTS = text(f"SELECT {ledger.LOT_COLUMNS} FROM lot WHERE member_id = ANY(CAST(:ids AS uuid[]))")

# Holds for their figures; what they took from which lot stands with the entries.
HOLDS = text("""
SELECT member_id, hold_id, seq, points, order_id, made_at, expires_at, state, captured, ended_at, ended_by FROM hold
WHERE member_id = ANY(CAST(:ids AS uuid[]))
""")

SEALED_UP_TO = text("""
SELECT coalesce(sum(seq), 0) FROM sealed_up_to WHERE member_id = ANY(CAST(:ids AS uuid[]))
""")


@dataclass(slots=True)
class Standing:
    """All that stands about one member."""

    account: Account | None = None
    entries: list[Entry] = field(default_factory=list)
    lots: dict[int, Lot] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)  # consumption of entries that are not there


async def members(tx: Transaction, after: UUID | None, limit: int) -> list[UUID]:
    """The next members in ascending order."""
    return list((await tx.run(MEMBERS, after=after or LOWEST_ID, limit=limit)).scalars())


async def standing(tx: Transaction, ids: list[UUID]) -> dict[UUID, Standing]:
    """Everything about these members."""
    found: dict[UUID, Standing] = {member_id: Standing() for member_id in ids}
    rows = (await tx.run(accounts.READ, ids=ids)).all()
    for account in accounts.from_rows(rows, await accounts.read_days(tx, {row.partition for row in rows})):
        found[account.member_id].account = account
    consumed: defaultdict[tuple[UUID, int], list[tuple[int, int]]] = defaultdict(list)
    for member_id, seq, lot, amount in await tx.run(CONSUMED, ids=ids):
        consumed[member_id, seq].append((lot, amount))
    for member_id, *columns in await tx.run(ENTRIES, ids=ids):
        seq, cause, leg, at, kind, debit, credit, amount, order_id, lot = columns
        entry = Entry(seq, cause, leg, at, kind, debit, credit, amount, order_id, lot, {})
        entry.consumed = tuple(consumed.pop((member_id, entry.seq), ()))
        found[member_id].entries.append(entry)
    for member_id, seq in consumed:
        found[member_id].orphans.append(f"lots were taken from by entry {seq}, which is not there")
    for member_id, *columns in await tx.run(LOTS, ids=ids):
        found[member_id].lots[columns[0]] = Lot(*columns)
    for row in await tx.run(HOLDS, ids=ids):
        found[row.member_id].holds.append(_hold(row))
    return found


async def sealed(tx: Transaction, ids: list[UUID]) -> int:
    """How many entries of these members are in the chain."""
    return int((await tx.run(SEALED_UP_TO, ids=ids)).scalar_one())


def _hold(row: Any) -> Hold:
    return Hold(
        row.hold_id, row.seq, row.points, row.order_id, row.made_at, row.expires_at, (), row.state, row.captured,
        row.ended_at, row.ended_by,
    )  # fmt: skip
