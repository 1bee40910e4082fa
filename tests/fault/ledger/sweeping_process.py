"""The sweep of points-svc as a process of its own, to be killed: `python -m tests.fault.ledger.sweeping_process`. It runs the job that the
service runs, on the loop that the service runs on, until nothing is left; the last line is how many seconds that took."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop
from prometheus_client import CollectorRegistry

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database
from points_svc import jobs
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

T = TypeVar("T")
URL = "DATABASE_URL"
LIMIT = "TEST_ACCOUNTS_PER_SWEEP"


async def sweep(url: str) -> float:
    """Sweep until nothing is left; how many seconds it took."""
    database, shelf = Database(url, application_name="points-svc"), Shelf()
    metrics = PointsMetrics(CollectorRegistry())

    async def change(work: Callable[[PointsStore], Awaitable[T]]) -> T:
        return await database.in_transaction(lambda tx: work(PointsStore(tx, shelf)))

    async def always() -> bool:
        return True

    async def nothing() -> None:
        return None

    run = next(
        job for job in jobs.runs(change, always, nothing, BusinessClock(0), metrics) if job.name == jobs.SWEEP
    ).run
    began = time.monotonic()
    try:
        await run()
        return time.monotonic() - began
    finally:
        await database.close()


def main() -> None:
    if limit := os.environ.get(LIMIT):
        jobs.ACCOUNTS_PER_SWEEP = (int(limit), int(limit))
    sys.stdout.write(f"{uvloop.run(sweep(os.environ[URL]))}\n")


if __name__ == "__main__":
    main()
