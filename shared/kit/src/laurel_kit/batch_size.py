"""How many records the next transaction takes. The one thing not to break: it shrinks at once and grows slowly, so that whoever stands at
a till waits for a short transaction, and a backlog is worked off in long ones while nobody does."""

from __future__ import annotations

BATCH_RECORDS_MAX = 1_000
BATCH_RECORDS_MIN = 16  # under a statement timeout the batch is halved, down to this
# When somebody has waited for what a batch had locked, the next one takes no more than this. Under T-L05 a quarter of a thousand costs
# no throughput that could be told from noise, an eighth 5 %; and one hold in a hundred waits some 100 ms in place of 250.
BATCH_RECORDS_WAITED_FOR = 250
# A batch that nobody waited for lets the next one be larger by this: back to a thousand in 47 steps.
BATCH_RECORDS_GROWTH = 16


class BatchSize:
    """The size of the next transaction, by how the last ones went. `most`: what is allowed at all."""

    def __init__(self, most: int = BATCH_RECORDS_MAX) -> None:
        self.most = self.records = most

    def applied(self, *, waited_for: bool) -> None:
        """A transaction has committed; whether somebody waited for it."""
        if waited_for:
            self.records = min(self.records, BATCH_RECORDS_WAITED_FOR)
        else:
            self.records = min(self.most, self.records + BATCH_RECORDS_GROWTH)

    def too_slow(self) -> None:
        """The database has ended a transaction because it took too long."""
        self.records = max(min(self.records, BATCH_RECORDS_MIN), self.records // 2)
