"""What the calendar starts. The one thing not to break: each run goes in bounded transactions and may be repeated; what it does not reach,
the next one does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from laurel_kit.clock import BusinessClock
from laurel_kit.service import Job
from points_svc.handlers.expire_holds import HOLDS_PER_TRANSACTION, expire_holds
from points_svc.handlers.once import forget_old_answers
from points_svc.handlers.seal_entries import seal_entries
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore
from points_svc.store.proving import ProofStore

Change = Callable[[Callable[[PointsStore], Awaitable[int]]], Awaitable[int]]
Prove = Callable[[], Awaitable[None]]

HOLDS_EVERY_SECONDS = 5.0  # held points of an abandoned checkout are free again so soon after their end
ANSWERS_EVERY_SECONDS = 600.0
ANSWERS_PER_TRANSACTION = 1_000
SEALING_EVERY_SECONDS = 30.0  # an entry is in the chain at most a minute after it was written (I11)
PROOF_EVERY_SECONDS = 900.0  # reads all entries; a drift is a defect that a person must look at


def runs(change: Change, prove: Prove, clock: BusinessClock, metrics: PointsMetrics) -> list[Job]:
    """Schedule → handler. `change` runs a handler in a transaction of its own."""

    async def sweep_holds() -> None:
        while ended := await change(lambda store: expire_holds(clock.now(), store)):
            metrics.holds.labels("expired", "expired").inc(ended)
            if ended < HOLDS_PER_TRANSACTION:
                break

    async def forget_answers() -> None:
        while await change(lambda store: forget_old_answers(clock.now(), ANSWERS_PER_TRANSACTION, store)):
            pass

    async def seal() -> None:
        while await change(lambda store: seal_entries(clock.now(), ProofStore(store.tx))):
            pass

    return [
        Job("expire holds", HOLDS_EVERY_SECONDS, sweep_holds),
        Job("forget old answers", ANSWERS_EVERY_SECONDS, forget_answers),
        Job("seal the entries", SEALING_EVERY_SECONDS, seal),
        Job("prove the books", PROOF_EVERY_SECONDS, prove),
    ]
