"""What the calendar starts. The one thing not to break: each run goes in bounded transactions and may be repeated; what it does not reach,
the next one does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from laurel_kit.clock import BusinessClock
from laurel_kit.once import forget_old_answers
from laurel_kit.postgres import Database, Transaction
from laurel_kit.service import Job
from tier_svc.handlers.show_benefits import show_usage
from tier_svc.store import TierStore

ANSWERS_EVERY_SECONDS = 600.0
ANSWERS_PER_TRANSACTION = 1_000
USAGE_EVERY_SECONDS = 900.0  # reads every member once: a gauge for people, not a counter
USAGE_FIRST_AFTER_SECONDS = 300.0  # a process that has just been started catches up first
USAGE_DAYS = timedelta(days=30)


def runs(database: Database, open_store: Callable[[Transaction], TierStore], clock: BusinessClock) -> list[Job]:
    """Schedule → handler."""

    async def forget_answers() -> None:
        forgotten = 1
        while forgotten:
            async with database.transaction() as tx:
                forgotten = await forget_old_answers(clock.now(), ANSWERS_PER_TRANSACTION, tx)

    async def measure_usage() -> None:
        until = clock.now().date() + timedelta(days=1)
        async with database.reading() as tx:
            store = open_store(tx)
            for each in await show_usage(until - USAGE_DAYS, until, store) or ():
                store.metrics.benefit_usage(each.benefit.id, each.tier, each.entitled, each.users)

    return [
        Job("forget old answers", ANSWERS_EVERY_SECONDS, forget_answers),
        Job("measure benefit usage", USAGE_EVERY_SECONDS, measure_usage, first_after_seconds=USAGE_FIRST_AFTER_SECONDS),
    ]
