"""Our services, as the processes they are, reading a log that is there: from the moment they may fetch to the moment everything is
committed and said. The log holds 1 % of its records twice and one stretch that was sent again."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.bench.books import check_points, demand
from tests.bench.machine import Cpu
from tests.bench.purchases import Expected
from tests.bench.stage import Ends, Stage, refuse_if_dead, starting_gun
from tests.support.shop import Deadline

LOOK_SECONDS = 0.02
RUN_SECONDS_MAX = 180.0

CURSORS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_cursor WHERE grp = $1 AND topic = 'activities'"
UNSAID = "SELECT EXISTS (SELECT FROM outbox)"
TIERS = """
SELECT coalesce(sum(last_seq), 0)::bigint AS events, count(*) AS members, coalesce(sum(spend_total), 0)::bigint AS amount_minor,
       coalesce(sum(ordinal), 0)::bigint AS facts, (SELECT count(*) FROM standing) AS kept,
       (SELECT coalesce(sum(spend_minor), 0)::bigint FROM member_day) AS by_day, (SELECT count(*) FROM dead_letter) AS dead_letters
FROM member
"""


@dataclass(frozen=True, slots=True)
class Log:
    """The log of `activities`: where it ends, and what must come of it."""

    ends: Ends
    expected: Expected


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run. CPU in seconds by python, postgres and kafka."""

    events: int
    seconds: float
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    def micro(self, part: str) -> float:
        """CPU µs per event."""
        return self.cpu[part] / self.events * 1e6

    @property
    def micro_all(self) -> float:
        return sum(self.cpu.values()) / self.events * 1e6

    def as_json(self) -> dict[str, Any]:
        cpu = {part: round(self.micro(part), 2) for part in self.cpu}
        return {
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "per_second": round(self.per_second),
            "cpu_us": cpu,
        }


async def points(
    stage: Stage,
    template: str,
    log: Log,
    *,
    workers: int = 1,
    batch: int = 1_000,
    records: int | None = None,
    prove: bool = True,
    in_use: bool = False,
) -> Run:
    """points-svc over the whole log, or over at least so many records of it; then its books."""
    database, before = await (stage.in_use if in_use else stage.fresh)(template), await stage.ends("points")
    for beside in ("tiers", "campaigns"):  # what other runs have said there is not about these books
        await stage.begin_at(database, "points-svc", await stage.ends(beside))
    run = await _run(
        stage, "points-svc", database, workers=workers, records=log.ends.total if records is None else records,
        LAUREL_BATCH_RECORDS_MAX=str(batch),
    )  # fmt: skip
    expected = log.expected if records is None else None
    await check_points(stage, database, before, expected=expected, prove=prove)
    await stage.drop(database)
    return run


async def tiers(stage: Stage, template: str, log: Log) -> Run:
    """tier-svc over the whole log; then its standings."""
    database, before = await stage.fresh(template), await stage.ends("tiers")
    run = await _run(stage, "tier-svc", database, workers=1, records=log.ends.total)
    connection = await asyncpg.connect(stage.dsn(database))
    try:
        found = dict(await connection.fetchrow(TIERS))
    finally:
        await connection.close()
    want = log.expected
    demand("dead letters", found["dead_letters"], 0)
    demand("members", (found["events"], found["members"]), (want.events, want.members))
    demand("money spent", (found["amount_minor"], found["by_day"]), (want.amount_minor, want.amount_minor))
    demand("facts kept", found["kept"], found["facts"])
    said = [record async for record in stage.said_since(before, await stage.ends("tiers")) if record.key is not None]
    demand("facts said", len(said), found["facts"])
    demand("distinct facts", len({(record.key, dict(record.headers)["number"]) for record in said}), found["facts"])
    await stage.drop(database)
    return run


async def _run(stage: Stage, service: str, database: str, *, workers: int, records: int, **settings: str) -> Run:
    looking = await asyncpg.connect(stage.dsn(database))
    with ExitStack() as running:
        processes = [
            running.enter_context(stage.service(service, database, place=place, **settings)) for place in range(workers)
        ]
        try:
            async with starting_gun(stage, database, processes):
                parts = {"python": tuple(process.pid for process in processes)}
                cpu = Cpu(parts | {"postgres": (stage.pids["postgres"],), "kafka": (stage.pids["kafka"],)})
                began = time.perf_counter()
            until = Deadline(RUN_SECONDS_MAX)
            while (reached := await looking.fetchval(CURSORS, service)) < records:
                refuse_if_dead(stage, processes)
                if until.passed():
                    raise TimeoutError(f"{service} has come to {reached} of {records} records")
                await asyncio.sleep(LOOK_SECONDS)
            for _ in range(int(RUN_SECONDS_MAX / LOOK_SECONDS)):
                if not await looking.fetchval(UNSAID):
                    break
                await asyncio.sleep(LOOK_SECONDS)
            seconds, spent = time.perf_counter() - began, cpu.spent()
            sql = (
                "SELECT sum(activity)::bigint FROM account"
                if service == "points-svc"
                else "SELECT sum(last_seq)::bigint FROM member"
            )
            events = await looking.fetchval(sql)
        finally:
            await looking.close()
    return Run(events, seconds, spent)
