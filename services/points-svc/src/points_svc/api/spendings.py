"""Spending over HTTP: points are held and captured at once. The one thing not to break: what cannot be a spending is a 4xx and uses up no
key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.spend_points import SPENT, Wanted, spend_points
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

POINTS_MAX = 10**12
Points = Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]
AMOUNT_MAX = 10**12  # minor units of one order
Amount = Annotated[StrictInt, Field(ge=1, le=AMOUNT_MAX)]
Text = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
ROUTE = "POST /v1/members/{member_id}/spendings"


class Spending(BaseModel):
    """What is to be spent: whole points, and what for."""

    model_config = ConfigDict(extra="forbid")

    points: Points
    reason: Text | None = None
    order_id: Text | None = None
    order_amount_minor: Amount | None = None

    def asked(self) -> dict[str, object]:
        """What makes two requests the same. Who names no amount asks what he asked before there was one: his old keys stay his."""
        return self.model_dump(exclude=set() if self.order_amount_minor else {"order_amount_minor"})


def of_spendings(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """Points are reserved and captured at once."""
    router = APIRouter(prefix="/v1/members", tags=["spendings"])

    @router.post("/{member_id}/spendings", status_code=SPENT, openapi_extra=keys.KEY_HEADER)
    async def spend(
        member_id: UUID, body: Spending, idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None
    ) -> Response:
        key = keys.checked(idempotency_key)
        asked = Keyed.of(keys.SCOPE, key, ROUTE, {"member_id": member_id}, body.asked())
        wanted = Wanted(member_id, body.points, body.reason, body.order_id, body.order_amount_minor)

        async def work(tx: Transaction) -> Answer:
            return await spend_points(asked, wanted, clock.now(), PointsStore(tx, shelf, metrics.count_points))

        try:
            answer = await keys.decided(database, work)
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None
        metrics.spendings.labels(
            "replayed" if answer.replayed else "spent" if answer.status == SPENT else "refused"
        ).inc()
        return keys.response_of(answer)

    return router
