"""Members: registration, look-ups, export, a member's stream. The one thing not to break: identifiers are shown to staff only through
these routes, and travel nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from laurel_contracts.envelope import Identifier
from laurel_kit.http import Problem
from laurel_kit.http_types import Instant
from member_svc.api.access import Access
from member_svc.api.errors import no_such_member
from member_svc.domain import identifiers
from member_svc.handlers.register_member import names_of, register_member
from member_svc.store.directory import Card

PAGE_MAX = 1_000
After = Annotated[int, Query(ge=0, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
FIRST = UUID(int=0)
JSON = "application/json"


class GivenIdentifier(BaseModel):
    """What a channel knows a member by."""

    kind: str = Field(pattern="^(phone|email|card|open_id|external_id)$")
    value: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")


class Registration(BaseModel):
    """Who enrols, and when he did so (now, when it is left out)."""

    identifiers: list[GivenIdentifier] = Field(min_length=1, max_length=20)
    time: Instant | None = None
    referrer_id: UUID | None = None


class RegisteredMember(BaseModel):
    """The member who is registered now."""

    member_id: UUID
    registered: bool  # False: he was so before


def router(access: Access) -> APIRouter:
    """The routes of members."""
    routes = APIRouter(prefix="/v1/members", tags=["members"])

    @routes.post("", status_code=201, responses={200: {"description": "was registered before"}})
    async def register(registration: Registration, response: Response) -> RegisteredMember:
        names = _names(registration)
        time: datetime | None = registration.time
        done = await access.change(lambda store: register_member(names, time, registration.referrer_id, store))
        response.status_code = 201 if done.said else 200
        return RegisteredMember(member_id=done.member_id, registered=done.said)

    @routes.get("", response_class=Response)
    async def find_or_list(
        identifier: Annotated[str | None, Query(description="kind:value; one member", max_length=250)] = None,
        after: UUID = FIRST,
        limit: Limit = 100,
    ) -> Response:
        if identifier is not None:
            return await _find(identifier)
        cards = await access.read(lambda store: store.directory.page(after, limit))
        following = cards[-1].member_id if len(cards) == limit else None
        return _json({"items": [_shown(card) for card in cards], "next": following})

    def _names(registration: Registration) -> list[identifiers.Name]:
        given = [msgspec.convert({"kind": i.kind, "value": i.value}, Identifier) for i in registration.identifiers]
        return access.refusing(lambda: names_of(given))

    async def _find(identifier: str) -> Response:
        kind, colon, value = identifier.partition(":")
        try:
            name = identifiers.normal(kind, value) if colon else None
        except ValueError:
            name = None
        if name is None or "\0" in identifier:
            raise Problem(422, "unusable_identifier", "An identifier is looked up as kind:value")
        card = await access.read(lambda store: store.directory.find(name))
        if card is None:
            raise no_such_member()
        return _json(_shown(card))

    @routes.get("/{member_id}", response_class=Response)
    async def show(member_id: UUID) -> Response:
        card = await access.read(lambda store: store.directory.get(member_id))
        if card is None:
            raise no_such_member()
        return _json(_shown(card) | {"member_seq": card.last_seq, "partition": card.partition})

    @routes.get("/{member_id}/activities", response_class=Response)
    async def stream(member_id: UUID, after: After = 0, limit: Limit = 100) -> Response:
        if await access.read(lambda store: store.directory.get(member_id)) is None:
            raise no_such_member()
        page = await access.read(lambda store: store.stream.page(member_id, after, limit))
        following = page[-1].member_seq if len(page) == limit else None
        return _json({"items": [msgspec.Raw(entry.body) for entry in page], "next": following})

    return routes


def _shown(card: Card) -> dict[str, Any]:
    return {
        "member_id": card.member_id,
        "state": card.state,
        "enrolled_at": card.enrolled_at,
        "identifiers": [{"kind": kind, "value": value} for kind, value in card.identifiers],
    }


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type=JSON)
