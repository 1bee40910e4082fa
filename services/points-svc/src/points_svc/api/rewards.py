"""The catalogue of rewards over HTTP (domain.md 3.5). The one thing not to break: what cannot be asked is a 4xx, uses up no key and
leaves no row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from laurel_kit.clock import BusinessClock
from laurel_kit.http import Problem
from laurel_kit.http_types import Instant
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import BIGINT_MAX, PAGE, Limit, as_json
from points_svc.api.spendings import POINTS_MAX, Points, Text
from points_svc.domain.rewards import AT_ONCE, DRAW, Reward
from points_svc.handlers import redeem_rewards
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.redeem_rewards import MADE, RedemptionUnknown, RewardUnknown
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
RewardId = Annotated[str, Path(pattern=ID_PATTERN)]
Count = Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]
# Outside of this the database's instants are not Python's: in UTC a year 0 or 10000.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
Kept = Annotated[Instant, Field(ge=EARLIEST, le=LATEST)]


class Offer(BaseModel):
    """A reward as a whole: what is left out is taken back to its default. `stock`: how many in all, also those taken by now."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    kind: Literal["goods", "coupon", "benefit", "draw"]
    points: Points
    stock: Annotated[StrictInt, Field(ge=0, le=POINTS_MAX)] | None = None
    valid_from: Kept | None = None
    valid_until: Kept | None = None
    per_member: Count | None = None
    per_period: Count | None = None
    period: Literal["day", "week", "month"] | None = None
    at_once: StrictBool | None = None
    gives: Text | None = None

    @model_validator(mode="after")
    def makes_sense(self) -> Offer:
        """What no catalogue can mean."""
        if (self.per_period is None) != (self.period is None):
            raise ValueError("per_period and period: both or neither")
        if self.valid_from is not None and self.valid_until is not None and self.valid_from >= self.valid_until:
            raise ValueError("valid_until: not after valid_from")
        if self.at_once and self.kind == DRAW:
            raise ValueError("at_once: somebody must draw")
        return self

    def reward(self, reward_id: str) -> Reward:
        """As the catalogue keeps it; coupons and benefits are fulfilled at once where nothing is said."""
        at_once = self.kind in AT_ONCE if self.at_once is None else self.at_once
        return Reward(
            reward_id, self.name, self.kind, self.points, self.stock, 0, self.valid_from, self.valid_until,
            self.per_member, self.per_period, self.period, at_once, self.gives, 0,
        )  # fmt: skip


class NewRedemption(BaseModel):
    """One piece of which reward."""

    model_config = ConfigDict(extra="forbid")

    reward_id: Annotated[str, Field(pattern=ID_PATTERN)]


class Cancellation(BaseModel):
    """Who says so, and why."""

    model_config = ConfigDict(extra="forbid")

    actor: Text
    reason: Text | None = None


class Fulfilment(Cancellation):
    """Who says so; of a draw also the outcome, which needs a reason."""

    outcome: Literal["won", "lost"] | None = None

    @model_validator(mode="after")
    def says_why(self) -> Fulfilment:
        """An outcome that nobody can explain is none."""
        if self.outcome is not None and self.reason is None:
            raise ValueError("reason: an outcome needs one")
        return self


def reward_unknown(reward_id: str) -> Problem:
    return Problem(404, "reward_unknown", "There is no such reward", f"{reward_id!r} is not known here.")


def redemption_unknown(redemption_id: UUID) -> Problem:
    return Problem(404, "redemption_unknown", "There is no such redemption", f"{redemption_id} is not known here.")


def of_rewards(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """What is offered, and what was redeemed of it."""
    router = APIRouter(prefix="/v1", tags=["rewards"])

    async def decided(act: str, work: Callable[[PointsStore], Awaitable[Answer]]) -> Response:
        async def in_transaction(tx: Transaction) -> Answer:
            return await work(PointsStore(tx, shelf, metrics.count_points))

        answer = await keys.decided(database, in_transaction)
        metrics.redemptions.labels(act, keys.result_of(answer)).inc()
        return keys.response_of(answer)

    router.include_router(_acts(decided, clock))
    router.include_router(_looks(database, shelf))
    return router


Decided = Callable[[str, Callable[[PointsStore], Awaitable[Answer]]], Awaitable[Response]]


def _acts(decided: Decided, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.put("/rewards/{reward_id}", openapi_extra=keys.KEY_HEADER)
    async def offer(reward_id: RewardId, body: Offer, idempotency_key: Key = None) -> Response:
        route, written = "PUT /v1/rewards/{reward_id}", body.model_dump(mode="json")
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), route, {"reward_id": reward_id}, written)
        wanted = body.reward(reward_id)
        return await decided("offer", lambda store: redeem_rewards.offer_reward(asked, wanted, clock.now(), store))

    @router.post("/members/{member_id}/redemptions", status_code=MADE, openapi_extra=keys.KEY_HEADER)
    async def redeem(member_id: UUID, body: NewRedemption, idempotency_key: Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "POST /v1/members/{member_id}/redemptions"
        asked = Keyed.of(keys.SCOPE, key, route, {"member_id": member_id}, body.model_dump())
        try:
            return await decided(
                "redeem",
                lambda store: redeem_rewards.redeem_reward(asked, member_id, body.reward_id, clock.now(), store),
            )
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None
        except RewardUnknown:
            raise reward_unknown(body.reward_id) from None

    @router.post("/redemptions/{redemption_id}/fulfil", openapi_extra=keys.KEY_HEADER)
    async def fulfil(redemption_id: UUID, body: Fulfilment, idempotency_key: Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "POST /v1/redemptions/{redemption_id}/fulfil"
        asked = Keyed.of(keys.SCOPE, key, route, {"redemption_id": redemption_id}, body.model_dump())
        try:
            return await decided(
                "fulfil",
                lambda store: redeem_rewards.fulfil_redemption(
                    asked, redemption_id, clock.now(), store, actor=body.actor, outcome=body.outcome, reason=body.reason
                ),
            )
        except RedemptionUnknown:
            raise redemption_unknown(redemption_id) from None

    @router.post("/redemptions/{redemption_id}/cancel", openapi_extra=keys.KEY_HEADER)
    async def cancel(redemption_id: UUID, body: Cancellation, idempotency_key: Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "POST /v1/redemptions/{redemption_id}/cancel"
        asked = Keyed.of(keys.SCOPE, key, route, {"redemption_id": redemption_id}, body.model_dump())
        try:
            return await decided(
                "cancel",
                lambda store: redeem_rewards.cancel_redemption(
                    asked, redemption_id, clock.now(), store, actor=body.actor, reason=body.reason
                ),
            )
        except RedemptionUnknown:
            raise redemption_unknown(redemption_id) from None

    return router


def _looks(database: Database, shelf: Shelf) -> APIRouter:
    router = APIRouter()

    @router.get("/rewards")
    async def rewards(limit: Limit = PAGE, after: Annotated[str, Query(pattern=f"^$|{ID_PATTERN}")] = "") -> Response:
        async with database.reading() as tx:
            return as_json(await redeem_rewards.show_rewards(after, limit, PointsStore(tx, shelf)))

    @router.get("/rewards/{reward_id}")
    async def reward(reward_id: RewardId) -> Response:
        async with database.reading() as tx:
            found = await PointsStore(tx, shelf).rewards.named(reward_id)
        if found is None:
            raise reward_unknown(reward_id)
        return as_json(redeem_rewards.reward_document(found))

    @router.get("/redemptions/{redemption_id}")
    async def redemption(redemption_id: UUID) -> Response:
        async with database.reading() as tx:
            found = await PointsStore(tx, shelf).rewards.redemption(redemption_id)
        if found is None:
            raise redemption_unknown(redemption_id)
        return as_json(redeem_rewards.document(found))

    @router.get("/members/{member_id}/redemptions")
    async def redemptions(
        member_id: UUID, limit: Limit = PAGE, before: Annotated[int, Query(ge=1, le=BIGINT_MAX)] = BIGINT_MAX
    ) -> Response:
        async with database.reading() as tx:
            shown = await redeem_rewards.show_redemptions(member_id, before, limit, PointsStore(tx, shelf))
        if shown is None:
            raise errors.member_unknown(member_id)
        return as_json(shown)

    return router
