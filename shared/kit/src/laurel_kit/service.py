"""Birth and death of a process: HTTP, reader, relay and jobs side by side in one task group. The one thing not to break: when one part
dies, the process ends with a code that is not 0; on SIGTERM it ends with 0 within ten seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from laurel_kit.http import BODY_BYTES_MAX, CountWaiting, Resay
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from laurel_kit.settings import KitSettings
from laurel_kit.telemetry import KitMetrics

PARTS = ("api", "consumer", "relay", "jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """Something the calendar starts. Only one process runs it at a time; `run` is called again `every_seconds` after it ended."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Service:
    """All parts of one service, built by its `main`. `on_start` runs after the migrations and before any part; `migrations` is the
    folder with the revisions."""

    name: str
    settings: KitSettings
    database: Database
    routers: Sequence[APIRouter] = ()
    reader: Reader[Any] | None = None
    relay: Relay | None = None
    jobs: Sequence[Job] = ()
    on_start: Sequence[Callable[[], Awaitable[None]]] = ()
    migrations: Path | None = None
    metrics: KitMetrics | None = None
    resay: Resay | None = None
    count_waiting: CountWaiting | None = None
    body_bytes_max: int = BODY_BYTES_MAX
    on_stop: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=tuple)


def run(service: Service, arguments: Sequence[str] | None = None) -> None:
    """Run the process until SIGTERM, and exit. `--only api|consumer|relay|jobs` runs one part."""
    raise NotImplementedError


async def run_job(job: Job, stop: asyncio.Event) -> None:
    """Tick one job until `stop` is set."""
    raise NotImplementedError
