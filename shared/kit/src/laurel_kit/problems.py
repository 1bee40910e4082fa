"""Errors as the caller sees them: RFC 9457 problem documents. The one thing not to break: an answer never shows what went wrong inside;
it shows a request id, under which the log has it."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from laurel_kit.failures import PoolBusy

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


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
    return Response(
        msgspec.json.encode(document | extra, enc_hook=str), status, headers=headers, media_type=PROBLEM_MEDIA_TYPE
    )


async def _on_problem(_request: Request, error: Any) -> Response:
    return problem_response(error.status, error.type, error.title, error.detail, headers=error.headers, **error.extra)


async def _on_invalid(_request: Request, error: Any) -> Response:
    """What cannot be parsed is 400, what can be parsed but not accepted is 422; the caller's own values are not echoed."""
    errors = [
        {"path": ".".join(str(part) for part in item["loc"]), "reason": item["msg"], "rule": item["type"]}
        for item in error.errors()
    ]
    unparsed = any(item["rule"] == "json_invalid" for item in errors)
    if unparsed:
        return problem_response(400, "malformed", "The body is not valid JSON", errors=errors)
    return problem_response(422, "invalid", "The request is not valid", errors=errors)


async def _on_http(_request: Request, error: Any) -> Response:
    word = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "refused")
    return problem_response(error.status_code, word, str(error.detail), headers=dict(error.headers or {}))


async def _on_busy(_request: Request, _error: Exception) -> Response:
    return problem_response(
        503, "busy", "The database is busy", "Try again.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
    )


def handle_errors(app: FastAPI) -> None:
    """Every error we know leaves this application as a problem document (the others: `web_frame.RequestIds`)."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(PoolBusy, _on_busy)
