"""The routes every service has. The one thing not to break: /livez asks nobody; a database or broker that is away must not have the
process killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
import structlog
from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import text

from laurel_kit import migrate, sql
from laurel_kit.applying import Applier
from laurel_kit.dead_letters import LIST_MAX, SOMEBODY, DeadLetters, NotReplayable
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.problems import Problem
from laurel_kit.reading import Reader
from laurel_kit.resaying import Resay
from laurel_kit.telemetry import KitMetrics

T = TypeVar("T")
CountWaiting = Callable[[], Awaitable[int]]
CountUnfinished = Callable[[], Awaitable[Mapping[str, int]]]  # what was begun and has not come to its end, by kind
BIGINT_MAX = 2**63 - 1
LetterId = Annotated[int, InPath(ge=1, le=BIGINT_MAX)]

ASKED_BY_CHARS_MAX = 200
# For the OpenAPI document.
NOT_READY: dict[str, Any] = {
    "description": "Not ready, and why",
    "content": {"application/json": {"schema": {"type": "object"}}},
}
METRICS: dict[str, Any] = {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}

PING_CACHED_SECONDS = 1.0
PING_WAIT_SECONDS = 2.0
POLLED_SECONDS_MAX = 15.0  # a reader that has not asked Kafka for so long is not ready

PING = text("SELECT 1")
REVISION = text("SELECT version_num FROM alembic_version")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the health routes look at."""

    name: str
    database: Database
    metrics: KitMetrics
    reader: Reader[Any] | None = None
    relay: Relay | None = None
    migrations: Path | None = None
    count_waiting: CountWaiting | None = None
    count_unfinished: CountUnfinished | None = None


class Readiness:
    """Whether this process can do its work now. Asks the database at most once a second."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._head = migrate.head(parts.migrations) if parts.migrations else None
        self._asked_at = float("-inf")
        self._trouble: str | None = "not asked yet"

    async def _database_trouble(self) -> str | None:
        if time.monotonic() - self._asked_at < PING_CACHED_SECONDS:
            return self._trouble
        try:
            async with asyncio.timeout(PING_WAIT_SECONDS), self._parts.database.reading() as tx:
                if self._head is None:
                    await tx.run(PING)
                    self._trouble = None
                else:
                    current = (await tx.run(REVISION)).scalar_one_or_none()
                    self._trouble = None if current == self._head else f"revision {current}, not {self._head}"
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
            log.warning("the database does not answer", error=type(error).__name__)
            self._trouble = type(error).__name__
        self._asked_at = time.monotonic()
        return self._trouble

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """(ready, what each part says)."""
        trouble = await self._database_trouble()
        said: dict[str, Any] = {"database": trouble or "ok"}
        ready = trouble is None
        reader, relay = self._parts.reader, self._parts.relay
        if reader is not None and reader.wanted:
            reads = reader.assigned and time.monotonic() - reader.polled_at < POLLED_SECONDS_MAX
            said["reader"] = "ok" if reads else "not assigned or not polling"
            ready = ready and reads
        if relay is not None and relay.running:
            said["relay"] = "leader" if relay.is_leader else "another process relays"
        return ready, said


def of_health(parts: Parts) -> APIRouter:
    """/livez, /readyz, /metrics and /progress."""
    router = APIRouter(tags=["health"])
    readiness = Readiness(parts)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", responses={503: NOT_READY})
    async def readyz(response: Response) -> dict[str, Any]:
        ready, said = await readiness.report()
        response.status_code = 200 if ready else 503
        return {"status": "ready" if ready else "not ready", **said}

    @router.get("/metrics", response_class=Response, responses={200: METRICS})
    async def show_metrics() -> Response:
        return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/progress")
    async def progress() -> dict[str, Any]:
        return await _progress(parts)

    return router


async def _progress(parts: Parts) -> dict[str, Any]:
    """Where the service stands. `end_offset` is null where no reader runs in this process."""
    reader, relay = parts.reader, parts.relay
    ends = await reader.end_offsets() if reader is not None and reader.running else {}
    async with parts.database.reading() as tx:
        rows = (await tx.run(sql.OUTBOX_COUNT)).one().rows
        found = (await tx.run(sql.CURSORS_READ, grp=reader.group)).all() if reader is not None else []
    cursors = [
        {
            "topic": c.topic,
            "partition": c.partition,
            "next_offset": c.next_offset,
            "end_offset": ends.get((c.topic, c.partition)),
        }
        for c in found
    ]
    lanes = reader.lane_reports() if reader is not None else []
    # Last, because what it counts may be begun by what was counted before.
    unfinished = dict(await parts.count_unfinished()) if parts.count_unfinished else {}
    return {
        "service": parts.name,
        "outbox_rows": rows,
        "cursors": cursors,
        "lanes": lanes,
        "moved_total": (reader.moved_total if reader is not None else 0)
        + (relay.sent_total if relay is not None else 0),
        "waiting": await parts.count_waiting()
        if parts.count_waiting
        else sum(lane["state"] != "open" for lane in lanes),
        "unfinished": unfinished,
    }


class Acting(BaseModel):
    """Who asks for it, for the record. There are no accounts: it is believed."""

    by: Annotated[str, Field(min_length=1, max_length=ASKED_BY_CHARS_MAX)] = SOMEBODY


def of_dead_letters(applier: Applier[Any]) -> APIRouter:
    """List, show, replay and discard the dead letters of the reader."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])
    letters = DeadLetters(applier)

    @router.get("")
    async def find(
        state: Literal["open", "replayed", "discarded"] | None = None,
        limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 100,
        after: Annotated[int, Query(ge=0, le=BIGINT_MAX)] = 0,
    ) -> dict[str, Any]:
        items = await letters.find(state=state, limit=limit, after=after)
        return {"items": items, "next": items[-1]["id"] if len(items) == limit else None}

    @router.get("/{letter_id}")
    async def show(letter_id: LetterId) -> dict[str, Any]:
        return await _or_problem(letters.show(letter_id))

    @router.post("/{letter_id}/replay")
    async def replay(letter_id: LetterId, acting: Acting | None = None) -> dict[str, Any]:
        return msgspec.structs.asdict(await _or_problem(letters.replay(letter_id, (acting or Acting()).by)))

    @router.post("/{letter_id}/discard")
    async def discard(letter_id: LetterId, acting: Acting | None = None) -> dict[str, Any]:
        return msgspec.structs.asdict(await _or_problem(letters.discard(letter_id, (acting or Acting()).by)))

    return router


async def _or_problem(work: Awaitable[T]) -> T:
    try:
        return await work
    except NotReplayable as error:
        status = 404 if error.reason == "not_found" else 409
        raise Problem(status, error.reason, "The dead letter cannot be dealt with", error.detail) from error


class ResayRequest(BaseModel):
    """Whom to speak of again; nobody given: all, a page at a time, each request after the `next` of the answer before."""

    member_id: UUID | None = None
    after: UUID | None = None


class ResayAnswer(BaseModel):
    """How many messages were said; and where there is more to say, after whom to go on."""

    said: int
    next: UUID | None


def of_resay(resay: Resay) -> APIRouter:
    """Say the service's facts again, from its own books, under the same ids and numbers."""
    router = APIRouter(prefix="/v1", tags=["resay"])

    @router.post("/resay", status_code=202)
    async def say_again(request: ResayRequest) -> ResayAnswer:
        page = await resay(request.member_id, request.after)
        return ResayAnswer(said=page.said, next=page.next)

    return router
