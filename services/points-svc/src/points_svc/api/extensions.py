"""Extensions over HTTP (domain.md 3.4). The one thing not to break: what cannot be an extension is a 4xx and uses up no key."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, model_validator

from laurel_kit.clock import BusinessClock
from laurel_kit.http_types import Day
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import BIGINT_MAX
from points_svc.api.spendings import Text
from points_svc.handlers.extend_lots import EXTENDED, Wanted, extend_lots
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

LOTS_MAX = 1_000
DAYS_MAX = 3_660  # of one request; the programme's own maximum is far below
ROUTE = "POST /v1/members/{member_id}/extensions"
Until = Annotated[Day, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
LotNumber = Annotated[StrictInt, Field(ge=1, le=BIGINT_MAX)]
Actor = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


class Extension(BaseModel):
    """How much longer, of which lots (all that live where nothing is said), why, and who says so."""

    model_config = ConfigDict(extra="forbid")

    until: Until | None = None
    days: Annotated[StrictInt, Field(ge=1, le=DAYS_MAX)] | None = None
    lots: Annotated[list[LotNumber], Field(min_length=1, max_length=LOTS_MAX)] | None = None
    reason: Text
    actor: Actor

    @model_validator(mode="after")
    def one_of_both(self) -> Extension:
        """Until the end of a day, or so many days more."""
        if (self.until is None) == (self.days is None):
            raise ValueError("either until or days must be given, and not both")
        return self


def of_extensions(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """Points get a longer life."""
    router = APIRouter(prefix="/v1/members", tags=["extensions"])

    @router.post("/{member_id}/extensions", status_code=EXTENDED, openapi_extra=keys.KEY_HEADER)
    async def extend(
        member_id: UUID, body: Extension, idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None
    ) -> Response:
        key = keys.checked(idempotency_key)
        asked = Keyed.of(keys.SCOPE, key, ROUTE, {"member_id": member_id}, body.model_dump())
        lots = None if body.lots is None else tuple(sorted(set(body.lots)))
        wanted = Wanted(member_id, body.reason, body.actor, body.until, body.days, lots)

        async def work(tx: Transaction) -> Answer:
            return await extend_lots(asked, wanted, clock.now(), PointsStore(tx, shelf, metrics.count_points))

        try:
            return keys.response_of(await keys.decided(database, work))
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None

    return router
