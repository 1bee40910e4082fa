"""Jobs: one process at a time, and a failing job takes nothing down."""

from __future__ import annotations

import asyncio

from laurel_kit.postgres import Database
from laurel_kit.telemetry import KitMetrics
from laurel_kit.ticking import Job, JobRunner


async def test_a_job_runs_in_one_process_at_a_time(database: Database) -> None:
    go_on, started = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await go_on.wait()

    job = Job("sweep", 60, work)
    first, second = JobRunner(database, [job]), JobRunner(database, [job])
    running = asyncio.create_task(first.run_once(job))
    await started.wait()
    assert not await second.run_once(job)
    assert await second.run_once(Job("another", 60, asyncio.Event.set.__get__(go_on)))
    assert await running
    assert await second.run_once(job)


async def test_a_job_that_fails_is_counted_and_runs_again(database: Database) -> None:
    metrics, calls, stop = KitMetrics("t"), 0, asyncio.Event()

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("a defect")
        stop.set()

    await asyncio.wait_for(JobRunner(database, [Job("sweep", 0.01, work)], metrics).run(stop), 10)
    assert calls == 2
    runs = metrics.job_runs
    assert (runs.labels("sweep", "failed")._value.get(), runs.labels("sweep", "done")._value.get()) == (1, 1)
