"""The books as a whole: export, summary and proof. The one thing not to break: reading them changes nothing."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database
from points_svc.api.accounts import PAGE, Limit, as_json
from points_svc.handlers.show_liability import show_liability
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf


def of_books(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> APIRouter:
    """What all members have, and that it adds up."""
    router = APIRouter(prefix="/v1", tags=["books"])

    @router.get("/balances")
    async def balances(limit: Limit = PAGE, after: Annotated[UUID | None, Query()] = None) -> Response:
        async with database.reading() as tx:
            items = await PointsStore(tx, shelf).balances(after, limit, clock.now())
        return as_json({"items": items, "next": items[-1]["member_id"] if len(items) == limit else None})

    @router.get("/summary")
    async def summary() -> dict[str, int]:
        async with database.reading(still=True) as tx:
            figures = await PointsStore(tx, shelf).summary()
        metrics.points_outstanding.set(figures["outstanding"])
        metrics.points_owed.set(figures["debt"])
        metrics.points_held.set(figures["held"])
        return figures

    @router.get("/liability")
    async def liability() -> Response:
        async with database.auditing() as tx:
            shown = await show_liability(clock.now(), PointsStore(tx, shelf))
        metrics.note_liability(shown)
        return as_json(shown)

    @router.get("/ledger/trial-balance")
    async def trial_balance() -> dict[str, Any]:
        async with database.auditing() as tx:
            proof = await PointsStore(tx, shelf).trial_balance()
        metrics.note_proof(proof["invariants"])
        return proof

    return router
