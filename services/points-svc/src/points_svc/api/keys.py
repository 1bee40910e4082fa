"""The header Idempotency-Key (reliability.md 3.4): how a key looks, and how what was decided under it becomes an answer. The one thing
not to break: the same key is answered the same, whatever happened since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Response

from laurel_kit.postgres import Database, Transaction
from laurel_kit.problems import PROBLEM_MEDIA_TYPE
from points_svc.api import errors
from points_svc.handlers.once import Answer, InFlight, KeyReused, KeyTooOld

KEY_CHARS = range(16, 129)
# Whose keys these are. Callers have no names yet; when they do, this is who asks.
SCOPE = "anybody"
CREATED = 201
REFUSALS_FROM = 400

# For the OpenAPI document. Not checked by the framework, because a missing key has an answer of its own.
KEY_HEADER: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "The same request under the same key is answered the same, with the header Idempotent-Replayed.",
            "schema": {"type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[\\x20-\\x7e]*$"},
        }
    ]
}


def checked(header: str | None) -> str:
    """The key, if it can be one."""
    if header is None:
        raise errors.key_required()
    if len(header) not in KEY_CHARS or not (header.isascii() and header.isprintable()):
        raise errors.key_malformed()
    return header


async def decided(database: Database, work: Callable[[Transaction], Awaitable[Answer]]) -> Answer:
    """What was decided under a key, now or before, in one transaction."""
    try:
        return await database.in_transaction(work)
    except InFlight:
        raise errors.in_flight() from None
    except KeyReused:
        raise errors.key_reused() from None
    except KeyTooOld as old:
        raise errors.already_exists(old.link) from None


def result_of(answer: Answer, done: str = "done") -> str:
    """What came of it, as a metric counts it."""
    return "replayed" if answer.replayed else done if answer.status < REFUSALS_FROM else "refused"


def response_of(answer: Answer) -> Response:
    """The answer on the wire."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.status == CREATED:
        headers["Location"] = answer.link
    kind = "application/json" if answer.status < REFUSALS_FROM else PROBLEM_MEDIA_TYPE
    return Response(answer.body, answer.status, headers=headers, media_type=kind)
