"""Benefits over HTTP: what a member has and why, uses and what is given back, what he chooses, and how much all of it is used. The one
thing not to break: what cannot be asked is a 4xx, uses up no key and leaves no row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response

from laurel_kit import keys
from laurel_kit.clock import BusinessClock
from laurel_kit.http import Problem
from laurel_kit.http_types import Day, Instant
from laurel_kit.once import CREATED, Answer, Keyed
from laurel_kit.postgres import Database, Transaction
from tier_svc.api import errors
from tier_svc.api.benefit_schemas import (
    USAGE_DAYS,
    CatalogueAnswer,
    GiveBack,
    HeldAnswer,
    NewUse,
    Profile,
    UsagePage,
)
from tier_svc.handlers import use_benefits
from tier_svc.handlers.show_benefits import show_benefits, show_catalogue, show_usage
from tier_svc.handlers.show_standing import NoProgramme
from tier_svc.handlers.use_benefits import BenefitUnknown, MemberUnknown, PackUnknown, UseUnknown
from tier_svc.store import TierStore

NUMBER_LAST = 2**62

OpenStore = Callable[[Transaction], TierStore]
Work = Callable[[TierStore], Awaitable[Answer]]
Decided = Callable[[Work, UUID, str], Awaitable[Response]]
Limit = Annotated[int, Query(ge=1, le=1_000)]


def router(database: Database, open_store: OpenStore, clock: BusinessClock) -> APIRouter:
    """Everything about benefits."""
    routes = APIRouter(prefix="/v1", tags=["benefits"])

    async def decided(work: Work, whose: UUID, what: str) -> Response:
        try:
            return await keys.decided(database, lambda tx: work(open_store(tx)))
        except NoProgramme as error:
            raise errors.no_programme(error) from error
        except MemberUnknown:
            raise errors.unknown_member(whose) from None
        except (BenefitUnknown, UseUnknown, PackUnknown) as unknown:
            raise _unknown(unknown, what) from None

    _of_members(routes, database, open_store, clock)
    _of_uses(routes, database, open_store, decided, clock)
    _of_all(routes, database, open_store, clock)
    return routes


def _of_members(routes: APIRouter, database: Database, open_store: OpenStore, clock: BusinessClock) -> None:
    @routes.get("/members/{member_id}/benefits")
    async def benefits(member_id: UUID, at: Instant | None = None) -> HeldAnswer:
        """What applies now and why, why not and what it would need; with `at`: as of that instant, as corrected."""
        if at is not None:
            errors.refuse_outside_the_calendar(at)
        async with database.reading() as tx:
            try:
                held = await show_benefits(member_id, clock.now(), at, open_store(tx))
            except NoProgramme as error:
                raise errors.no_programme(error) from error
        if held is None:
            raise errors.unknown_member(member_id)
        return HeldAnswer.of(held)

    @routes.get("/members/{member_id}/profile")
    async def profile(member_id: UUID) -> Response:
        """The pack that the member has chosen, and his birthday without its year."""
        async with database.reading() as tx:
            row = await open_store(tx).benefits.holder(member_id)
        if row is None:
            raise errors.unknown_member(member_id)
        return _as_json(use_benefits.profile_document(member_id, row.pack, row.birthday))

    @routes.get("/members/{member_id}/benefit-uses")
    async def uses(
        member_id: UUID, limit: Limit = 100, before: Annotated[int, Query(ge=1, le=NUMBER_LAST)] = NUMBER_LAST
    ) -> Response:
        """A member's uses, the latest first."""
        async with database.reading() as tx:
            store = open_store(tx)
            if not await store.answers.knows(member_id):
                raise errors.unknown_member(member_id)
            found = await store.benefits.uses(member_id, before, limit)
        last = found[-1].number if len(found) == limit else None
        return _as_json({"items": [use_benefits.document(each) for each in found], "next": last})


def _of_uses(
    routes: APIRouter, database: Database, open_store: OpenStore, decided: Decided, clock: BusinessClock
) -> None:
    @routes.put("/members/{member_id}/profile", openapi_extra=keys.KEY_HEADER)
    async def choose(member_id: UUID, body: Profile, idempotency_key: keys.Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "PUT /v1/members/{member_id}/profile"
        asked = Keyed.of(keys.SCOPE, key, route, {"member_id": member_id}, body.model_dump())

        async def work(store: TierStore) -> Answer:
            by_staff = body.actor is not None
            chosen = use_benefits.Chosen(member_id, body.pack, body.birthday, by_staff)
            return await use_benefits.choose_profile(asked, chosen, clock.now(), store)

        return await decided(work, member_id, body.pack or "")

    @routes.post("/members/{member_id}/benefit-uses", status_code=CREATED, openapi_extra=keys.KEY_HEADER)
    async def use(member_id: UUID, body: NewUse, idempotency_key: keys.Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "POST /v1/members/{member_id}/benefit-uses"
        asked = Keyed.of(keys.SCOPE, key, route, {"member_id": member_id}, body.model_dump())

        async def work(store: TierStore) -> Answer:
            wanted = use_benefits.Wanted(member_id, body.benefit_id, body.order_id)
            return await use_benefits.use_benefit(asked, wanted, clock.now(), store)

        return await decided(work, member_id, body.benefit_id)

    @routes.post("/benefit-uses/{use_id}/give-back", openapi_extra=keys.KEY_HEADER)
    async def give_back(use_id: UUID, body: GiveBack, idempotency_key: keys.Key = None) -> Response:
        key, route = keys.checked(idempotency_key), "POST /v1/benefit-uses/{use_id}/give-back"
        asked = Keyed.of(keys.SCOPE, key, route, {"use_id": use_id}, body.model_dump())

        async def work(store: TierStore) -> Answer:
            return await use_benefits.give_back(asked, use_id, clock.now(), store, actor=body.actor, reason=body.reason)

        return await decided(work, use_id, str(use_id))

    @routes.get("/benefit-uses/{use_id}")
    async def used(use_id: UUID) -> Response:
        async with database.reading() as tx:
            found = await open_store(tx).benefits.use(use_id)
        if found is None:
            raise _unknown(UseUnknown(), str(use_id))
        return _as_json(use_benefits.document(found))


def _of_all(routes: APIRouter, database: Database, open_store: OpenStore, clock: BusinessClock) -> None:
    @routes.get("/benefits")
    async def catalogue() -> CatalogueAnswer:
        """The benefits of the newest programme version in force."""
        async with database.reading() as tx:
            shown = await show_catalogue(open_store(tx))
        if shown is None:
            raise errors.no_programme(LookupError("no version has been activated yet"))
        return CatalogueAnswer.of(*shown)

    @routes.get("/benefits/usage")
    async def usage(since: Day | None = None, until: Day | None = None) -> UsagePage:
        """The benefit usage rate per benefit and tier, over local days; the last thirty where nothing is said."""
        until = until or clock.now().date() + timedelta(days=2)  # no zone is further ahead
        if since is None:
            since = max(until, date.min + USAGE_DAYS) - USAGE_DAYS
        if since >= until:
            raise Problem(422, "invalid", "The request is not valid", "since is not before until")
        async with database.reading() as tx:
            found = await show_usage(since, until, open_store(tx))
        if found is None:
            raise errors.no_programme(LookupError("no version has been activated yet"))
        return UsagePage.of(since, until, list(found))


def _as_json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _unknown(error: Exception, what: str) -> Problem:
    if isinstance(error, BenefitUnknown):
        return Problem(404, "benefit_unknown", "The programme in force has no such benefit", f"{what!r} is not in it.")
    if isinstance(error, PackUnknown):
        return Problem(422, "pack_unknown", "The programme in force has no such pack", f"{what!r} is not in it.")
    return Problem(404, "benefit_use_unknown", "There is no such use of a benefit", f"{what} is not known here.")
