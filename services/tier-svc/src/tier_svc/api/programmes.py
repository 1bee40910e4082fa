"""Programme versions: loaded here, activated at the door alone (domain.md 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request

from laurel_contracts import programme as document
from laurel_kit.clock import BusinessClock
from laurel_kit.hearing import Hold
from laurel_kit.http_types import Instant
from laurel_kit.postgres import Database, Transaction
from tier_svc.api import errors
from tier_svc.api.trials import TriedAnswer
from tier_svc.domain.ladder import Rules
from tier_svc.handlers.load_programme import OtherDocument, RefusedProgramme, load_programme
from tier_svc.handlers.try_programme import PAGE_MEMBERS_MAX, rules_to_try, try_programme
from tier_svc.store import TierStore

VERSION_MAX = 2**31 - 1


# What is read raw, for the OpenAPI document.
DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "a programme (domain.md 6)"}}},
    }
}


OPTIONAL_DOCUMENT: dict[str, Any] = {"requestBody": DOCUMENT["requestBody"] | {"required": False}}
NOBODY = UUID(int=0)


def router(database: Database, open_store: Callable[[Transaction], TierStore], clock: BusinessClock) -> APIRouter:
    """/v1/programmes."""
    routes = APIRouter(prefix="/v1/programmes", tags=["programmes"])

    @routes.get("")
    async def programmes() -> dict[str, Any]:
        async with database.reading() as tx:
            loaded = await open_store(tx).programmes.listed()
        return {"items": [{"version": each.version, "sha256": each.sha256} for each in loaded], "next": None}

    @routes.put("/{version}", openapi_extra=DOCUMENT)
    async def load(version: Annotated[int, Path(ge=1, le=VERSION_MAX)], request: Request) -> dict[str, Any]:
        """The same document again is fine; another one under the same version is refused."""
        body = await request.body()
        try:
            programme = document.parse(body)
            if programme.version != version:
                raise errors.wrong_version(version, programme.version)
            async with database.transaction() as tx:
                loaded = await load_programme(programme, open_store(tx), clock.now())
        except (RefusedProgramme, OtherDocument, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise errors.of_programme(error) from error
        return {"version": loaded.version, "sha256": loaded.sha256}

    @routes.post("/{version}/dry-run", openapi_extra=OPTIONAL_DOCUMENT)
    async def dry_run(
        version: Annotated[int, Path(ge=1, le=VERSION_MAX)],
        request: Request,
        effective_from: Instant | None = None,
        after: UUID = NOBODY,
        limit: Annotated[int, Query(ge=1, le=PAGE_MEMBERS_MAX)] = 100,
    ) -> TriedAnswer:
        """Who would move and why, of `limit` members behind `after`, without moving anyone: under a version that is loaded, or under the
        document in the body, which need not be."""
        body = await request.body()
        async with database.reading() as tx:
            store = open_store(tx)
            rules = await _rules_to_try(version, body, store)
            try:
                tried = await try_programme(rules, effective_from, after, limit, store)
            except (Hold, LookupError) as error:
                raise errors.no_programme(error) from error
            except RefusedProgramme as error:
                raise errors.of_programme(error) from error
        return TriedAnswer.of(version, tried)

    return routes


async def _rules_to_try(version: int, body: bytes, store: TierStore) -> Rules:
    if not body:
        try:
            return (await store.programmes.rules([version]))[version]
        except Hold as error:
            raise errors.unknown_version(version) from error
    try:
        programme = document.parse(body)
        if programme.version != version:
            raise errors.wrong_version(version, programme.version)
        return await rules_to_try(programme, store)
    except (RefusedProgramme, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.of_programme(error) from error
