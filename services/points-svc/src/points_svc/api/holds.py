"""Holds over HTTP (domain.md 3.5): make, capture, void, look. The one thing not to break: a refusal names the state the hold is in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import BIGINT_MAX, PAGE, Limit, as_json
from points_svc.api.spendings import Amount, Points, Text
from points_svc.handlers.hold_points import MADE, HoldUnknown, MemberUnknown, Wanted, capture_hold, make_hold, void_hold
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.show_holds import show_hold, show_holds
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

SECONDS_MAX = 7 * 86_400  # nobody stands at a till for longer; meanwhile a refund cannot take these points
MAKE = "POST /v1/members/{member_id}/holds"
CAPTURE = "POST /v1/holds/{hold_id}/capture"
VOID = "POST /v1/holds/{hold_id}/void"
Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]
Before = Annotated[int, Query(ge=1, le=BIGINT_MAX)]


class NewHold(BaseModel):
    """What is to be held: whole points, for which order, for how long."""

    model_config = ConfigDict(extra="forbid")

    points: Points
    order_id: Text | None = None
    seconds: Annotated[StrictInt, Field(ge=1, le=SECONDS_MAX)] | None = None
    order_amount_minor: Amount | None = None

    def asked(self) -> dict[str, object]:
        """What makes two requests the same. Who names no amount asks what he asked before there was one: his old keys stay his."""
        return self.model_dump(exclude=set() if self.order_amount_minor else {"order_amount_minor"})


class Capture(BaseModel):
    """How much of a hold is spent (all of it where nothing is said), and on which order."""

    model_config = ConfigDict(extra="forbid")

    points: Points | None = None
    order_id: Text | None = None


class Void(BaseModel):
    """There is nothing to say."""

    model_config = ConfigDict(extra="forbid")


def of_holds(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """All about holds."""
    router = APIRouter(prefix="/v1", tags=["holds"])
    router.include_router(_acts(database, shelf, clock, metrics))
    router.include_router(_looks(database, shelf, clock))
    return router


def _acts(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    router = APIRouter()

    async def decided(what: str, work: Callable[[PointsStore], Awaitable[Answer]]) -> Response:
        async def in_transaction(tx: Transaction) -> Answer:
            return await work(PointsStore(tx, shelf, metrics.count_points))

        answer = await keys.decided(database, in_transaction)
        done = "replayed" if answer.replayed else "refused" if answer.status >= keys.REFUSALS_FROM else what
        metrics.holds.labels(what, done).inc()
        return keys.response_of(answer)

    @router.post("/members/{member_id}/holds", status_code=MADE, openapi_extra=keys.KEY_HEADER)
    async def make(member_id: UUID, body: NewHold, idempotency_key: Key = None) -> Response:
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), MAKE, {"member_id": member_id}, body.asked())
        wanted = Wanted(member_id, body.points, body.order_id, body.seconds, body.order_amount_minor)
        try:
            return await decided("made", lambda store: make_hold(asked, wanted, clock.now(), store))
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None

    @router.post("/holds/{hold_id}/capture", openapi_extra=keys.KEY_HEADER)
    async def capture(hold_id: UUID, body: Capture | None = None, idempotency_key: Key = None) -> Response:
        body = body or Capture()
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), CAPTURE, {"hold_id": hold_id}, body.model_dump())
        points, order_id = body.points, body.order_id
        try:
            return await decided(
                "captured",
                lambda store: capture_hold(asked, hold_id, clock.now(), store, points=points, order_id=order_id),
            )
        except HoldUnknown:
            raise errors.hold_unknown(hold_id) from None

    @router.post("/holds/{hold_id}/void", openapi_extra=keys.KEY_HEADER)
    async def void(hold_id: UUID, body: Void | None = None, idempotency_key: Key = None) -> Response:  # noqa: ARG001 - for the document
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), VOID, {"hold_id": hold_id}, {})
        try:
            return await decided("voided", lambda store: void_hold(asked, hold_id, clock.now(), store))
        except HoldUnknown:
            raise errors.hold_unknown(hold_id) from None

    return router


def _looks(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.get("/holds/{hold_id}")
    async def hold(hold_id: UUID) -> Response:
        async with database.reading() as tx:
            shown = await show_hold(hold_id, clock.now(), PointsStore(tx, shelf))
        if shown is None:
            raise errors.hold_unknown(hold_id)
        return as_json(shown)

    @router.get("/members/{member_id}/holds")
    async def holds(
        member_id: UUID, limit: Limit = PAGE, before: Before = BIGINT_MAX, state: Literal["held"] | None = None
    ) -> Response:
        async with database.reading() as tx:
            store = PointsStore(tx, shelf)
            shown = await show_holds(member_id, before, limit, clock.now(), store, only_open=state is not None)
        if shown is None:
            raise errors.member_unknown(member_id)
        return as_json(shown)

    return router
