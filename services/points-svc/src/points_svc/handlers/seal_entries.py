"""What has been written into the ledger is sealed behind it (I11). The one thing not to break: a round is one transaction, so that a
process killed at any point leaves whole rounds and the next one goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from points_svc.store.proving import ProofStore

MEMBERS_PER_ROUND = 10_000
ENTRIES_PER_ROUND = 50_000  # some two seconds; nobody waits for it, but no transaction should be long


EVERYTHING_EVERY_ROUNDS = (
    120  # every hour: what a mark cannot know, as a database that was put in the place of another, comes up then
)


@dataclass
class Sealing:
    """What this process knows about the chain. `since`: accounts whose rows are older than this transaction are sealed; None: not known,
    so the next round compares every account with its seals. `rounds`: how often in a row that has been believed."""

    since: str | None = None
    rounds: int = 0

    def found_everything_sealed(self, before: str) -> None:
        """A round has, and what it did not see is written by this transaction or a later one."""
        self.rounds += 1
        self.since = before
        if self.rounds >= EVERYTHING_EVERY_ROUNDS:
            self.since, self.rounds = None, 0


async def seal_entries(
    now: datetime,
    store: ProofStore,
    *,
    members: int = MEMBERS_PER_ROUND,
    entries: int = ENTRIES_PER_ROUND,
    sealing: Sealing | None = None,
) -> int:
    """One round; how many entries it sealed. 0: everything is sealed."""
    known = sealing or Sealing()
    before = await store.oldest_open()  # what this round does not see, is written by it or by a later one
    _, sealed = await store.seal(now, members=members, entries=entries, since=known.since)
    if not sealed:
        store.tx.after_commit(partial(known.found_everything_sealed, before))
    return sealed
