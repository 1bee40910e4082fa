"""What has been begun and has not come to its end, for /progress. The one thing not to break: it asks the books and no position, so that a
closed day that nobody has swept by and points that nobody has taken are seen although every record has been read."""

from __future__ import annotations

from sqlalchemy import text

from laurel_kit.postgres import Transaction

# Accounts that a closed day has not come to yet; the partial index on `next_expiry` holds none of them where all is swept.
TO_SWEEP = """
SELECT count(*) FROM partition_day d JOIN account a ON a.partition = d.partition AND a.next_expiry <= d.as_of"""

# Points that have left one member, lie with nobody and are not back. The directory holds none else, however many there have been.
UNDER_WAY = "SELECT count(*) FROM handover_under_way"

COUNTS = text(f"SELECT ({TO_SWEEP}) AS accounts_to_sweep, ({UNDER_WAY}) AS handovers_under_way")


async def counts(tx: Transaction) -> dict[str, int]:
    """How many there are of each kind."""
    row = (await tx.run(COUNTS)).one()
    return {name: int(count) for name, count in row._mapping.items()}
