"""One member: the standing, what is needed, and the history with its reasons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from laurel_kit.http_types import Instant
from laurel_kit.postgres import Database, Transaction
from tier_svc.api import errors
from tier_svc.api.schemas import ClubFactAnswer, FactAnswer, FactsPage, OverrideAnswer, StandingAnswer, TierAtAnswer
from tier_svc.handlers.show_standing import NoProgramme, show_overrides, show_standing, show_tier_at
from tier_svc.store import TierStore

ORDINAL_LAST = 2**62

Limit = Annotated[int, Query(ge=1, le=1_000)]


def router(database: Database, open_store: Callable[[Transaction], TierStore]) -> APIRouter:
    """/v1/members/{id}/standing, /standings, /overrides and /clubs."""
    routes = APIRouter(prefix="/v1/members", tags=["members"])

    @routes.get("/{member_id}/standing")
    async def standing(
        member_id: UUID,
        history: Annotated[int, Query(ge=0, le=1_000)] = 20,
        at: Instant | None = None,
        as_known_at: Instant | None = None,
    ) -> StandingAnswer:
        """As of the member's clock, with what is missing for the next tier and to keep this one, the latest facts with their reasons and,
        with `at`, the tier of an earlier instant."""
        async with database.reading() as tx:
            store = open_store(tx)
            try:
                shown = await show_standing(member_id, store)
            except NoProgramme as error:
                raise errors.no_programme(error) from error
            if shown is None:
                raise errors.unknown_member(member_id)
            facts = await store.answers.facts_latest(member_id, history)
            then = await _then(member_id, at, as_known_at, store) if at is not None else None
        return StandingAnswer.of(shown, facts, then)

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
                return await _then(member_id, at, as_known_at, store)
            facts = await store.answers.facts(member_id, after, limit)
        more = str(facts[-1].ordinal) if len(facts) == limit else None
        return FactsPage(items=[FactAnswer.of(fact) for fact in facts], next=more)

    _beside_the_ladder(routes, database, open_store)
    return routes


def _beside_the_ladder(routes: APIRouter, database: Database, open_store: Callable[[Transaction], TierStore]) -> None:
    """What lies on top of the standing, and what stands beside it."""

    @routes.get("/{member_id}/overrides")
    async def overrides(member_id: UUID) -> list[OverrideAnswer]:
        """All overrides and sanctions that were ever numbered, oldest first, also those that are over, were taken back or never began."""
        async with database.reading() as tx:
            store = open_store(tx)
            if not await store.answers.knows(member_id):
                raise errors.unknown_member(member_id)
            return [OverrideAnswer.of(each) for each in await show_overrides(member_id, None, store)]

    @routes.get("/{member_id}/clubs")
    async def clubs(member_id: UUID) -> list[ClubFactAnswer]:
        """All facts about the member's standings in clubs, by club, oldest first."""
        async with database.reading() as tx:
            store = open_store(tx)
            if not await store.answers.knows(member_id):
                raise errors.unknown_member(member_id)
            return [ClubFactAnswer.of(fact) for _, _, fact in await store.answers.club_facts([member_id])]


async def _then(member_id: UUID, at: datetime, as_known_at: datetime | None, store: TierStore) -> TierAtAnswer:
    errors.refuse_outside_the_calendar(at)
    rules = await store.programmes.newest_in_force()
    if rules is None:
        raise errors.no_programme(LookupError("nobody has a standing yet"))
    held = await show_tier_at(member_id, at, as_known_at, rules, store)
    return TierAtAnswer.of(at.astimezone(UTC), as_known_at, held)
