"""Errors as the caller sees them: RFC 9457 problem documents. The one thing not to break: an answer never shows what went wrong inside;
it shows a request id, under which the log has it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from laurel_kit.failures import CONTENTION_STATES, TROUBLE, PoolBusy, is_passing, sqlstate_of

log = structlog.get_logger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
PATH_CHARS_MAX = 200  # of a path inside a document: it may be the caller's own words
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "a short word that programs can tell apart"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
# For the OpenAPI document: how every route refuses, and what it says when a part that it needs is away.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "A refusal (RFC 9457)", "content": {PROBLEM_MEDIA_TYPE: {"schema": _SCHEMA}}},
    "5XX": {
        "description": "Not now, or a defect of ours (RFC 9457)",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": _SCHEMA}},
    },
}
_WORDS = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
RETRY_AFTER_SECONDS = 1
METHOD_NOT_ALLOWED = 405
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Problem(Exception):
    """A refusal as the caller sees it. `type` is a short word (`no_programme`); `extra` stands in the document beside these."""

    def __init__(self, status: int, type: str, title: str, detail: str = "", **extra: Any) -> None:
        super().__init__(f"{status} {type}: {detail or title}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.extra = extra
        self.headers: dict[str, str] = {}


def problem_response(
    status: int, type: str, title: str, detail: str = "", headers: dict[str, str] | None = None, **extra: Any
) -> Response:
    """A problem document."""
    document: dict[str, Any] = {"type": type, "title": title, "status": status}
    if detail:
        document["detail"] = detail
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        document["request_id"] = request_id
    document |= extra
    try:
        body = msgspec.json.encode(document, enc_hook=str)
    except UnicodeEncodeError:  # half of a surrogate pair, quoted from the caller
        body = json.dumps(document, default=str).encode()
    return Response(body, status, headers=headers, media_type=PROBLEM_MEDIA_TYPE)


async def _on_problem(_request: Request, error: Any) -> Response:
    return problem_response(error.status, error.type, error.title, error.detail, headers=error.headers, **error.extra)


async def _on_invalid(_request: Request, error: Any) -> Response:
    """What cannot be parsed is 400, what can be parsed but not accepted is 422; the caller's own values are not echoed."""
    errors = [
        {
            "path": ".".join(str(part) for part in item["loc"])[:PATH_CHARS_MAX],
            "reason": item["msg"],
            "rule": item["type"],
        }
        for item in error.errors()
    ]
    unparsed = any(item["rule"] == "json_invalid" for item in errors)
    if unparsed:
        return problem_response(400, "malformed", "The body is not valid JSON", errors=errors)
    return problem_response(422, "invalid", "The request is not valid", errors=errors)


async def _on_http(request: Request, error: Any) -> Response:
    word = _WORDS.get(error.status_code, "refused")
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_of(request))
    return problem_response(error.status_code, word, str(error.detail), headers=headers)


def _methods_of(request: Request) -> list[str]:
    """All methods of this address; the framework names those of the first route alone."""
    routes = request.app.routes
    asked = [dict(request.scope) | {"method": method} for method in METHODS]
    return [one["method"] for one in asked if any(route.matches(one)[0] is Match.FULL for route in routes)]


async def _on_busy(_request: Request, _error: Exception) -> Response:
    return problem_response(
        503, "busy", "The database is busy", "Try again.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
    )


async def _on_trouble(request: Request, error: Exception) -> Response:
    """The database was away, out of room, or others stood in the way until we gave up. What is not such trouble is a defect."""
    if not is_passing(error):
        raise error
    state = sqlstate_of(error)
    if state in CONTENTION_STATES:
        return await _on_busy(request, error)
    log.warning("the database did not do it", error=type(error).__name__, sqlstate=state)
    return problem_response(
        503, "storage_unavailable", "The database did not answer", "Nothing is lost; try again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )  # fmt: skip


def handle_errors(app: FastAPI) -> None:
    """Every error we know leaves this application as a problem document (the others: `web_frame.RequestIds`)."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(PoolBusy, _on_busy)
    for trouble in TROUBLE:
        app.add_exception_handler(trouble, _on_trouble)
