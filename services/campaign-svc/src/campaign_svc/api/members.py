"""What a member was granted, and why or why not."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from campaign_svc.api import errors
from campaign_svc.api.schemas import AwardAnswer, AwardsPage, DecisionAnswer, DecisionsPage
from campaign_svc.domain.awards import Occasion
from campaign_svc.handlers.explain_decisions import explain_decisions
from campaign_svc.store.answers import PLACE_LAST, Answers
from campaign_svc.store.shelf import ProgrammeShelf
from laurel_kit.postgres import Database

Limit = Annotated[int, Query(ge=1, le=1_000)]


def router(database: Database, shelf: ProgrammeShelf) -> APIRouter:
    """/v1/members/{id}/awards and /decisions."""
    routes = APIRouter(prefix="/v1/members", tags=["members"])

    @routes.get("/{member_id}/awards")
    async def awards(
        member_id: UUID, limit: Limit = 100, before: Annotated[int, Query(ge=1, le=PLACE_LAST)] = PLACE_LAST
    ) -> AwardsPage:
        """The newest first; `before` is a number from `next`."""
        async with database.reading() as tx:
            answers = Answers(tx, shelf)
            kept = await answers.awards(member_id, before=before, limit=limit)
            if not kept and not await answers.knows(member_id):
                raise errors.unknown_member(member_id)
        more = str(kept[-1].award.said_number) if len(kept) == limit else None
        return AwardsPage(items=[AwardAnswer.of(each) for each in kept], next=more)

    @routes.get("/{member_id}/decisions")
    async def decisions(
        member_id: UUID, order_id: str | None = None, limit: Limit = 20, before: str | None = None
    ) -> DecisionsPage:
        """Every occasion that could have caused something, the latest first, with each leaf of each condition; or one order."""
        place = _place(before)
        async with database.reading() as tx:
            answers = Answers(tx, shelf)
            if order_id is not None:
                occasions = await answers.order(member_id, order_id)
            else:
                occasions = await answers.occasions(member_id, before=place, limit=limit)
            if not occasions:
                if not await answers.knows(member_id):
                    raise errors.unknown_member(member_id)
                if order_id is not None:
                    raise errors.unknown_order(order_id)
            explained = await explain_decisions(member_id, occasions, answers)
        more = _cursor(occasions[-1]) if len(occasions) == limit and order_id is None else None
        return DecisionsPage(items=[DecisionAnswer.of(each) for each in explained], next=more)

    return routes


def _cursor(occasion: Occasion) -> str:
    return f"{occasion.place}.{occasion.cause}.{occasion.number}"


def _place(cursor: str | None) -> tuple[int, str, int]:
    if cursor is None:
        return (PLACE_LAST, "", 0)
    place, _, rest = cursor.partition(".")
    cause, _, number = rest.partition(".")
    small = all(part.isdecimal() and len(part) <= 18 for part in (place, number))
    if not small or cause not in {"activity", "standing"}:
        raise errors.bad_cursor(cursor)
    return (int(place), cause, int(number))
