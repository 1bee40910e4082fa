"""What staff decides about a member's standing. The one thing not to break: the same request under the same key is one decision."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field

from laurel_kit.http import Problem
from laurel_kit.http_types import Instant
from member_svc.api.access import Access
from member_svc.handlers.decide_standing import Asked, decide_standing

KEY_CHARS = range(16, 129)
Key = Annotated[str | None, Header(description="One per decision; the same request under it is answered the same.")]
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class NewOverride(BaseModel):
    """A tier by hand: at least (floor) or exactly this one while since ≤ clock < until."""

    tier: Words
    mode: Literal["floor", "exact"]
    since: Instant | None = None
    until: Instant
    reason: Words
    actor: Words


class NewSanction(BaseModel):
    """A violation: held at the tier that applies at its start (freeze), or so many steps below it (lower)."""

    act: Literal["freeze", "lower"]
    steps: int = Field(default=1, ge=0, le=100)
    since: Instant | None = None
    until: Instant
    reason: Words
    actor: Words


class NumberedDecision(BaseModel):
    """The decision has this number in the member's stream; it applies to what is numbered above it."""

    member_id: UUID
    member_seq: int
    since: datetime
    until: datetime


def router(access: Access) -> APIRouter:
    """/v1/members/{id}/overrides and /sanctions."""
    routes = APIRouter(prefix="/v1/members", tags=["standings"])

    @routes.post("/{member_id}/overrides", status_code=201)
    async def override(
        member_id: UUID, body: NewOverride, response: Response, idempotency_key: Key = None
    ) -> NumberedDecision:
        """It lies on top of the computed tier, which goes on underneath; its end shows what is below."""
        asked = Asked(body.since, body.until, body.reason, body.actor, tier=body.tier, mode=body.mode)
        return await _decided(member_id, asked, idempotency_key, response)

    @routes.post("/{member_id}/sanctions", status_code=201)
    async def sanction(
        member_id: UUID, body: NewSanction, response: Response, idempotency_key: Key = None
    ) -> NumberedDecision:
        """For a violation or for complaints; ends by itself."""
        asked = Asked(body.since, body.until, body.reason, body.actor, act=body.act, steps=body.steps)
        return await _decided(member_id, asked, idempotency_key, response)

    async def _decided(member_id: UUID, asked: Asked, key: str | None, response: Response) -> NumberedDecision:
        known = _checked(key)
        done = await access.change(lambda store: decide_standing(member_id, asked, known, store))
        if done.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return NumberedDecision(
            member_id=member_id, member_seq=done.member_seq, since=done.data.since, until=done.data.until
        )

    return routes


def _checked(key: str | None) -> str:
    if key is None:
        raise Problem(400, "idempotency_key_required", "The header Idempotency-Key is missing")
    if len(key) not in KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise Problem(400, "idempotency_key_malformed", "An Idempotency-Key has 16 to 128 printable ASCII characters")
    return key
