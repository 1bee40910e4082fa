"""Thousands of histories of a consumer group, each drawn from its seed, against a model of three lines.

INVARIANT: whatever happens to members, lanes and answers: every number of every member has its effect once, is said once, in order, and no
cursor moves back. What would break it: anything that the other tests of this package break one at a time, in company.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import monotonic
from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_kit import crash, negative_control, reading
from laurel_kit.postgres import Database
from laurel_kit.telemetry import KitMetrics
from tests.fault.loop.observer import broken_moves, positions, rows
from tests.fault.loop.seeded import History, lane_ends, strike
from tests.fault.report import record, seed_of, sized
from tests.integration.kit.toy import HEARD

STEPS = 200
AT_ONCE = 4  # histories side by side, each in its own group: while one waits for the disk, another thinks
FORGET = (
    "DELETE FROM consumer_cursor WHERE grp = :grp", "DELETE FROM cursor_moved WHERE grp = :grp", "DELETE FROM parked_key WHERE grp = :grp",
    "DELETE FROM dead_letter WHERE grp = :grp", "DELETE FROM tally WHERE key = ANY(:keys)", "DELETE FROM outbox WHERE key = ANY(:keys)",
)  # fmt: skip


@pytest.fixture
async def group_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The database with an index for the observer, and the kit's crash points in the hand of the histories."""
    async with database.transaction() as tx:
        await tx.run(text("CREATE INDEX ON cursor_moved (grp)"))
        await tx.run(text("CREATE INDEX ON outbox (key)"))
    monkeypatch.setattr(crash, "at", strike)
    monkeypatch.setattr(reading, "DRAIN_SECONDS_MAX", 0.0)
    return database


async def differences(history: History) -> list[str]:
    """What is not as the model says; empty is the promise."""
    database, expected, found = history.database, history.expected(), []
    keys = [member.bytes for member in expected]
    tallies = {
        UUID(bytes=key): (last, times)
        for key, last, times in await rows(
            database, "SELECT key, last_number, times FROM tally WHERE key = ANY(:keys)", keys=keys
        )
    }
    found += [f"{who}: {tallies.get(who)}, not {must}" for who, must in expected.items() if tallies.get(who) != must]
    told: dict[bytes, list[int]] = defaultdict(list)
    for key, number in await rows(
        database, "SELECT key, number FROM outbox WHERE topic <> :topic AND key = ANY(:keys) ORDER BY id",
        topic=f"{HEARD}.dead-letter", keys=keys,
    ):  # fmt: skip
        told[key].append(number)
    found += [
        f"{UUID(bytes=key)} was told {numbers}" for key, numbers in told.items() if numbers != sorted(set(numbers))
    ]
    found += await broken_moves(database, group=history.group)
    stood = await rows(
        database, "SELECT partition, next_offset FROM consumer_cursor WHERE grp = :grp", grp=history.group
    )
    if dict(stood) != lane_ends(history):
        found.append(f"the lanes stand at {stood}, the topic ends at {lane_ends(history)}")
    open_letters = await rows(
        database, "SELECT count(*) FROM dead_letter WHERE grp = :grp AND state = 'open'", grp=history.group
    )
    parked = await rows(database, "SELECT count(*) FROM parked_key WHERE grp = :grp", grp=history.group)
    if open_letters != [(0,)] or parked != [(0,)]:
        found.append(f"{open_letters[0][0]} letters open, {parked[0][0]} keys parked")
    return found


class Run:
    """Many histories, and what came of them."""

    def __init__(self, database: Database, steps: int = STEPS) -> None:
        self.database = database
        self.steps = steps
        self.metrics = KitMetrics("seeded")
        self.failed: dict[int, str] = {}
        self.faults = self.records = 0

    async def one(self, seed: int) -> None:
        history = History(seed, self.database, self.metrics)
        try:
            await history.run(self.steps)
            found = await differences(history)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed that shows it is what counts
            found = [f"{type(error).__name__}: {error}"]
        if found:
            self.failed[seed] = f"{found[:3]} after {history.steps[-20:]}"
        self.faults += history.faults.struck
        self.records += sum(lane_ends(history).values())
        async with self.database.transaction() as tx:
            keys = [member.bytes for member in history.expected()]
            for statement in FORGET:
                await tx.run(text(statement), **({"keys": keys} if ":keys" in statement else {"grp": history.group}))

    async def all(self, seeds: list[int]) -> None:
        waiting = iter(seeds)

        async def worker() -> None:
            for seed in waiting:
                await self.one(seed)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(8, marks=pytest.mark.fault),
        pytest.param(300, marks=[pytest.mark.fault, pytest.mark.long]),
        pytest.param(
            sized(10_000), id="10,000", marks=[pytest.mark.long, pytest.mark.nightly, pytest.mark.timeout(6 * 3600)]
        ),
    ],
)
async def test_t_k38_every_history_of_a_group_ends_as_the_model_says(group_database: Database, count: int) -> None:
    """T-K38: rebalances, deaths, standing still, lost answers, poison, repetitions and people, 200 steps a history."""
    began, first = monotonic(), seed_of("T-K38", 1)
    run = Run(group_database)
    await run.all(list(range(first, first + count)))
    record(
        "T-K38", f"{count:,} seeds x {STEPS} steps: {len(run.failed)} failed {sorted(run.failed)[:5]}; {run.records:,} records,"
        f" {run.faults:,} faults struck", "all seeds green", not run.failed, seed=first, seconds=monotonic() - began,
    )  # fmt: skip
    assert run.failed == {}, f"first seed {first}, failing seeds {sorted(run.failed)}"
    assert run.faults >= count  # a history without a fault proves nothing
    assert await positions(group_database, HEARD) == {}


@pytest.mark.fault
async def test_t_k38_without_our_own_position_the_model_notices(
    group_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-K38, the negative control: the same histories, with Kafka's offset believed, cursors not compared, every number let pass."""
    monkeypatch.setattr(negative_control, "on", lambda control=negative_control.NO_DEDUPE: control == "no-dedupe")
    run = Run(group_database)
    await run.all(list(range(1, 5)))
    record(
        "T-K38 control",
        f"{len(run.failed)} of 4 histories without dedupe are caught",
        "all caught",
        len(run.failed) == 4,
    )
    assert len(run.failed) == 4, run.failed
