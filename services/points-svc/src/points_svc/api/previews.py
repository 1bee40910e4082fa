"""A dry run over HTTP: what would this purchase earn? The one thing not to break: it writes nothing, needs no key, and what cannot be a
purchase is a 4xx."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from laurel_contracts.activities import LINES_MAX
from laurel_kit.clock import BusinessClock
from laurel_kit.http import Problem
from laurel_kit.http_types import Instant
from laurel_kit.postgres import Database
from points_svc.api import errors
from points_svc.api.accounts import as_json
from points_svc.api.spendings import Text
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.preview_purchase import CannotTell, Line, Wanted, preview_purchase
from points_svc.store import PointsStore, Shelf

AMOUNT_MAX = 10**12
TITLES = {
    "time_out_of_range": "The time cannot be that of a purchase",
    "no_programme": "No programme is in force then",
    "currency_differs": "The currency is not the programme's",
    "amount_out_of_range": "The purchase is too large",
}
STATUS = {"no_programme": 409}
NOT_A_PURCHASE = 422


class NewLine(BaseModel):
    """One line; an unknown category is `unknown`, which qualifies."""

    model_config = ConfigDict(extra="forbid")

    category: Text = "unknown"
    amount_minor: Annotated[StrictInt, Field(ge=0, le=AMOUNT_MAX)]


class NewPreview(BaseModel):
    """A purchase as it would be reported, as far as it is rated."""

    model_config = ConfigDict(extra="forbid")

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=LINES_MAX)]
    time: Instant | None = None


def of_previews(database: Database, shelf: Shelf, clock: BusinessClock) -> APIRouter:
    """Dry runs."""
    router = APIRouter(prefix="/v1/members", tags=["previews"])

    @router.post("/{member_id}/purchase-preview")
    async def preview(member_id: UUID, body: NewPreview) -> Response:
        if sum(line.amount_minor for line in body.lines) > AMOUNT_MAX:
            raise _problem(CannotTell("amount_out_of_range", f"An order is at most {AMOUNT_MAX} minor units."))
        lines = [Line(line.category, line.amount_minor) for line in body.lines]
        try:
            async with database.reading(still=True) as tx:
                shown = await preview_purchase(
                    Wanted(member_id, body.currency, lines, body.time), clock.now(), PointsStore(tx, shelf)
                )
        except MemberUnknown:
            raise errors.member_unknown(member_id) from None
        except CannotTell as reason:
            raise _problem(reason) from None
        return as_json(shown)

    return router


def _problem(reason: CannotTell) -> Problem:
    return Problem(STATUS.get(reason.kind, NOT_A_PURCHASE), reason.kind, TITLES[reason.kind], reason.detail)
