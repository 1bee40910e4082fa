"""POST /v1/activities: the door. The one thing not to break: 202 is answered after the commit, never before; and no pydantic on this
route, it would cost more than all the rest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response

from laurel_kit.http import Problem
from member_svc.api.access import Access
from member_svc.domain.outcomes import Outcome
from member_svc.handlers.read_reports import Read, TooMany, Undecodable, read_body
from member_svc.handlers.take_request import take_request
from member_svc.metrics import MemberMetrics

JSON = "application/json"
NDJSON = "application/x-ndjson"

DESCRIPTION = """
Reports of a channel, 1 to 1000: a JSON array, one report alone, or NDJSON of CloudEvents (domain.md 2.1). Each gets an outcome of its own:
`accepted` (numbered, durable), `duplicate` (nothing happens), `waiting` (what is about an order that has not come), `refused`
(with reason and path; uses up no key, so a corrected one comes under a new id), `conflict` (the same id or business key with
other content; kept as a dead letter). The answer comes after everything has been written to disk.
"""

REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            # Whatever stands in the array gets an outcome of its own, also what is no report.
            JSON: {
                "schema": {
                    "oneOf": [{"type": "array", "minItems": 1, "maxItems": 1000, "items": {}}, {"type": "object"}]
                }
            },
            NDJSON: {"schema": {"type": "string", "minLength": 1}},
        },
    }
}


RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "An outcome for each",
        "content": {JSON: {"schema": {"type": "object", "required": ["outcomes", "counts"]}}},
    }
}


class Answer(msgspec.Struct, omit_defaults=True):
    """The outcome of one report, as it is answered."""

    index: int
    id: str
    outcome: str
    reason: str | None = None
    detail: str | None = None
    member_id: UUID | None = None
    member_seq: int | None = None


class Answers(msgspec.Struct):
    """The whole answer."""

    outcomes: list[Answer]
    counts: dict[str, int]


def router(access: Access, metrics: MemberMetrics) -> APIRouter:
    """The route of the door."""
    routes = APIRouter(prefix="/v1", tags=["door"])

    @routes.post(
        "/activities", status_code=202, description=DESCRIPTION, openapi_extra=REQUEST_BODY, response_class=Response, responses=RESPONSES,
    )  # fmt: skip
    async def report_activities(request: Request) -> Response:
        began = time.perf_counter()
        kind = request.headers.get("content-type", NDJSON)
        read = _read(await request.body(), lines=not kind.startswith(JSON))
        outcomes = await access.change(lambda store: take_request(read, store))
        metrics.request_seconds.observe(time.perf_counter() - began)
        return Response(_encoded(outcomes), 202, media_type=JSON)

    return routes


def _read(body: bytes, *, lines: bool) -> Read:
    try:
        return read_body(body, lines=lines)
    except Undecodable as error:
        raise Problem(400, "malformed", "The body is neither a JSON array nor NDJSON of reports", str(error)) from error
    except TooMany as error:
        raise Problem(413, "too_many_reports", "Too many reports in one request", str(error)) from error


def _encoded(outcomes: Sequence[Outcome]) -> bytes:
    answers = [Answer(o.index, o.id, o.outcome, o.reason, o.detail, o.member_id, o.member_seq) for o in outcomes]
    return msgspec.json.encode(Answers(answers, dict(Counter([o.outcome for o in outcomes]))))
