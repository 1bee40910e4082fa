"""Transfers between members over HTTP (domain.md 3.5): send, look. The one thing not to break: a transfer to oneself, or to nobody, is a
4xx that writes nothing."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import as_json
from points_svc.api.spendings import Points, Text
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.transfer_points import (
    SENT,
    ReceiverUnknown,
    Wanted,
    receiver_of,
    show_transfer,
    transfer_points,
)
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

ROUTE = "POST /v1/members/{member_id}/transfers"


class Transfer(BaseModel):
    """What is given to whom: whole points, and what for."""

    model_config = ConfigDict(extra="forbid")

    points: Points
    to_member_id: UUID
    reason: Text | None = None


def of_transfers(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """Points from one member to another."""
    router = APIRouter(prefix="/v1", tags=["transfers"])

    @router.post("/members/{member_id}/transfers", status_code=SENT, openapi_extra=keys.KEY_HEADER)
    async def transfer(
        member_id: UUID, body: Transfer, idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None
    ) -> Response:
        key = keys.checked(idempotency_key)
        if body.to_member_id == member_id:
            raise errors.transfer_to_self(member_id)
        asked = Keyed.of(keys.SCOPE, key, ROUTE, {"member_id": member_id}, body.model_dump())
        async with database.reading() as tx:
            known, frozen = await receiver_of(body.to_member_id, PointsStore(tx, shelf))
        wanted = Wanted(member_id, body.to_member_id, body.points, body.reason, known, frozen)

        async def work(tx: Transaction) -> Answer:
            return await transfer_points(asked, wanted, clock.now(), PointsStore(tx, shelf, metrics.count_points))

        try:
            answer = await keys.decided(database, work)
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None
        except ReceiverUnknown:
            raise errors.receiver_unknown(body.to_member_id) from None
        metrics.transfers.labels(
            "replayed" if answer.replayed else "sent" if answer.status == SENT else "refused"
        ).inc()
        return keys.response_of(answer)

    @router.get("/transfers/{transfer_id}")
    async def look(transfer_id: UUID) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_transfer(transfer_id, PointsStore(tx, shelf))
        if shown is None:
            raise errors.transfer_unknown(transfer_id)
        return as_json(shown)

    return router
