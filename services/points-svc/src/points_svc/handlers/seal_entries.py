"""What has been written into the ledger is sealed behind it (I11): a look finds who has entries that no round has sealed, then rounds seal
them piece by piece. The one thing not to break: a round is one transaction, so that a process killed at any point leaves whole rounds, and
what was looked at is believed to be sealed only when all of its rounds have committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from points_svc.store.chain import Unsealed
from points_svc.store.proving import ProofStore

MEMBERS_PER_LOOK = 20_000
# Some 40 ms of the database. A round waits for nobody and nobody for it, but on a small machine who shares the processor with it waits.
ENTRIES_PER_ROUND = 2_000


EVERYTHING_EVERY_LOOKS = (
    120  # every hour: what a mark cannot know, as a database that was put in the place of another, comes up then
)


@dataclass(frozen=True, slots=True)
class Look:
    """Who has unsealed entries, and the oldest transaction that was open before it was looked."""

    unsealed: Unsealed
    before: str

    def rounds(self, entries: int = ENTRIES_PER_ROUND) -> Iterator[slice]:
        """Which members go into one round each, by their places: about so many entries."""
        first = count = 0
        for place, more in enumerate(self.unsealed.entries):
            if count and count + more > entries:
                yield slice(first, place)
                first, count = place, 0
            count += more
        if count:
            yield slice(first, len(self.unsealed.entries))


@dataclass
class Sealing:
    """What this process knows about the chain. `since`: accounts whose rows are older than this transaction are sealed; None: not known,
    so the next look compares every account with its seals. `looks`: how often in a row that has been believed."""

    since: str | None = None
    looks: int = 0

    def sealed(self, look: Look, entries: int) -> None:
        """All rounds of a look have committed and sealed so many entries. What it did not see is written by the transaction before it or
        by a later one; where it left out somebody, he is found by the next, unless nobody is left but those who cannot be sealed."""
        if not look.unsealed.whole and entries:
            return
        self.looks += 1
        self.since = look.before
        if self.looks >= EVERYTHING_EVERY_LOOKS:
            self.since, self.looks = None, 0


async def look_for_unsealed(
    sealing: Sealing, store: ProofStore, *, members: int = MEMBERS_PER_LOOK, entries: int = ENTRIES_PER_ROUND
) -> Look:
    """Who has entries that no round has sealed."""
    before = await store.oldest_open()  # what this look does not see, is written by it or by a later one
    return Look(await store.unsealed(members=members, entries=entries, since=sealing.since), before)


async def seal_entries(now: datetime, look: Look, places: slice, store: ProofStore) -> int:
    """One round; how many entries it sealed."""
    return await store.seal(now, look.unsealed.members[places], look.unsealed.upto[places])
