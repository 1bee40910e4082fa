"""What the calendar starts. The one thing not to break: each run goes in bounded transactions and may be repeated; what it does not reach,
the next one does."""

from __future__ import annotations

from laurel_kit.clock import BusinessClock
from laurel_kit.once import forget_old_answers
from laurel_kit.postgres import Database
from laurel_kit.service import Job

ANSWERS_EVERY_SECONDS = 600.0
ANSWERS_PER_TRANSACTION = 1_000


def runs(database: Database, clock: BusinessClock) -> list[Job]:
    """Schedule → handler."""

    async def forget_answers() -> None:
        forgotten = 1
        while forgotten:
            async with database.transaction() as tx:
                forgotten = await forget_old_answers(clock.now(), ANSWERS_PER_TRANSACTION, tx)

    return [Job("forget old answers", ANSWERS_EVERY_SECONDS, forget_answers)]
