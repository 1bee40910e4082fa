"""What has been written into the ledger is sealed behind it (I11). The one thing not to break: a round is one transaction, so that a
process killed at any point leaves whole rounds and the next one goes on."""

from __future__ import annotations

from datetime import datetime

from points_svc.store.proving import ProofStore

MEMBERS_PER_ROUND = 10_000
ENTRIES_PER_ROUND = 50_000  # some two seconds; nobody waits for it, but no transaction should be long


async def seal_entries(
    now: datetime, store: ProofStore, *, members: int = MEMBERS_PER_ROUND, entries: int = ENTRIES_PER_ROUND
) -> int:
    """One round; how many entries it sealed. 0: everything is sealed."""
    _, sealed = await store.seal(now, members=members, entries=entries)
    return sealed
