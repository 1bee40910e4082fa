"""The routes every service has. The one thing not to break: /livez asks nobody; a database or broker that is away must not have the
process killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import text

from laurel_kit import migrate, sql
from laurel_kit.postgres import Database
from laurel_kit.telemetry import KitMetrics

if TYPE_CHECKING:
    from laurel_kit.applying import Applier
    from laurel_kit.http import CountWaiting, Resay
    from laurel_kit.outbox import Relay
    from laurel_kit.reading import Reader

PING_CACHED_SECONDS = 1.0
PING_WAIT_SECONDS = 2.0
POLLED_SECONDS_MAX = 15.0  # a reader that has not asked Kafka for so long is not ready

PING = text("SELECT 1")
REVISION = text("SELECT version_num FROM alembic_version")


class Readiness:
    """Whether this process can do its work now. Asks the database at most once a second."""

    def __init__(
        self, database: Database, *, reader: Reader[Any] | None, relay: Relay | None, migrations: Path | None
    ) -> None:
        self._database = database
        self._reader = reader
        self._relay = relay
        self._head = migrate.head(migrations) if migrations else None
        self._asked_at = float("-inf")
        self._database_ok: str | None = "not asked yet"

    async def _database_trouble(self) -> str | None:
        if time.monotonic() - self._asked_at < PING_CACHED_SECONDS:
            return self._database_ok
        try:
            async with asyncio.timeout(PING_WAIT_SECONDS), self._database.reading() as tx:
                if self._head is None:
                    await tx.run(PING)
                    self._database_ok = None
                else:
                    current = (await tx.run(REVISION)).scalar_one_or_none()
                    self._database_ok = None if current == self._head else f"revision {current}, not {self._head}"
        except Exception as error:
            self._database_ok = type(error).__name__
        self._asked_at = time.monotonic()
        return self._database_ok

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """(ready, what each part says)."""
        trouble = await self._database_trouble()
        parts: dict[str, Any] = {"database": trouble or "ok"}
        ready = trouble is None
        if self._reader is not None and self._reader.running:
            polled = time.monotonic() - self._reader.polled_at
            ready = ready and self._reader.assigned and polled < POLLED_SECONDS_MAX
            parts["reader"] = (
                "ok" if self._reader.assigned and polled < POLLED_SECONDS_MAX else "not assigned or not polling"
            )
        if self._relay is not None and self._relay.running:
            parts["relay"] = "leader" if self._relay.is_leader else "another process relays"
        return ready, parts


def of_health(
    name: str,
    *,
    database: Database,
    metrics: KitMetrics,
    reader: Reader[Any] | None,
    relay: Relay | None,
    migrations: Path | None,
    count_waiting: CountWaiting | None,
) -> APIRouter:
    """/livez, /readyz, /metrics and /progress."""
    router = APIRouter(include_in_schema=False)
    readiness = Readiness(database, reader=reader, relay=relay, migrations=migrations)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, Any]:
        ready, parts = await readiness.report()
        response.status_code = 200 if ready else 503
        return {"status": "ready" if ready else "not ready", **parts}

    @router.get("/metrics")
    async def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/progress")
    async def progress() -> dict[str, Any]:
        return await _progress(name, database, reader, relay, count_waiting)

    return router


async def _progress(
    name: str, database: Database, reader: Reader[Any] | None, relay: Relay | None, count_waiting: CountWaiting | None
) -> dict[str, Any]:
    """Where the service stands. `end_offset` is null where no reader runs in this process."""
    ends = await reader.end_offsets() if reader is not None and reader.running else {}
    async with database.reading() as tx:
        rows = (await tx.run(sql.OUTBOX_COUNT)).one().rows
        cursors = []
        if reader is not None:
            found = await tx.run(sql.CURSORS_READ, grp=reader.group)
            cursors = [
                {"topic": c.topic, "partition": c.partition, "next_offset": c.next_offset,
                 "end_offset": ends.get((c.topic, c.partition))}
                for c in found
            ]  # fmt: skip
    lanes = reader.lane_reports() if reader is not None else []
    moved = (reader.moved_total if reader is not None else 0) + (relay.sent_total if relay is not None else 0)
    waiting = await count_waiting() if count_waiting else sum(lane["state"] != "open" for lane in lanes)
    return {
        "service": name,
        "outbox_rows": rows,
        "cursors": cursors,
        "lanes": lanes,
        "moved_total": moved,
        "waiting": waiting,
    }


def of_dead_letters(database: Database, applier: Applier[Any] | None) -> APIRouter:
    """List, show, replay and discard dead letters."""
    return APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


class ResayRequest(BaseModel):
    """Whom to speak of again; nobody given: all."""

    member_id: UUID | None = None


def of_resay(resay: Resay) -> APIRouter:
    """Say the service's facts again, from its own books, under the same ids and numbers."""
    router = APIRouter(prefix="/v1", tags=["resay"])

    @router.post("/resay", status_code=202)
    async def say_again(request: ResayRequest) -> dict[str, int]:
        return {"said": await resay(request.member_id)}

    return router
