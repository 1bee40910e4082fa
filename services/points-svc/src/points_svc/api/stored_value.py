"""Stored value over HTTP (ADR 0016): top up, pay, hold, give back, pay out, look. The one thing not to break: an amount is an integer of
minor units in the wallet's currency; whatever else is a 4xx that writes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from points_svc.api import errors, keys
from points_svc.api.accounts import BIGINT_MAX, PAGE, Limit, as_json
from points_svc.api.holds import SECONDS_MAX
from points_svc.api.spendings import AMOUNT_MAX, Amount, Text
from points_svc.handlers import show_value
from points_svc.handlers.hold_points import HoldUnknown, MemberUnknown
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.pay_with_value import (
    Wanted,
    capture_value,
    pay_with_value,
    refund_value,
    show_value_hold,
    void_value,
)
from points_svc.handlers.top_up_value import DONE, CashOut, TopUp, cash_out_value, top_up_value
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf

OF_MEMBER = "/members/{member_id}/stored-value"
TOP_UP = f"POST /v1{OF_MEMBER}/top-ups"
PAY = f"POST /v1{OF_MEMBER}/payments"
HOLD = f"POST /v1{OF_MEMBER}/holds"
CASH_OUT = f"POST /v1{OF_MEMBER}/cash-outs"
CAPTURE = "POST /v1/stored-value/holds/{hold_id}/capture"
VOID = "POST /v1/stored-value/holds/{hold_id}/void"
REFUND = "POST /v1/stored-value/payments/{payment_id}/refunds"
Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]
Bonus = Annotated[StrictInt, Field(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[StrictStr, Field(pattern="^[A-Z]{3}$")]
Before = Annotated[int | None, Query(ge=1, le=BIGINT_MAX)]
Work = Callable[[PointsStore], Awaitable[Answer]]


class Body(BaseModel):
    """What is asked for, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class NewTopUp(Body):
    """What was paid in, what is given with it, and the merchant's own number of the payment."""

    paid_minor: Amount
    bonus_minor: Bonus = 0
    currency: Currency | None = None
    reference: Text | None = None


class NewPayment(Body):
    """How much is paid, for which order or what else."""

    amount_minor: Amount
    order_id: Text | None = None
    reason: Text | None = None


class NewHold(Body):
    """How much is set apart, for which order, for how long."""

    amount_minor: Amount
    order_id: Text | None = None
    seconds: Annotated[StrictInt, Field(ge=1, le=SECONDS_MAX)] | None = None


class Capture(Body):
    """How much of a hold pays (all of it where nothing is said), and for which order."""

    amount_minor: Amount | None = None
    order_id: Text | None = None


class Void(Body):
    """There is nothing to say."""


class Part(Body):
    """How much (all of it where nothing is said), and why."""

    amount_minor: Amount | None = None
    reason: Text | None = None


def of_stored_value(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """A member's money."""

    async def decided(act: str, work: Work, member_id: UUID | None = None, hold_id: UUID | None = None) -> Response:
        async def in_transaction(tx: Transaction) -> Answer:
            return await work(PointsStore(tx, shelf))

        try:
            answer = await keys.decided(database, in_transaction)
        except MemberUnknown:
            raise errors.member_unknown(member_id or UUID(int=0)) from None
        except HoldUnknown:
            raise errors.hold_unknown(hold_id or UUID(int=0)) from None
        metrics.stored_value.labels(act, keys.result_of(answer)).inc()
        return keys.response_of(answer)

    router = APIRouter(prefix="/v1", tags=["stored value"])
    router.include_router(_money(decided, clock))
    router.include_router(_payments(decided, clock))
    router.include_router(_looks(database, shelf, clock))
    return router


Decided = Callable[..., Awaitable[Response]]


def _money(decided: Decided, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.post(f"{OF_MEMBER}/top-ups", status_code=DONE, openapi_extra=keys.KEY_HEADER)
    async def top_up(member_id: UUID, body: NewTopUp, idempotency_key: Key = None) -> Response:
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), TOP_UP, {"member_id": member_id}, body.model_dump())
        wanted = TopUp(member_id, body.paid_minor, body.bonus_minor, body.currency, body.reference)
        return await decided("top_up", lambda store: top_up_value(asked, wanted, clock.now(), store), member_id)

    @router.post(f"{OF_MEMBER}/cash-outs", status_code=DONE, openapi_extra=keys.KEY_HEADER)
    async def cash_out(member_id: UUID, body: Part | None = None, idempotency_key: Key = None) -> Response:
        body = body or Part()
        key = keys.checked(idempotency_key)
        asked = Keyed.of(keys.SCOPE, key, CASH_OUT, {"member_id": member_id}, body.model_dump())
        wanted = CashOut(member_id, body.amount_minor, body.reason)
        return await decided("cash_out", lambda store: cash_out_value(asked, wanted, clock.now(), store), member_id)

    return router


def _payments(decided: Decided, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.post(f"{OF_MEMBER}/payments", status_code=DONE, openapi_extra=keys.KEY_HEADER)
    async def pay(member_id: UUID, body: NewPayment, idempotency_key: Key = None) -> Response:
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), PAY, {"member_id": member_id}, body.model_dump())
        wanted = Wanted(member_id, body.amount_minor, body.order_id, body.reason)
        return await decided("pay", lambda store: pay_with_value(asked, wanted, clock.now(), store), member_id)

    @router.post(f"{OF_MEMBER}/holds", status_code=DONE, openapi_extra=keys.KEY_HEADER)
    async def hold(member_id: UUID, body: NewHold, idempotency_key: Key = None) -> Response:
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), HOLD, {"member_id": member_id}, body.model_dump())
        wanted = Wanted(member_id, body.amount_minor, body.order_id, at_once=False, seconds=body.seconds)
        return await decided("hold", lambda store: pay_with_value(asked, wanted, clock.now(), store), member_id)

    @router.post("/stored-value/holds/{hold_id}/capture", openapi_extra=keys.KEY_HEADER)
    async def capture(hold_id: UUID, body: Capture | None = None, idempotency_key: Key = None) -> Response:
        body = body or Capture()
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), CAPTURE, {"hold_id": hold_id}, body.model_dump())
        amount, order_id = body.amount_minor, body.order_id

        async def work(store: PointsStore) -> Answer:
            return await capture_value(asked, hold_id, clock.now(), store, amount=amount, order_id=order_id)

        return await decided("capture", work, hold_id=hold_id)

    @router.post("/stored-value/holds/{hold_id}/void", openapi_extra=keys.KEY_HEADER)
    async def void(hold_id: UUID, body: Void | None = None, idempotency_key: Key = None) -> Response:  # noqa: ARG001 - for the document
        asked = Keyed.of(keys.SCOPE, keys.checked(idempotency_key), VOID, {"hold_id": hold_id}, {})
        return await decided("void", lambda store: void_value(asked, hold_id, clock.now(), store), hold_id=hold_id)

    @router.post("/stored-value/payments/{payment_id}/refunds", status_code=DONE, openapi_extra=keys.KEY_HEADER)
    async def refund(payment_id: UUID, body: Part | None = None, idempotency_key: Key = None) -> Response:
        body = body or Part()
        key = keys.checked(idempotency_key)
        asked = Keyed.of(keys.SCOPE, key, REFUND, {"payment_id": payment_id}, body.model_dump())
        amount, reason = body.amount_minor, body.reason

        async def work(store: PointsStore) -> Answer:
            return await refund_value(asked, payment_id, clock.now(), store, amount=amount, reason=reason)

        return await decided("refund", work, hold_id=payment_id)

    return router


def _looks(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    router = APIRouter()

    @router.get(OF_MEMBER)
    async def value(member_id: UUID) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_value.show_value(member_id, clock.now(), PointsStore(tx, shelf))
        if shown is None:
            raise errors.member_unknown(member_id)
        return as_json(shown)

    @router.get(f"{OF_MEMBER}/statement")
    async def statement(member_id: UUID, limit: Limit = PAGE, before: Before = None) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_value.show_value_statement(member_id, before, limit, PointsStore(tx, shelf))
        if shown is None:
            raise errors.member_unknown(member_id)
        return as_json(shown)

    @router.get(f"{OF_MEMBER}/entries/{{seq}}/explanation")
    async def explanation(member_id: UUID, seq: Annotated[int, Path(ge=1, le=BIGINT_MAX)]) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_value.explain_value(member_id, seq, PointsStore(tx, shelf))
        if shown is None:
            raise errors.entry_unknown(member_id, seq)
        return as_json(shown)

    @router.get("/stored-value/holds/{hold_id}")
    async def hold(hold_id: UUID) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_value_hold(hold_id, clock.now(), PointsStore(tx, shelf))
        if shown is None:
            raise errors.hold_unknown(hold_id)
        return as_json(shown)

    @router.get("/stored-value/liability")
    async def liability() -> Response:
        async with database.auditing() as tx:
            return as_json(await show_value.show_value_liability(clock.now(), PointsStore(tx, shelf)))

    return router
