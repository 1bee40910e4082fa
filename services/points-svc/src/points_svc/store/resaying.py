"""What is read so that it can be said again: whole ledgers of a page of members, set by set. The one thing not to break: the accounts are
locked before, and what stands in their books is all there is to say."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Entry, Lot
from points_svc.domain.between import Handover
from points_svc.domain.reminders import Reminder
from points_svc.store import handovers, ledger

_decode = msgspec.json.Decoder().decode

# The ledgers of these members from the first entry.
ENTRIES = text(f"""
SELECT member_id, {ledger.ENTRY_COLUMNS} FROM transfer WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, seq
""")

# What these members' entries took from which lots.
CONSUMED = text("""
SELECT member_id, seq, lot, amount FROM consumption WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, seq, place
""")

# All lots of these members, also empty ones.
LOTS = text(f"SELECT {ledger.LOT_COLUMNS} FROM lot WHERE member_id = ANY(CAST(:ids AS uuid[]))")

# Handovers of these members that nobody has handed back.
OPEN = text(f"""
SELECT {handovers.COLUMNS} {handovers.FROM} WHERE h.member_id = ANY(CAST(:ids AS uuid[])) AND h.state = 'under_way'
GROUP BY h.handover_id ORDER BY h.member_id, h.seq
""")

# All that these members have been reminded of.
REMINDERS = text("""
SELECT member_id, expires_at, days_ahead, points, as_of FROM reminder
WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, as_of, expires_at
""")


class Books(NamedTuple):
    """One member's: entries from the first, lots, what is under way to others, reminders."""

    entries: list[Entry]
    lots: dict[int, Lot]
    under_way: list[Handover]
    reminders: list[Reminder]


async def read_books(tx: Transaction, concerned: Collection[Account]) -> dict[UUID, Books]:
    """The whole books of these accounts, in five statements however many they are."""
    found = {account.member_id: Books([], {}, [], []) for account in concerned}
    ids = list(found)
    for member_id, *columns in await tx.run(ENTRIES, ids=ids):
        entry = Entry(*columns)
        entry.why = _decode(entry.why)  # type: ignore[arg-type]
        found[member_id].entries.append(entry)
    by_name = {(member_id, entry.seq): entry for member_id, books in found.items() for entry in books.entries}
    for member_id, seq, lot, amount in await tx.run(CONSUMED, ids=ids):
        by_name[member_id, seq].consumed += ((lot, amount),)
    for member_id, *columns in await tx.run(LOTS, ids=ids):
        found[member_id].lots[columns[0]] = Lot(*columns)
    for row in await tx.run(OPEN, ids=ids):
        found[row.member_id].under_way.append(handovers.read_one(row))
    partitions = {account.member_id: account.day.partition for account in concerned}
    for member_id, *columns in await tx.run(REMINDERS, ids=ids):
        found[member_id].reminders.append(Reminder(member_id, partitions[member_id], *columns))
    return found
