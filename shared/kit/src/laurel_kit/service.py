"""Birth and death of a process: HTTP, reader, relay and jobs side by side in one task group. The one thing not to break: when one part
dies, the process ends with a code that is not 0; on SIGTERM it ends with 0 within ten seconds."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import APIRouter
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp

from laurel_kit import migrate, negative_control
from laurel_kit.failures import Verdict, verdict_of
from laurel_kit.http import BODY_BYTES_MAX, CountUnfinished, CountWaiting, Resay, create_app
from laurel_kit.http_protocol import HttpProtocol
from laurel_kit.kafka import wait_or_stop
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database, refuse_unless_durable
from laurel_kit.reading import Reader
from laurel_kit.settings import KitSettings
from laurel_kit.short_way import InFront, ShortWay
from laurel_kit.telemetry import KitMetrics, set_up_logs
from laurel_kit.ticking import Job, JobRunner

PARTS = ("api", "consumer", "relay", "jobs")
MIGRATIONS = "migrations"  # no part of a running service: the tables are made by who owns them, and the process ends
# The platform gives ten seconds. What is not finished by then is done again by the next process: nothing is lost.
STOP_SECONDS_MAX = 9.5
HTTP_STOP_SECONDS_MAX = 5
RELAY_WAITS_SECONDS_MAX = 6.0  # for the reader's last batch, before the relay drains
START_PAUSE_SECONDS = 0.5
# New objects between two looks at the young generation. A batch of 1000 keeps some 100,000 while it is decided, and none of them in a
# cycle: a look in the midst of it finds nothing and costs a tenth of the time.
GC_THRESHOLD_OBJECTS = 250_000
START_ATTEMPTS_MAX = 60  # half a minute and more for a database that starts beside us

__all__ = ["Job", "Service", "run"]

log = structlog.get_logger(__name__)


class PartEnded(Exception):
    """A part returned although nobody asked it to."""


@dataclass(slots=True)
class Service:
    """All parts of one service, built by its `main`. `migrations` is the folder with the revisions; `on_start` runs after them and before
    any part; `on_stop` when all parts have ended. `metrics`, when not given, is the reader's."""

    name: str
    settings: KitSettings
    database: Database
    routers: Sequence[APIRouter] = ()
    reader: Reader[Any] | None = None
    relay: Relay | None = None
    jobs: Sequence[Job] = ()
    on_start: Sequence[Callable[[], Awaitable[Any]]] = ()
    migrations: Path | None = None
    metrics: KitMetrics | None = None
    resay: Resay | None = None
    count_waiting: CountWaiting | None = None
    count_unfinished: CountUnfinished | None = None
    body_bytes_max: int = BODY_BYTES_MAX
    short_way: ShortWay | None = None
    on_stop: Sequence[Callable[[], Awaitable[Any]]] = ()


def run(service: Service, arguments: Sequence[str] | None = None) -> None:
    """Run the process until SIGTERM, and exit. `--only api|consumer|relay|jobs` runs one part (health and metrics are always there);
    `--only migrations` makes the tables as their owner (LAUREL_OWNER_DATABASE_URL) for the login of LAUREL_DATABASE_URL, and ends."""
    parser = argparse.ArgumentParser(prog=service.name)
    parser.add_argument("--only", choices=(*PARTS, MIGRATIONS), help="run one part of the service")
    only = parser.parse_args(arguments).only
    set_up_logs(service.name, service.settings.log_level)
    negative_control.announce()
    quiet_garbage_collector()
    work = migrate_only(service) if only == MIGRATIONS else live(service, frozenset(PARTS if only is None else [only]))
    code = uvloop.run(work)
    sys.stdout.flush()
    os._exit(code)  # no thread and no half-closed client may keep the process


async def migrate_only(service: Service) -> int:
    """Make the tables as their owner and give the service's login what it may do. Returns the exit code."""
    settings = service.settings
    if service.migrations is None or settings.owner_database_url is None:
        log.critical("migrations need LAUREL_OWNER_DATABASE_URL, and a service that has any")
        return 1
    login = make_url(settings.database_url).username
    try:
        await migrate.upgrade(settings.owner_database_url, service.migrations, hand_to=login)
    except Exception:
        log.critical("the migrations have failed", exc_info=True)
        return 1
    finally:
        await _close(service)
    log.info("the tables are as they should be", login=login)
    return 0


def quiet_garbage_collector() -> None:
    """What was built at the start lives as long as the process; a batch makes and drops tens of thousands of objects, none of them in a
    cycle. Looking through all of them every 700 objects costs a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD_OBJECTS, 20, 100)


async def live(service: Service, parts: frozenset[str]) -> int:
    """From birth to death. Returns the exit code."""
    stop = asyncio.Event()
    _on_signals(stop)
    service.metrics = service.metrics or (service.reader.metrics if service.reader else KitMetrics(service.name))
    if service.reader is not None:
        service.reader.metrics = service.metrics
        service.reader.wanted = "consumer" in parts
        service.reader.partitions = service.reader.partitions or service.settings.partitions
    if service.relay is not None:
        service.relay.metrics = service.metrics
    try:
        if not await _prepare(service, stop):
            return 0
        log.info("the service starts", parts=sorted(parts), port=service.settings.service_port)
        async with asyncio.TaskGroup() as group:
            for name, part in _parts_of(service, parts, stop):
                group.create_task(_watched(name, part, stop), name=name)
    except Exception as error:
        for cause in _leaves(error):
            log.critical("a part of the service has died", exc_info=cause)
        return 1
    finally:
        await _close(service)
    log.info("the service has ended")
    return 0


def _on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT ask for the end; after the grace period it comes by itself."""

    def ask() -> None:
        if not stop.is_set():
            log.info("the service is asked to end")
            stop.set()
            deadline = threading.Timer(STOP_SECONDS_MAX, os._exit, args=(0,))
            deadline.daemon = True
            deadline.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)


async def _prepare(service: Service, stop: asyncio.Event) -> bool:
    """Migrations and what must be done before any part starts; waits for a database that is only just starting."""
    for attempt in range(1, START_ATTEMPTS_MAX + 1):
        try:
            await refuse_unless_durable(service.settings.database_url)
            if service.migrations is not None:
                await migrate.upgrade(service.settings.database_url, service.migrations)
            for step in service.on_start:
                await step()
        except Exception as error:
            if verdict_of(error) is not Verdict.INFRASTRUCTURE or attempt == START_ATTEMPTS_MAX:
                raise
            log.warning("the start waits", error=type(error).__name__, reason=str(error)[:200])
            if await wait_or_stop(stop, START_PAUSE_SECONDS):
                return False
        else:
            return not stop.is_set()
    return False


def _parts_of(
    service: Service, parts: frozenset[str], stop: asyncio.Event
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """The parts to run. The relay ends after those that still fill its outbox."""
    api = "api" in parts
    app = create_app(
        service.name,
        database=service.database,
        routers=service.routers if api else (),
        metrics=service.metrics,
        reader=service.reader,
        relay=service.relay,
        migrations=service.migrations,
        resay=service.resay if api else None,
        count_waiting=service.count_waiting,
        count_unfinished=service.count_unfinished,
        body_bytes_max=service.body_bytes_max,
    )
    fillers: list[asyncio.Event] = []

    def filler(part: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
        ended = asyncio.Event()
        fillers.append(ended)
        return _then_set(part, ended)

    asgi = InFront(app, service.short_way) if api and service.short_way else app
    yield "api", filler(_serve(asgi, service.settings, stop))
    if "consumer" in parts and service.reader is not None:
        yield "consumer", filler(service.reader.run(stop))
    if "jobs" in parts and service.jobs:
        yield "jobs", filler(JobRunner(service.database, service.jobs, service.metrics).run(stop))
    if "relay" in parts and service.relay is not None:
        yield "relay", _relay(service.relay, stop, fillers)


async def _then_set(part: Coroutine[Any, Any, None], ended: asyncio.Event) -> None:
    try:
        await part
    finally:
        ended.set()


async def _relay(relay: Relay, stop: asyncio.Event, fillers: Sequence[asyncio.Event]) -> None:
    """The relay, stopped only when the others have said their last, or have taken too long."""
    relay_stop = asyncio.Event()

    async def end_last() -> None:
        await stop.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELAY_WAITS_SECONDS_MAX):
                for ended in fillers:
                    await ended.wait()
        relay_stop.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(end_last())
        await relay.run(relay_stop)


async def _watched(name: str, part: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """A part may only end when it is asked to."""
    await part
    if not stop.is_set():
        raise PartEnded(f"{name} has ended by itself")


class _Server(uvicorn.Server):
    """uvicorn inside our process: signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(app: ASGIApp, settings: KitSettings, stop: asyncio.Event) -> None:
    server = _Server(
        uvicorn.Config(
            app, host=settings.service_host, port=settings.service_port, http=HttpProtocol, loop="none",
            log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=HTTP_STOP_SECONDS_MAX,
        )
    )  # fmt: skip

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    async with asyncio.TaskGroup() as group:
        ending = group.create_task(end())
        try:
            await server.serve()
        except SystemExit as error:  # the port is taken: uvicorn exits by itself
            raise OSError(f"cannot serve on port {settings.service_port}") from error
        ending.cancel()


async def _close(service: Service) -> None:
    for step in service.on_stop:
        try:
            await step()
        except Exception:
            log.exception("a closing step failed")
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2.0):
            await service.database.close()


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
