"""The catalogue over HTTP: rewards, redemptions, how they end. The one thing not to break: price and limits are whole numbers above 0, and
what is refused says by which limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from laurel_kit.clock import BusinessClock
from laurel_kit.http import Problem
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import BIGINT_MAX, PAGE, Limit, as_json
from points_svc.api.spendings import POINTS_MAX, Points, Text
from points_svc.domain.rewards import Reward
from points_svc.handlers import redeem_rewards
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.redeem_rewards import RedemptionUnknown, RewardUnknown
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]
RewardId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Whole = Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]


class RewardAsPut(BaseModel):
    """A reward as it is from now on. Without `at_once`, coupons and benefits are fulfilled when redeemed, goods and draws are not."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    kind: Literal["goods", "coupon", "benefit", "draw"]
    points: Points
    stock: Whole | None = None
    valid_from: AwareDatetime
    valid_until: AwareDatetime | None = None
    per_member: Whole | None = None
    per_period: Whole | None = None
    period: Literal["day", "week", "month"] | None = None
    at_once: StrictBool | None = None
    gives: Text | None = None

    @model_validator(mode="after")
    def fits_together(self) -> RewardAsPut:
        """A limit per period has both, a validity has an end after its beginning, a draw has its outcome later."""
        if (self.per_period is None) != (self.period is None):
            raise ValueError("per_period and period stand together")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ValueError("valid_until: not after valid_from")
        if self.kind == "draw" and self.at_once:
            raise ValueError("at_once: a draw has its outcome later")
        return self


class NewRedemption(BaseModel):
    """What is to be had."""

    model_config = ConfigDict(extra="forbid")

    reward_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class Fulfilment(BaseModel):
    """Who fulfils; of a draw also how it went, and why one may believe it."""

    model_config = ConfigDict(extra="forbid")

    actor: Text
    outcome: Literal["won", "lost"] | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def an_outcome_has_a_reason(self) -> Fulfilment:
        """Who says how a draw went says why."""
        if self.outcome is not None and self.reason is None:
            raise ValueError("reason: an outcome has one")
        return self


class Cancellation(BaseModel):
    """Who cancels, and why."""

    model_config = ConfigDict(extra="forbid")

    actor: Text
    reason: Text


def unknown(what: str, named: object) -> Problem:
    return Problem(404, f"{what}_unknown", f"There is no such {what}", f"{named} is not known here.")


Decided = Callable[[Callable[[PointsStore], Awaitable[Answer]]], Awaitable[Response]]


def of_rewards(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """All about the catalogue."""
    router = APIRouter(prefix="/v1", tags=["rewards"])

    async def decided(work: Callable[[PointsStore], Awaitable[Answer]]) -> Response:
        async def in_transaction(tx: Transaction) -> Answer:
            return await work(PointsStore(tx, shelf, metrics.count_points))

        return keys.response_of(await keys.decided(database, in_transaction))

    router.include_router(_acts(decided, clock))
    router.include_router(_looks(database, shelf))
    return router


def _acts(decided: Decided, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.put("/rewards/{reward_id}", openapi_extra=keys.KEY_HEADER)
    async def put(reward_id: RewardId, body: RewardAsPut, idempotency_key: Key = None) -> Response:
        key, written = keys.checked(idempotency_key), body.model_dump(mode="json")
        asked = Keyed.of(keys.SCOPE, key, "PUT /v1/rewards/{reward_id}", {"reward_id": reward_id}, written)
        reward = Reward(
            reward_id, body.name, body.kind, body.points, body.stock, body.valid_from.astimezone(UTC),
            None if body.valid_until is None else body.valid_until.astimezone(UTC), body.per_member, body.per_period,
            body.period, body.kind in {"coupon", "benefit"} if body.at_once is None else body.at_once, body.gives,
        )  # fmt: skip
        return await decided(lambda store: redeem_rewards.put_reward(asked, reward, clock.now(), store))

    @router.post("/members/{member_id}/redemptions", status_code=redeem_rewards.MADE, openapi_extra=keys.KEY_HEADER)
    async def redeem(member_id: UUID, body: NewRedemption, idempotency_key: Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "POST /v1/members/{member_id}/redemptions"
        asked = Keyed.of(keys.SCOPE, key, route, {"member_id": member_id}, body.model_dump())
        try:
            return await decided(
                lambda store: redeem_rewards.redeem(asked, member_id, body.reward_id, clock.now(), store)
            )
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None
        except RewardUnknown:
            raise unknown("reward", body.reward_id) from None

    async def end(redemption_id: UUID, body: Fulfilment | Cancellation, key: str | None) -> Response:
        fulfils = isinstance(body, Fulfilment)
        route = f"POST /v1/redemptions/{{redemption_id}}/{'fulfil' if fulfils else 'cancel'}"
        asked = Keyed.of(keys.SCOPE, keys.checked(key), route, {"redemption_id": redemption_id}, body.model_dump())
        outcome = body.outcome if isinstance(body, Fulfilment) else None
        try:
            return await decided(
                lambda store: redeem_rewards.end_redemption(
                    asked, redemption_id, body.actor, clock.now(), store,
                    fulfils=fulfils, reason=body.reason, outcome=outcome,
                )
            )  # fmt: skip
        except RedemptionUnknown:
            raise unknown("redemption", redemption_id) from None

    @router.post("/redemptions/{redemption_id}/fulfil", openapi_extra=keys.KEY_HEADER)
    async def fulfil(redemption_id: UUID, body: Fulfilment, idempotency_key: Key = None) -> Response:
        return await end(redemption_id, body, idempotency_key)

    @router.post("/redemptions/{redemption_id}/cancel", openapi_extra=keys.KEY_HEADER)
    async def cancel(redemption_id: UUID, body: Cancellation, idempotency_key: Key = None) -> Response:
        return await end(redemption_id, body, idempotency_key)

    return router


def _looks(database: Database, shelf: Shelf) -> APIRouter:
    router = APIRouter()

    @router.get("/rewards")
    async def rewards(
        limit: Limit = PAGE, after: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    ) -> Response:
        async with database.reading() as tx:
            found = await PointsStore(tx, shelf).rewards_after(after, limit)
        last = found[-1].reward_id if len(found) == limit else None
        return as_json({"items": [redeem_rewards.document_of_reward(one) for one in found], "next": last})

    @router.get("/redemptions/{redemption_id}")
    async def redemption(redemption_id: UUID) -> Response:
        async with database.reading() as tx:
            found = await PointsStore(tx, shelf).redemption(redemption_id)
        if found is None:
            raise unknown("redemption", redemption_id)
        return as_json(redeem_rewards.document(found))

    @router.get("/members/{member_id}/redemptions")
    async def redemptions(
        member_id: UUID, limit: Limit = PAGE, before: Annotated[int, Query(ge=1, le=BIGINT_MAX)] = BIGINT_MAX
    ) -> Response:
        async with database.reading(still=True) as tx:
            store = PointsStore(tx, shelf)
            if await store.read_account(member_id) is None:
                raise errors.member_unknown(member_id)
            found = await store.redemptions_before(member_id, before, limit)
        last = found[-1].seq if len(found) == limit else None
        return as_json({"items": [redeem_rewards.document(one) for one in found], "next": last})

    return router
