"""Reading: every statement for itself, or all of one moment. What would break it: a setting "of the transaction" where there is none, which
PostgreSQL takes with a warning and forgets."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from laurel_kit.failures import PoolBusy
from laurel_kit.postgres import AUDIT_STATEMENT_SECONDS_MAX, Database

from .toy import SAID, SIGNED_IN

COUNT = text("SELECT count(*) FROM outbox")
TIMEOUT = text("SHOW statement_timeout")


async def say_one(database: Database) -> None:
    async with database.transaction() as tx:
        tx.say(topic=SAID, partition=0, key=None, type=SIGNED_IN, id="one", number=None, body=b"{}")


async def test_readings_that_hold_still_are_of_one_moment_and_others_are_not(database: Database) -> None:
    for still, seen in ((True, [0, 0]), (False, [1, 2]), (True, [2, 2])):  # the connection comes back as it was
        async with database.reading(still=still) as tx:
            counts = [(await tx.run(COUNT)).scalar_one()]
            await say_one(database)
            counts.append((await tx.run(COUNT)).scalar_one())
        assert counts == seen


async def test_what_is_set_for_one_long_reading_holds_in_it_and_not_after_it(database: Database) -> None:
    async with database.reading() as tx:
        usual = (await tx.run(TIMEOUT)).scalar_one()
    async with database.reading(still=True) as tx:
        await tx.run(text("SET LOCAL statement_timeout = '2min'"))
        assert (await tx.run(TIMEOUT)).scalar_one() == "2min"
    async with database.reading() as tx:
        assert (await tx.run(TIMEOUT)).scalar_one() == usual


async def test_an_audit_is_of_one_moment_outlasts_the_limits_of_other_statements_and_runs_alone(
    database: Database,
) -> None:
    """Would break it: the pool's own limit of 15 s, which cut off the proof of a ledger of ten million entries."""
    async with database.auditing() as tx:
        seen = [
            (await tx.run(text(f"SHOW {name}"))).scalar_one() for name in ("statement_timeout", "transaction_isolation")
        ]
        assert seen == ["10min", "repeatable read"]
        raw = await tx.connection.get_raw_connection()
        driver: Any = raw.driver_connection
        assert driver._config.command_timeout > AUDIT_STATEMENT_SECONDS_MAX
        with pytest.raises(PoolBusy):
            async with database.auditing():
                pass
    async with database.auditing() as tx:
        assert (await tx.run(text("SELECT 1"))).scalar_one() == 1
