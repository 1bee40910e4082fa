"""Channels that report on the topic: how much of what they say is bad, and opening one that was shut."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from member_svc.api.access import Access
from member_svc.handlers.open_source import open_source


class OpenSource(BaseModel):
    """The source whose producer has been mended."""

    source: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")


def router(access: Access) -> APIRouter:
    """The routes of sources."""
    routes = APIRouter(prefix="/v1/sources", tags=["door"])

    @routes.get("")
    async def listed(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> dict[str, Any]:
        items = [one._asdict() for one in await access.read(lambda store: store.sources.listed(limit))]
        return {"items": items, "next": None}

    @routes.post("/open", status_code=204)
    async def open_again(command: OpenSource) -> None:
        await access.change(lambda store: open_source(command.source, store))

    return routes
