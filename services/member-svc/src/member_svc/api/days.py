"""Days and imports: closing a day by command, what is closed, and leases that keep days open while history comes in."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictInt

from laurel_kit.http import Problem
from member_svc.api.access import Access
from member_svc.handlers.close_days import close_day
from member_svc.handlers.hold_days import begin_import, end_import, renew_import
from member_svc.metrics import MemberMetrics

_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ].+)?", re.ASCII)
TTL_SECONDS_MAX = 3_600  # an import that has died holds up the days no longer


class CloseDay(BaseModel):
    """`as_of`: an instant with an offset at which a programme-local day begins, or that day as YYYY-MM-DD."""

    as_of: str = Field(min_length=10, max_length=40)


class ClosedDay(BaseModel):
    """The day that is closed; `records` 0: it was so before."""

    as_of: datetime
    records: int


class BeginImport(BaseModel):
    """Who imports, and for how long the lease lives unless it is renewed."""

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")
    ttl_seconds: StrictInt = Field(default=60, ge=1, le=TTL_SECONDS_MAX)


class Lease(BaseModel):
    """A lease, alive until an instant of the machine's clock."""

    lease_id: UUID
    alive_until: datetime


def router(access: Access, metrics: MemberMetrics) -> APIRouter:
    """The routes of days and imports."""
    routes = APIRouter(prefix="/v1", tags=["calendar"])

    @routes.post("/days/close")
    async def close(command: CloseDay) -> ClosedDay:
        when = _when(command.as_of)
        closed = await access.change(lambda store: close_day(when, store))
        if closed.records:
            metrics.days_closed.labels("command").inc()
        return ClosedDay(as_of=closed.as_of, records=closed.records)

    @routes.get("/days")
    async def days(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> dict[str, Any]:
        recent = await access.read(lambda store: store.days.recent(limit))
        items = [
            {"as_of": day.as_of, "local_day": day.local_day, "version": day.version, "closed_at": day.closed_at}
            for day in recent
        ]
        return {"items": items, "next": None}

    @routes.post("/imports", status_code=201)
    async def begin(command: BeginImport) -> Lease:
        lease_id, until = await access.change(lambda store: begin_import(command.name, command.ttl_seconds, store))
        return Lease(lease_id=lease_id, alive_until=until)

    @routes.put("/imports/{lease_id}")
    async def renew(lease_id: UUID) -> Lease:
        return Lease(lease_id=lease_id, alive_until=await access.change(lambda store: renew_import(lease_id, store)))

    @routes.delete("/imports/{lease_id}", status_code=204)
    async def end(lease_id: UUID) -> None:
        await access.change(lambda store: end_import(lease_id, store))

    return routes


def _when(text: str) -> datetime | date:
    if not _WRITTEN.fullmatch(text):  # the library also knows weeks (2018-W02-2), and days without dashes
        raise Problem(422, "invalid", "as_of is neither an instant nor a date", "For example 2018-07-01.")
    try:
        if len(text) == len("YYYY-MM-DD"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Problem(422, "invalid", "as_of is neither an instant nor a date", str(error)) from error
    if instant.tzinfo is None:
        raise Problem(422, "invalid", "as_of needs an offset", "For example 2018-07-01T00:00:00-04:00, or 2018-07-01.")
    return instant
