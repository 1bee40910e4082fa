"""A member's balance, statement and orders. The one thing not to break: every entry is shown with its whole reason."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database
from points_svc.api import errors
from points_svc.handlers import show_account
from points_svc.store import PointsStore, Shelf

PAGE_MAX = 1000
PAGE = 100
BIGINT_MAX = 2**63 - 1
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


def as_json(document: Any) -> Response:
    """Plain values as they are; instants in UTC."""
    return Response(msgspec.json.encode(document), media_type="application/json")


def of_accounts(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    """What a member has, had, and why."""
    router = APIRouter(prefix="/v1/members", tags=["accounts"])

    @router.get("/{member_id}/balance")
    async def balance(member_id: UUID) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_account.show_balance(member_id, clock.now(), PointsStore(tx, shelf))
        if shown is None:
            raise errors.member_unknown(member_id)
        return as_json(shown)

    @router.get("/{member_id}/statement")
    async def statement(
        member_id: UUID, limit: Limit = PAGE, before: Annotated[int | None, Query(ge=1, le=BIGINT_MAX)] = None
    ) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_account.show_statement(member_id, before, limit, clock.now(), PointsStore(tx, shelf))
        if shown is None:
            raise errors.member_unknown(member_id)
        return as_json(shown)

    @router.get("/{member_id}/orders")
    async def orders(
        member_id: UUID, limit: Limit = PAGE, after: Annotated[int, Query(ge=0, le=BIGINT_MAX)] = 0
    ) -> Response:
        async with database.reading(still=True) as tx:
            return as_json(await show_account.show_orders(member_id, after, limit, PointsStore(tx, shelf)))

    @router.get("/{member_id}/orders/{order_id:path}")
    async def order(member_id: UUID, order_id: str) -> Response:
        async with database.reading(still=True) as tx:
            shown = await show_account.show_order(member_id, order_id, PointsStore(tx, shelf))
        if shown is None:
            raise errors.order_unknown(order_id)
        return as_json(shown)

    return router
