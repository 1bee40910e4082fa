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


async def test_a_job_that_is_not_due_takes_no_lock_and_does_not_run(database: Database) -> None:
    """What would break it: a job that looks five times a second and asks for a lock and a transaction each time."""
    due, ran = False, 0

    async def is_due() -> bool:
        return due

    async def work() -> None:
        nonlocal ran
        ran += 1

    metrics = KitMetrics("t")
    job = Job("sweep", 60, work, is_due=is_due)
    runner = JobRunner(database, [job], metrics)
    assert await runner.run_once(job)
    assert (ran, runner._connection) == (0, None)
    due = True
    assert await runner.run_once(job)
    assert ran == 1
    assert metrics.job_runs.labels("sweep", "done")._value.get() == 2


async def test_a_job_whose_look_fails_is_counted_as_failed(database: Database) -> None:
    async def is_due() -> bool:
        raise ConnectionError("the database is away")

    metrics = KitMetrics("t")
    job = Job("sweep", 60, asyncio.Event().wait, is_due=is_due)
    assert await JobRunner(database, [job], metrics).run_once(job)
    assert metrics.job_runs.labels("sweep", "failed")._value.get() == 1


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


async def test_a_process_that_ends_cuts_a_job_that_may_be_cut_and_finishes_the_others(database: Database) -> None:
    """What would break it: a job with rests in it that a process waits for, until its ten seconds are over and it is killed."""
    stop, resting, working, cut, goes_on = (asyncio.Event() for _ in range(5))
    finished = False

    async def rests() -> None:
        resting.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    async def works() -> None:
        nonlocal finished
        working.set()
        await goes_on.wait()
        finished = True

    runner = JobRunner(database, [Job("rests", 60.0, rests, may_be_cut=True), Job("works", 60.0, works)])
    running = asyncio.create_task(runner.run(stop))
    async with asyncio.timeout(10):
        await resting.wait()
        await working.wait()
        stop.set()
        await cut.wait()
        assert not running.done()
        goes_on.set()
        await running
    assert finished
