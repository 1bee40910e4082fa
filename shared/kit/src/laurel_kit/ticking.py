"""Jobs: what the calendar starts, ticking inside the process. The one thing not to break: a job runs in one process at a time, and a job
that fails is told and tried again at its next tick; it takes nothing down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from laurel_kit.kafka import wait_or_stop
from laurel_kit.postgres import COMMAND_SECONDS_MAX, CONNECT_SECONDS_MAX, SESSION_SETTINGS, Database
from laurel_kit.telemetry import KitMetrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something the calendar starts. Only one process runs it at a time; it is started again `every_seconds` after its last start, or at
    once when it took longer. `first_after_seconds`: so long after the process began, where a process that has just been started has better
    things to do. `may_be_cut`: a process that is asked to end does not wait for it; only for what goes in transactions of its own.
    `is_due` is asked first, without the lock and outside of any transaction: for a job that looks often and mostly finds nothing."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[Any]]
    first_after_seconds: float = 0.0
    may_be_cut: bool = False
    is_due: Callable[[], Awaitable[bool]] | None = None


class JobRunner:
    """Ticks the jobs of one process. The locks are held by a session of their own, so that no transaction stays open."""

    def __init__(self, database: Database, jobs: Sequence[Job], metrics: KitMetrics | None = None) -> None:
        self._database = database
        self._jobs = tuple(jobs)
        self._metrics = metrics or KitMetrics(database.application_name)
        self._connection: asyncpg.Connection | None = None
        self._asking = asyncio.Lock()  # an asyncpg connection answers one question at a time

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; a job that is running then is finished, or cut where it may be."""
        try:
            async with asyncio.TaskGroup() as group:
                for job in self._jobs:
                    group.create_task(self._tick(job, stop))
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def _tick(self, job: Job, stop: asyncio.Event) -> None:
        await wait_or_stop(stop, job.first_after_seconds)
        while not stop.is_set():
            began = time.monotonic()
            await (_cut_by(stop, self.run_once(job)) if job.may_be_cut else self.run_once(job))
            await wait_or_stop(stop, max(0.0, job.every_seconds - (time.monotonic() - began)))

    async def run_once(self, job: Job) -> bool:
        """Run it now, unless another process does. Returns whether it ran; one that is not due has."""
        result = "done"
        try:
            if job.is_due is None or await job.is_due():
                async with self._held(job.name) as held:
                    if not held:
                        return False
                    await job.run()
        except Exception:
            log.exception("a job failed", job=job.name)
            result = "failed"
        self._metrics.job_runs.labels(job.name, result).inc()
        return True

    @asynccontextmanager
    async def _held(self, name: str) -> AsyncIterator[bool]:
        """The job's lock, if it is free."""
        lock = f"laurel job {name}"
        held = await self._ask("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", lock)
        try:
            yield held
        finally:
            if held:
                await self._ask("SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock)

    async def _ask(self, statement: str, lock: str) -> bool:
        async with self._asking:
            if self._connection is None or self._connection.is_closed():
                settings = SESSION_SETTINGS | {"application_name": f"{self._database.application_name}-jobs"}
                self._connection = await asyncpg.connect(
                    self._database.dsn,
                    server_settings=settings,
                    timeout=CONNECT_SECONDS_MAX,
                    command_timeout=COMMAND_SECONDS_MAX,
                )
            return bool(await self._connection.fetchval(statement, lock))


async def _cut_by(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> None:
    """Until `work` or the process ends."""
    running, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, stopped):
            task.cancel()
        await asyncio.wait((running, stopped))
    if not running.cancelled():
        running.result()
