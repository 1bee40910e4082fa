"""Corrections by hand over HTTP, alone and in batches. The one thing not to break: who asks is named, and a decision above the limit comes
from somebody else than the proposal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from laurel_kit.clock import BusinessClock
from laurel_kit.http import Problem
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import BIGINT_MAX, PAGE, Limit, as_json
from points_svc.api.spendings import POINTS_MAX, Text
from points_svc.handlers import adjust_many, adjust_points
from points_svc.handlers.adjust_points import AdjustmentUnknown
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]
Signed = Annotated[StrictInt, Field(ge=-POINTS_MAX, le=POINTS_MAX)]
State = Literal["proposed", "posted", "rejected"]


class Item(BaseModel):
    """So many points more or less; never none."""

    model_config = ConfigDict(extra="forbid")

    points: Signed

    @model_validator(mode="after")
    def moves_something(self) -> Item:
        """A correction of nothing is a mistake."""
        if self.points == 0:
            raise ValueError("points: a correction moves points, not 0")
        return self


class NewAdjustment(Item):
    """What is corrected, why, and who says so."""

    reason: Text
    actor: Text


class OfMember(Item):
    """One line of a batch."""

    member_id: UUID


class NewBatch(BaseModel):
    """Many members, one reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Text
    actor: Text
    items: Annotated[list[OfMember], Field(min_length=1, max_length=adjust_many.BATCH_MAX)]

    @model_validator(mode="after")
    def names_everybody_once(self) -> NewBatch:
        """A member named twice would be corrected by what the caller never added up."""
        if len({item.member_id for item in self.items}) < len(self.items):
            raise ValueError("items: a member stands there twice")
        return self


class Decision(BaseModel):
    """Who decides."""

    model_config = ConfigDict(extra="forbid")

    actor: Text


class Reversal(Decision):
    """Who reverses, and why."""

    reason: Text


def adjustment_unknown(what: str, named: UUID) -> Problem:
    return Problem(404, f"{what}_unknown", f"There is no such {what.replace('_', ' ')}", f"{named} is not known here.")


def of_adjustments(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """All about corrections by hand."""
    router = APIRouter(prefix="/v1", tags=["adjustments"])

    async def decided(act: str, work: Callable[[PointsStore], Awaitable[Answer]]) -> Response:
        async def in_transaction(tx: Transaction) -> Answer:
            return await work(PointsStore(tx, shelf, metrics.count_points))

        answer = await keys.decided(database, in_transaction)
        metrics.adjustments.labels(act, keys.result_of(answer)).inc()
        return keys.response_of(answer)

    router.include_router(_one(decided, clock))
    router.include_router(_many(decided, clock))
    router.include_router(_looks(database, shelf))
    return router


Decided = Callable[[str, Callable[[PointsStore], Awaitable[Answer]]], Awaitable[Response]]


def _one(decided: Decided, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.post("/members/{member_id}/adjustments", status_code=adjust_points.MADE, openapi_extra=keys.KEY_HEADER)
    async def adjust(member_id: UUID, body: NewAdjustment, idempotency_key: Key = None) -> Response:
        route = "POST /v1/members/{member_id}/adjustments"
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), route, {"member_id": member_id}, body.model_dump())
        wanted = adjust_points.Wanted(member_id, body.points, body.reason, body.actor)
        try:
            return await decided("adjust", lambda store: adjust_points.adjust_points(asked, wanted, clock.now(), store))
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None

    async def decide(adjustment_id: UUID, body: Decision, key: str | None, *, approves: bool) -> Response:
        route = f"POST /v1/adjustments/{{adjustment_id}}/{'approve' if approves else 'reject'}"
        asked = Keyed.of(keys.SCOPE, keys.checked(key), route, {"adjustment_id": adjustment_id}, body.model_dump())
        try:
            return await decided(
                "approve" if approves else "reject",
                lambda store: adjust_points.decide_adjustment(
                    asked, adjustment_id, body.actor, clock.now(), store, approves=approves
                ),
            )
        except AdjustmentUnknown:
            raise adjustment_unknown("adjustment", adjustment_id) from None

    @router.post("/adjustments/{adjustment_id}/approve", openapi_extra=keys.KEY_HEADER)
    async def approve(adjustment_id: UUID, body: Decision, idempotency_key: Key = None) -> Response:
        return await decide(adjustment_id, body, idempotency_key, approves=True)

    @router.post("/adjustments/{adjustment_id}/reject", openapi_extra=keys.KEY_HEADER)
    async def reject(adjustment_id: UUID, body: Decision, idempotency_key: Key = None) -> Response:
        return await decide(adjustment_id, body, idempotency_key, approves=False)

    return router


def _many(decided: Decided, clock: BusinessClock) -> APIRouter:
    router = APIRouter(prefix="/adjustment-batches")

    @router.post("", status_code=adjust_points.MADE, openapi_extra=keys.KEY_HEADER)
    async def adjust(body: NewBatch, idempotency_key: Key = None) -> Response:
        key, written = keys.checked(idempotency_key), body.model_dump(mode="json")
        asked = Keyed.of(keys.SCOPE, key, "POST /v1/adjustment-batches", {}, written)
        wanted = adjust_many.Wanted({item.member_id: item.points for item in body.items}, body.reason, body.actor)
        try:
            return await decided(
                "adjust_many", lambda store: adjust_many.adjust_many(asked, wanted, clock.now(), store)
            )
        except adjust_many.MembersUnknown as unknown:
            missing = [str(member) for member in unknown.members]
            title = "Nothing has been heard of some of these members"
            raise Problem(
                404, "member_unknown", title, f"{len(missing)} have no account here.", members=missing
            ) from None

    async def act(batch_id: UUID, body: Decision, key: str | None, what: str) -> Response:
        route = f"POST /v1/adjustment-batches/{{batch_id}}/{what}"
        asked = Keyed.of(keys.SCOPE, keys.checked(key), route, {"batch_id": batch_id}, body.model_dump())

        async def work(store: PointsStore) -> Answer:
            if isinstance(body, Reversal):
                return await adjust_many.reverse_batch(
                    asked, batch_id, body.actor, clock.now(), store, reason=body.reason
                )
            approves = what == "approve"
            return await adjust_many.decide_batch(asked, batch_id, body.actor, clock.now(), store, approves=approves)

        try:
            return await decided(f"{what}_batch", work)
        except adjust_many.BatchUnknown:
            raise adjustment_unknown("adjustment_batch", batch_id) from None

    @router.post("/{batch_id}/approve", openapi_extra=keys.KEY_HEADER)
    async def approve(batch_id: UUID, body: Decision, idempotency_key: Key = None) -> Response:
        return await act(batch_id, body, idempotency_key, "approve")

    @router.post("/{batch_id}/reject", openapi_extra=keys.KEY_HEADER)
    async def reject(batch_id: UUID, body: Decision, idempotency_key: Key = None) -> Response:
        return await act(batch_id, body, idempotency_key, "reject")

    @router.post("/{batch_id}/reverse", openapi_extra=keys.KEY_HEADER)
    async def reverse(batch_id: UUID, body: Reversal, idempotency_key: Key = None) -> Response:
        return await act(batch_id, body, idempotency_key, "reverse")

    return router


def _looks(database: Database, shelf: Shelf) -> APIRouter:
    router = APIRouter()

    @router.get("/adjustments")
    async def adjustments(
        limit: Limit = PAGE,
        before: Annotated[int, Query(ge=1, le=BIGINT_MAX)] = BIGINT_MAX,
        state: State | None = None,
    ) -> Response:
        async with database.reading() as tx:
            found = await PointsStore(tx, shelf).adjustments_before(before, limit, state)
        last = found[-1].number if len(found) == limit else None
        return as_json({"items": [adjust_points.document(one) for one in found], "next": last})

    @router.get("/adjustments/{adjustment_id}")
    async def adjustment(adjustment_id: UUID) -> Response:
        async with database.reading() as tx:
            found = await PointsStore(tx, shelf).adjustment(adjustment_id)
        if found is None:
            raise adjustment_unknown("adjustment", adjustment_id)
        return as_json(adjust_points.document(found))

    @router.get("/adjustment-batches/{batch_id}")
    async def batch(batch_id: UUID) -> Response:
        async with database.reading(still=True) as tx:
            store = PointsStore(tx, shelf)
            found, made = await store.batch(batch_id), await store.adjustments_of(batch_id)
        if found is None:
            raise adjustment_unknown("adjustment_batch", batch_id)
        return as_json(adjust_many.document(found, made))

    return router
