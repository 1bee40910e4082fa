"""Spending over HTTP (reliability.md 3.4). The one thing not to break: the same key is answered the same, whatever happened since."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from laurel_kit.problems import PROBLEM_MEDIA_TYPE
from points_svc.api import errors
from points_svc.handlers.spend_points import SPENT, Answer, InFlight, KeyReused, MemberUnknown, Wanted, spend_points
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

KEY_CHARS = range(16, 129)
POINTS_MAX = 10**12
Text = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class Spending(BaseModel):
    """What is to be spent: whole points, and what for."""

    model_config = ConfigDict(extra="forbid")

    points: Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]
    reason: Text | None = None
    order_id: Text | None = None


# For the OpenAPI document. Not checked by the framework, because a missing key has an answer of its own.
KEY_HEADER: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "The same request under the same key is answered the same.",
            "schema": {"type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[\\x20-\\x7e]*$"},
        }
    ]
}


def of_spendings(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """Points are reserved and captured at once."""
    router = APIRouter(prefix="/v1/members", tags=["spendings"])

    @router.post("/{member_id}/spendings", status_code=SPENT, openapi_extra=KEY_HEADER)
    async def spend(
        member_id: UUID, body: Spending, idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None
    ) -> Response:
        wanted = Wanted(member_id, _key(idempotency_key), body.points, body.reason, body.order_id)

        async def work(tx: Transaction) -> Answer:
            return await spend_points(wanted, clock.now(), PointsStore(tx, shelf, metrics.count_points))

        try:
            answer = await database.in_transaction(work)
        except InFlight:
            raise errors.in_flight() from None
        except KeyReused:
            raise errors.key_reused() from None
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None
        metrics.spendings.labels(
            "replayed" if answer.replayed else "spent" if answer.status == SPENT else "refused"
        ).inc()
        return Response(
            answer.body,
            answer.status,
            headers={"Idempotent-Replayed": "true"} if answer.replayed else None,
            media_type="application/json" if answer.status == SPENT else PROBLEM_MEDIA_TYPE,
        )

    return router


def _key(header: str | None) -> str:
    if header is None:
        raise errors.key_required()
    if len(header) not in KEY_CHARS or not (header.isascii() and header.isprintable()):
        raise errors.key_malformed()
    return header
