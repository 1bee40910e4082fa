"""The canonical dump: everything that was decided, sorted, without what the machine made up (ids, the wall clock, outbox, cursors). The
one thing not to break: two databases that heard the same log give equal dumps, however it was cut into batches."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from laurel_kit.postgres import Transaction

# Every table of this service with what identifies a row, and the columns that are left out.
TABLES: dict[str, tuple[str, frozenset[str]]] = {
    "member": ("member_id", frozenset()),
    "member_day": ("member_id, day", frozenset()),
    "purchase": ("member_id, seq", frozenset()),
    "deed": ("member_id, seq", frozenset()),
    "period_end": ("member_id, at", frozenset()),
    "task_effort": ("member_id, task, period, seq", frozenset()),
    "task_reward": ("member_id, number", frozenset()),
    "standing": ("member_id, ordinal", frozenset()),
    "club_fact": ("member_id, club, ordinal", frozenset()),
    "override": ("member_id, seq", frozenset()),
    "override_taken_back": ("member_id, seq", frozenset()),
    "tier_path": ("member_id, starts_at", frozenset()),
    "activation": ("partition, version", frozenset()),
    "partition_day": ("partition", frozenset()),
    "programme": ("version", frozenset({"loaded_at"})),
}


async def canonical_dump(tx: Transaction) -> dict[str, list[dict[str, Any]]]:
    """Table name to rows, in a fixed order."""
    dump: dict[str, list[dict[str, Any]]] = {}
    for table, (order, left_out) in TABLES.items():
        found = await tx.run(text(f"SELECT * FROM {table} ORDER BY {order}"))
        dump[table] = [{name: value for name, value in row._mapping.items() if name not in left_out} for row in found]
    return dump
