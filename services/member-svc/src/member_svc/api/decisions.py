"""What staff decides about a member's standing. The one thing not to break: the same request under the same key is one decision."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel, Field, StrictInt

from laurel_kit.http import Problem
from laurel_kit.http_types import Instant
from member_svc.api.access import Access
from member_svc.handlers.decide_standing import Asked, Numbered, TakeBack, decide_standing

KEY_CHARS = range(16, 129)
Key = Annotated[str | None, Header(description="One per decision; the same request under it is answered the same.")]
Number = Annotated[int, Path(ge=1, le=2**62)]
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
    steps: StrictInt = Field(default=1, ge=0, le=100)
    since: Instant | None = None
    until: Instant
    reason: Words
    actor: Words


class NewTakingBack(BaseModel):
    """An override or a sanction ends early: from `since` on (null: now), at the latest when it would have ended by itself."""

    since: Instant | None = None
    reason: Words
    actor: Words


class NumberedTakingBack(BaseModel):
    """The taking back has this number in the member's stream; it applies to what is numbered above it."""

    member_id: UUID
    member_seq: int
    override_seq: int
    since: datetime


class NumberedDecision(BaseModel):
    """The decision has this number in the member's stream; it applies to what is numbered above it."""

    member_id: UUID
    member_seq: int
    since: datetime
    until: datetime


def router(access: Access) -> APIRouter:
    """/v1/members/{id}/overrides and /sanctions, and taking one of them back."""
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

    @routes.post("/{member_id}/overrides/{member_seq}/take-back", status_code=201)
    async def take_back(
        member_id: UUID, member_seq: Number, body: NewTakingBack, response: Response, idempotency_key: Key = None
    ) -> NumberedTakingBack:
        """An override or a sanction, by its number in the stream; what lies below shows again. What was rated under it stands."""
        asked = TakeBack(body.since, member_seq, body.reason, body.actor)
        done = await _numbered(member_id, asked, idempotency_key, response)
        return NumberedTakingBack(
            member_id=member_id, member_seq=done.member_seq, override_seq=member_seq, since=done.data.since
        )

    async def _numbered(member_id: UUID, asked: Asked | TakeBack, key: str | None, response: Response) -> Numbered:
        known = _checked(key)
        done = await access.change(lambda store: decide_standing(member_id, asked, known, store))
        if done.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return done

    async def _decided(member_id: UUID, asked: Asked, key: str | None, response: Response) -> NumberedDecision:
        done = await _numbered(member_id, asked, key, response)
        return NumberedDecision(
            member_id=member_id, member_seq=done.member_seq, since=done.data.since, until=asked.until.astimezone(UTC)
        )

    return routes


def _checked(key: str | None) -> str:
    if key is None:
        raise Problem(400, "idempotency_key_required", "The header Idempotency-Key is missing")
    if len(key) not in KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise Problem(400, "idempotency_key_malformed", "An Idempotency-Key has 16 to 128 printable ASCII characters")
    return key
