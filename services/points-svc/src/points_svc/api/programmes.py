"""Programme versions over HTTP (domain.md 6). The one thing not to break: a version once stored never changes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors
from points_svc.handlers.load_programme import ProgrammeDiffers, ProgrammeInvalid, load_programme
from points_svc.store import PointsStore, Shelf

VERSION_MAX = 2**31 - 1


# What is read raw, for the OpenAPI document.
DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "a programme (domain.md 6)"}}},
    }
}


def of_programmes(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    """Load a version; list what is loaded. The door activates."""
    router = APIRouter(prefix="/v1/programmes", tags=["programmes"])

    @router.put("/{version}", openapi_extra=DOCUMENT)
    async def put(version: Annotated[int, Path(ge=1, le=VERSION_MAX)], request: Request) -> dict[str, object]:
        document = await request.body()

        async def work(tx: Transaction) -> dict[str, object]:
            return await load_programme(version, document, clock.now(), PointsStore(tx, shelf))

        try:
            return await database.in_transaction(work)
        except ProgrammeInvalid as invalid:
            raise errors.programme_invalid(invalid.problems) from None
        except ProgrammeDiffers:
            raise errors.programme_differs(version) from None

    @router.get("")
    async def listed() -> dict[str, Any]:
        async with database.reading() as tx:
            versions = await PointsStore(tx, shelf).programmes()
        return {"items": [{"version": v.version, "sha256": v.sha256} for v in versions], "next": None}

    return router
