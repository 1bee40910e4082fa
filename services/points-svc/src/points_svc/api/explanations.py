"""Explanations over HTTP: of an entry, by its id or its number, and of a cause, also of one that moved nothing. The one thing not to break:
what cannot be an id is a 4xx."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from laurel_kit.http import Problem
from laurel_kit.postgres import Database
from points_svc.api.accounts import BIGINT_MAX, as_json
from points_svc.handlers import explain_entry
from points_svc.store import PointsStore, Shelf

ENTRY_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([1-9][0-9]{0,17})", re.IGNORECASE)
Number = Annotated[int, Path(ge=1, le=BIGINT_MAX)]
Cause = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def of_explanations(database: Database, shelf: Shelf) -> APIRouter:
    """Why."""
    router = APIRouter(prefix="/v1", tags=["explanations"])

    async def explained(member_id: UUID, seq: int) -> Response:
        async with database.reading(still=True) as tx:
            shown = await explain_entry.explain_entry(member_id, seq, PointsStore(tx, shelf))
        if shown is None:
            raise Problem(404, "entry_unknown", "There is no such entry", f"{member_id}:{seq} is not in the ledger.")
        return as_json(shown)

    @router.get("/members/{member_id}/entries/{seq}/explanation")
    async def of_number(member_id: UUID, seq: Number) -> Response:
        return await explained(member_id, seq)

    @router.get("/entries/{entry_id}/explanation")
    async def of_id(entry_id: str) -> Response:
        found = ENTRY_ID.fullmatch(entry_id)
        if found is None:
            raise Problem(
                422, "entry_id_malformed", "An entry's id is <member id>:<number>", f"{entry_id[:80]!r} is none."
            )
        return await explained(UUID(found[1]), int(found[2]))

    @router.get("/members/{member_id}/explanation")
    async def of_cause(member_id: UUID, cause: Cause) -> Response:
        async with database.reading(still=True) as tx:
            shown = await explain_entry.explain_cause(member_id, cause, PointsStore(tx, shelf))
        if shown is None:
            raise Problem(404, "cause_unknown", "Nothing is known of such a cause", f"{cause!r} of {member_id}.")
        return as_json(shown)

    return router
