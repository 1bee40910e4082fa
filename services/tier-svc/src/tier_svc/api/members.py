"""One member: the standing, what is needed, and the history with its reasons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from laurel_kit.http_types import Instant
from laurel_kit.postgres import Database, Transaction
from tier_svc.api import errors
from tier_svc.api.schemas import FactAnswer, FactsPage, StandingAnswer, TierAtAnswer
from tier_svc.handlers.show_standing import NoProgramme, show_standing, show_tier_at
from tier_svc.store import TierStore

ORDINAL_LAST = 2**62

Limit = Annotated[int, Query(ge=1, le=1_000)]


def router(database: Database, open_store: Callable[[Transaction], TierStore]) -> APIRouter:
    """/v1/members/{id}/standing and /standings."""
    routes = APIRouter(prefix="/v1/members", tags=["members"])

    @routes.get("/{member_id}/standing")
    async def standing(member_id: UUID) -> StandingAnswer:
        """As of the member's clock, with what is missing for the next tier and to keep this one."""
        async with database.reading() as tx:
            try:
                shown = await show_standing(member_id, open_store(tx))
            except NoProgramme as error:
                raise errors.no_programme(error) from error
        if shown is None:
            raise errors.unknown_member(member_id)
        return StandingAnswer.of(shown.stream, shown.needs)

    @routes.get("/{member_id}/standings", response_model=None)
    async def standings(
        member_id: UUID,
        limit: Limit = 100,
        after: Annotated[int, Query(ge=0, le=ORDINAL_LAST)] = 0,
        at: Instant | None = None,
        as_known_at: Instant | None = None,
    ) -> FactsPage | TierAtAnswer:
        """The facts, oldest first, each with its reason; with `at`: which tier was held then, as corrected, or as known at an instant."""
        async with database.reading() as tx:
            store = open_store(tx)
            if not await store.answers.knows(member_id):
                raise errors.unknown_member(member_id)
            if at is not None:
                tier, since = await show_tier_at(member_id, at, as_known_at, store)
                rules = await store.programmes.newest_in_force()
                if rules is None:
                    raise errors.no_programme(LookupError("nobody has a standing yet"))
                return TierAtAnswer(at=at.astimezone(UTC), as_known_at=as_known_at, tier=rules.name(tier), since=since)
            facts = await store.answers.facts(member_id, after, limit)
        more = str(facts[-1].ordinal) if len(facts) == limit else None
        return FactsPage(items=[FactAnswer.of(fact) for fact in facts], next=more)

    return routes
