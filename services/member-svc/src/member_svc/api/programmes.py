"""Programme versions: publish, list, activate (domain.md 6). The one thing not to break: published bytes never change."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from laurel_contracts.programme import Programme
from laurel_kit.http import Problem
from laurel_kit.http_types import Instant
from member_svc.api.access import Access
from member_svc.handlers.publish_programme import activate_programme, read_programme, store_programme

VERSION_MAX = 2**31 - 1

VersionNumber = Annotated[int, Path(ge=1, le=VERSION_MAX)]


DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "a programme (domain.md 6)"}}},
    }
}


class Activate(BaseModel):
    """From when the version is in force. The first one: from the beginning (null); a later one: now (null), or a coming instant."""

    effective_from: Instant | None = None


class Activated(BaseModel):
    """A version that is or will be in force."""

    version: int
    effective_from: datetime | None


def router(access: Access) -> APIRouter:
    """The routes of programmes."""
    routes = APIRouter(prefix="/v1/programmes", tags=["programmes"])

    @routes.put("/{version}", openapi_extra=DOCUMENT)
    async def publish(version: VersionNumber, request: Request) -> dict[str, Any]:
        body = await request.body()
        programme: Programme = access.refusing(lambda: read_programme(body, version))
        sha256 = await access.change(lambda store: store_programme(programme, store))
        return {"version": version, "sha256": sha256}

    @routes.post("/{version}/activate")
    async def activate(version: VersionNumber, command: Activate | None = None) -> Activated:
        wanted = command.effective_from if command else None
        effective_from = await access.change(lambda store: activate_programme(version, wanted, store))
        return Activated(version=version, effective_from=effective_from)

    @routes.get("")
    async def listed() -> dict[str, Any]:
        items = [
            {
                "version": one.version,
                "sha256": one.sha256,
                "state": "active" if one.activated else "published",
                "effective_from": one.effective_from,
                "loaded_by": one.loaded_by,
            }
            for one in await access.read(lambda store: store.programmes.listed())
        ]
        return {"items": items, "next": None}

    @routes.get("/{version}", response_class=Response)
    async def show(version: VersionNumber) -> Response:
        stored = await access.read(lambda store: store.programmes.get(version))
        if stored is None:
            raise Problem(404, "no_such_programme", "There is no such programme version")
        document = {"version": version, "sha256": stored.sha256, "document": msgspec.Raw(stored.document.encode())}
        return Response(msgspec.json.encode(document), media_type="application/json")

    return routes
