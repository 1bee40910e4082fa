"""Programme versions: loaded here, activated at the door alone (domain.md 6)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request

from campaign_svc.api import errors
from campaign_svc.handlers.load_programme import OtherDocument, RefusedProgramme, load_programme
from campaign_svc.store.programmes import ProgrammeStore
from laurel_contracts import programme as document
from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database

VERSION_MAX = 2**31 - 1


# What is read raw, for the OpenAPI document.
DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "a programme (domain.md 6)"}}},
    }
}


def router(database: Database, clock: BusinessClock) -> APIRouter:
    """/v1/programmes."""
    routes = APIRouter(prefix="/v1/programmes", tags=["programmes"])

    @routes.get("")
    async def programmes() -> dict[str, Any]:
        async with database.reading() as tx:
            loaded = await ProgrammeStore(tx).all()
        return {"items": [{"version": each.version, "sha256": each.sha256} for each in loaded], "next": None}

    @routes.put("/{version}", openapi_extra=DOCUMENT)
    async def load(version: Annotated[int, Path(ge=1, le=VERSION_MAX)], request: Request) -> dict[str, Any]:
        """The same document again is fine; another one under the same version is refused."""
        body = await request.body()
        try:
            programme = document.parse(body)
            if programme.version != version:
                raise errors.wrong_version(version, programme.version)
            async with database.transaction() as tx:
                loaded = await load_programme(programme, ProgrammeStore(tx), clock.now())
        except (RefusedProgramme, OtherDocument, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise errors.of_programme(error) from error
        return {"version": loaded.version, "sha256": loaded.sha256}

    return routes
