"""The header Idempotency-Key (reliability.md 3.4): how a key looks, and how what was decided under it becomes an answer. The one thing
not to break: the same key is answered the same, whatever happened since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header, Response

from laurel_kit.once import CREATED, Answer, InFlight, KeyReused, KeyTooOld
from laurel_kit.postgres import Database, Transaction
from laurel_kit.problems import PROBLEM_MEDIA_TYPE, Problem

KEY_CHARS = range(16, 129)
# Whose keys these are. Callers have no names yet; when they do, this is who asks.
SCOPE = "anybody"
REFUSALS_FROM = 400
RETRY_AFTER_SECONDS = 1

Key = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]

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
        raise Problem(400, "idempotency_key_required", "The header Idempotency-Key is missing")
    if len(header) not in KEY_CHARS or not (header.isascii() and header.isprintable()):
        says = "It must be 16 to 128 printable ASCII characters."
        raise Problem(400, "idempotency_key_malformed", "The idempotency key cannot be used", says)
    return header


async def decided(database: Database, work: Callable[[Transaction], Awaitable[Answer]]) -> Response:
    """What was decided under a key, now or before, in one transaction, on the wire."""
    return response_of(await answered(database, work))


async def answered(database: Database, work: Callable[[Transaction], Awaitable[Answer]]) -> Answer:
    """The same, not on the wire yet: for who counts what came of it."""
    try:
        return await database.in_transaction(work)
    except InFlight:
        problem = Problem(409, "request_in_flight", "The first request under this key is still running", "Ask again.")
        problem.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        raise problem from None
    except KeyReused:
        title = "The idempotency key was used for another request"
        raise Problem(422, "idempotency_key_reused", title, "A new request needs a new key.") from None
    except KeyTooOld as old:
        says = "What it did is done and is not done again; its answer is not replayed after seven days. See the link."
        raise Problem(409, "already_exists", "The idempotency key was used long ago", says, link=old.link) from None


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
