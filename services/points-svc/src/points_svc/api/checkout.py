"""Points as money over HTTP: a quote. The one thing not to break: amounts are integers in minor units; what is none is a 422."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from laurel_kit.clock import BusinessClock
from laurel_kit.http import Problem
from laurel_kit.postgres import Database
from points_svc.api import errors
from points_svc.api.accounts import as_json
from points_svc.api.spendings import AMOUNT_MAX
from points_svc.handlers.quote_checkout import NoProgramme, quote_checkout
from points_svc.store import PointsStore, Shelf


def of_checkout(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    """How much of an order points may pay."""
    router = APIRouter(prefix="/v1/members", tags=["checkout"])

    @router.get("/{member_id}/checkout-quote")
    async def quote(
        member_id: UUID,
        amount_minor: Annotated[int, Query(ge=1, le=AMOUNT_MAX)],
        order_id: Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] = None,
    ) -> Response:
        async with database.reading(still=True) as tx:
            try:
                found = await quote_checkout(member_id, amount_minor, order_id, clock.now(), PointsStore(tx, shelf))
            except NoProgramme:
                raise Problem(409, "no_programme", "No programme version is in force here") from None
        if found is None:
            raise errors.member_unknown(member_id)
        return as_json(found)

    return router
