"""What the calendar starts. The one thing not to break: each run goes in bounded transactions and may be repeated; what it does not reach,
the next one does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from laurel_kit.clock import BusinessClock
from laurel_kit.service import Job
from points_svc.handlers.end_bonuses import end_bonuses
from points_svc.handlers.expire_holds import HOLDS_PER_TRANSACTION, expire_holds
from points_svc.handlers.once import forget_old_answers
from points_svc.handlers.remind_members import remind_members
from points_svc.handlers.seal_entries import Look, Sealing, look_for_unsealed, seal_entries
from points_svc.handlers.sweep_lots import sweep_lots
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore
from points_svc.store.proving import ProofStore

T = TypeVar("T")
Prove = Callable[[], Awaitable[None]]
IsDue = Callable[[], Awaitable[bool]]


class Change(Protocol):
    """Runs a handler in a transaction of its own."""

    async def __call__(self, work: Callable[[PointsStore], Awaitable[T]]) -> T:
        """What the handler answered."""


HOLDS_EVERY_SECONDS = 5.0  # held points of an abandoned checkout are free again so soon after their end
BONUSES_EVERY_SECONDS = 60.0  # what is over pays for nothing meanwhile
ANSWERS_EVERY_SECONDS = 600.0
ANSWERS_PER_TRANSACTION = 1_000
SWEEP = "sweep lots"
SWEEP_EVERY_SECONDS = 0.2  # after a day has closed; otherwise it only looks into an index
SWEEP_SECONDS_MAX = 0.2  # of one transaction (reliability.md 3.6): who waits for one of its accounts waits no longer
SWEEPS_AT_ONCE = 2  # each in partitions of its own: one decides while the database writes for the other
ACCOUNTS_PER_SWEEP = (50, 2_000)  # at least, at most
REST_PER_SWEEP = 0.1  # of the time a chunk took: so that others are served between two of them
REMIND_EVERY_SECONDS = 5.0
MEMBERS_PER_REMINDING = 1_000
SEALING_EVERY_SECONDS = 30.0  # an entry is in the chain at most a minute after it was written (I11)
# Sealing all at once took a processor for a second, in which one event in a hundred was visible after half a second and not after a tenth.
REST_PER_ROUND = 4.0  # of the time a round took, while there is time for it:
SEALING_SPREAD_SECONDS = 15.0
# Not at once: reading all entries took more of a large database than catching up did, whenever a process was started.
PROOF_FIRST_AFTER_SECONDS = 120.0
PROOF_EVERY_SECONDS = 900.0  # reads all entries; a drift is a defect that a person must look at


def runs(
    change: Change, sweeping_is_due: IsDue, prove: Prove, clock: BusinessClock, metrics: PointsMetrics
) -> list[Job]:
    """Schedule → handler. `change` runs a handler in a transaction of its own."""

    async def sweep_holds() -> None:
        while ended := await change(lambda store: expire_holds(clock.now(), store)):
            metrics.holds.labels("expired", "expired").inc(ended)
            if ended < HOLDS_PER_TRANSACTION:
                break

    async def sweep_bonuses() -> None:
        while await change(lambda store: end_bonuses(clock.now(), store)):
            pass

    async def forget_answers() -> None:
        while await change(lambda store: forget_old_answers(clock.now(), ANSWERS_PER_TRANSACTION, store)):
            pass

    async def sweep() -> None:
        if await change(lambda store: sweep_lots(ACCOUNTS_PER_SWEEP[0], store)):
            await asyncio.gather(*(sweep_share(share) for share in range(SWEEPS_AT_ONCE)))

    async def sweep_share(share: int) -> None:
        limit, most = ACCOUNTS_PER_SWEEP
        while True:
            began = time.monotonic()
            swept = await change(lambda store: sweep_lots(limit, store, share, SWEEPS_AT_ONCE))  # noqa: B023 - awaited at once
            if not swept:
                break
            took = time.monotonic() - began
            limit = min(most, limit * 2) if took < SWEEP_SECONDS_MAX / 2 else limit
            limit = max(ACCOUNTS_PER_SWEEP[0], limit // 2) if took > SWEEP_SECONDS_MAX else limit
            await asyncio.sleep(took * REST_PER_SWEEP)

    async def remind() -> None:
        while await change(lambda store: remind_members(MEMBERS_PER_REMINDING, store)):
            pass

    return [
        Job("remind members", REMIND_EVERY_SECONDS, remind),
        Job(SWEEP, SWEEP_EVERY_SECONDS, sweep, is_due=sweeping_is_due),
        Job("expire holds", HOLDS_EVERY_SECONDS, sweep_holds),
        Job("end bonuses", BONUSES_EVERY_SECONDS, sweep_bonuses),
        Job("forget old answers", ANSWERS_EVERY_SECONDS, forget_answers),
        Job(
            "seal the entries",
            SEALING_EVERY_SECONDS,
            partial(seal, change, clock, Sealing()),
            first_after_seconds=SEALING_EVERY_SECONDS,
        ),
        Job("prove the books", PROOF_EVERY_SECONDS, prove, first_after_seconds=PROOF_FIRST_AFTER_SECONDS),
    ]


async def seal(change: Change, clock: BusinessClock, sealing: Sealing) -> None:
    """Everything that is written by now, a round at a time; for as long as it takes to be started again, whoever goes on writing."""
    began = time.monotonic()
    while time.monotonic() - began < SEALING_EVERY_SECONDS:
        look = await change(lambda store: look_for_unsealed(sealing, ProofStore(store.tx)))
        sealed = await _seal_in_rounds(change, clock, look, began + SEALING_SPREAD_SECONDS)
        sealing.sealed(look, sealed)
        if look.unsealed.whole or sealed < sum(look.unsealed.entries):  # who has a gap is never sealed: I8 names him
            break


async def _seal_in_rounds(change: Change, clock: BusinessClock, look: Look, until: float) -> int:
    """How many entries were sealed. The rests between rounds end with `until` (monotonic seconds)."""
    sealed, rounds = 0, list(look.rounds())
    for done, places in enumerate(rounds):
        began = time.monotonic()
        sealed += await change(lambda store: seal_entries(clock.now(), look, places, ProofStore(store.tx)))  # noqa: B023 - awaited at once
        ended = time.monotonic()
        took, left = ended - began, len(rounds) - done
        await asyncio.sleep(min(took * REST_PER_ROUND, max(0.0, (until - ended) / left - took)))
    return sealed
