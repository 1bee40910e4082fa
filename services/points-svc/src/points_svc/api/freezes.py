"""Accounts that a proof has frozen, over HTTP. The one thing not to break: nobody lifts a freeze without a name and a reason, and both are
kept."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import PAGE, Limit, as_json
from points_svc.api.spendings import Text
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.prove_books import Lift, freeze_document, lift_freeze
from points_svc.store import PointsStore, Shelf
from points_svc.store.proving import ProofStore

LIFT = "POST /v1/members/{member_id}/account-freezes/lift"
Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]


class NewLift(BaseModel):
    """Who lets the account move again, and why."""

    model_config = ConfigDict(extra="forbid")

    actor: Text
    reason: Text


def of_freezes(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    """Who stands still, and who was let go."""
    router = APIRouter(prefix="/v1", tags=["proofs"])

    @router.get("/ledger/frozen-accounts")
    async def frozen(limit: Limit = PAGE, after: Annotated[UUID | None, Query()] = None) -> Response:
        async with database.reading() as tx:
            found = await ProofStore(tx).freezes_after(after, limit)
        following = found[-1].member_id if len(found) == limit else None
        return as_json({"items": [freeze_document(one) for one in found], "next": following})

    @router.get("/members/{member_id}/account-freezes")
    async def of_member(member_id: UUID, limit: Limit = PAGE) -> Response:
        async with database.reading() as tx:
            if await PointsStore(tx, shelf).read_any(member_id) is None:
                raise errors.member_unknown(member_id)
            found = await ProofStore(tx).freezes_of(member_id, limit)
        return as_json({"items": [freeze_document(one) for one in found], "next": None})

    @router.post("/members/{member_id}/account-freezes/lift", openapi_extra=keys.KEY_HEADER)
    async def lift(member_id: UUID, body: NewLift, idempotency_key: Key = None) -> Response:
        key = keys.checked(idempotency_key)
        asked = Keyed.of(keys.SCOPE, key, LIFT, {"member_id": member_id}, body.model_dump())
        wanted = Lift(member_id, body.actor, body.reason)

        async def work(tx: Transaction) -> Answer:
            return await lift_freeze(asked, wanted, clock.now(), PointsStore(tx, shelf))

        try:
            return keys.response_of(await keys.decided(database, work))
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None

    return router
