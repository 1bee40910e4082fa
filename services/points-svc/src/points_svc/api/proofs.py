"""The proof of the ledger over HTTP, in pages that a command walks through. The one thing not to break: verifying changes nothing, and each
page is of one moment."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from laurel_kit.postgres import Database
from points_svc.api.accounts import BIGINT_MAX, PAGE, Limit, as_json
from points_svc.handlers import verify_ledger
from points_svc.store.proving import ProofStore


def of_proofs(database: Database) -> APIRouter:
    """The chain, and the entries in it."""
    router = APIRouter(prefix="/v1/ledger", tags=["proofs"])

    @router.get("/chain")
    async def chain(limit: Limit = PAGE, after: Annotated[int, Query(ge=0, le=BIGINT_MAX)] = 0) -> Response:
        async with database.auditing() as tx:
            return as_json(await verify_ledger.verify_rounds(after, limit, ProofStore(tx)))

    @router.get("/verify")
    async def verify(limit: Limit = PAGE, after: Annotated[UUID | None, Query()] = None) -> Response:
        async with database.auditing() as tx:
            return as_json(await verify_ledger.verify_members(after, limit, ProofStore(tx)))

    return router
