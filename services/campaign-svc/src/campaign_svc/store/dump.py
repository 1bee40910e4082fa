"""The canonical dump: everything that was decided, sorted, without what the machine made up (ids, the wall clock, outbox, cursors). The
one thing not to break: two databases that heard the same log give equal dumps, however it was cut into batches."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from laurel_kit.postgres import Transaction

# Every table of this service with what identifies a row; what is left out of a table is named.
TABLES: dict[str, tuple[str, frozenset[str]]] = {
    "member": ("member_id", frozenset()),
    "occasion": ("member_id, place, cause, number", frozenset()),
    "award": ("member_id, campaign_id, cause, number, item", frozenset({"award_id"})),
    "budget": ("campaign_id", frozenset()),
    "emptied": ("campaign_id, budget", frozenset()),
    "programme": ("version", frozenset({"loaded_at"})),
    "activation": ("partition, version", frozenset()),
    "partition_day": ("partition", frozenset()),
}


async def canonical_dump(tx: Transaction) -> dict[str, list[dict[str, Any]]]:
    """Table name to rows, in a fixed order."""
    dump: dict[str, list[dict[str, Any]]] = {}
    for table, (order, left_out) in TABLES.items():
        found = await tx.run(text(f"SELECT * FROM {table} ORDER BY {order}"))
        dump[table] = [{name: value for name, value in row._mapping.items() if name not in left_out} for row in found]
    return dump
