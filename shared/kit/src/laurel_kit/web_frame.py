"""Pieces of plain ASGI around every application: request ids, and which bodies are taken, of what kind and how large. The one thing not to
break: they read no body ahead and cost microseconds."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterable

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from laurel_kit.failures import Verdict, verdict_of
from laurel_kit.problems import RETRY_AFTER_SECONDS, problem_response

log = structlog.get_logger(__name__)

REQUEST_ID_HEADER = b"x-request-id"
_PLAIN_JSON = (b"application/json", b"application/x-ndjson")
_JSON_KIND = re.compile(r"application/([a-z0-9.+-]+\+)?json|application/x-ndjson")
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def acceptable_id(given: bytes) -> bytes:
    """The id that a caller gave, if it is a plain word; else a new one."""
    return given if _ACCEPTABLE_ID.fullmatch(given) else b"%032x" % random.getrandbits(128)


class RequestIds:
    """Gives every request an id (the caller's own, if it is a plain word), for the logs and for the answer; and answers an error nobody
    expected as a problem under this id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == REQUEST_ID_HEADER), b"")
        request_id = acceptable_id(given)
        answering = False

        async def send_with_id(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID_HEADER, request_id)]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            log.exception("a request failed", path=scope["path"])
            if answering:
                raise
            await _problem_of(error)(scope, receive, send_with_id)


def _problem_of(error: Exception) -> Response:
    """What a caller hears of an error that no route has expected: that a part we need is away, or nothing but the request id."""
    if verdict_of(error) in (Verdict.INFRASTRUCTURE, Verdict.CONTENTION):
        again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return problem_response(503, "unavailable", "The database did not answer", "Try again.", headers=again)
    return problem_response(500, "internal", "Something went wrong here", "The log has it under the request id.")


class BodyKind:
    """Refuses what no route of ours could read, before anything is read of it: a body that is not JSON by its own account, is
    compressed or in another charset, and an address that holds NUL, which no text in PostgreSQL can."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = None
        if b"%00" in scope.get("raw_path", b"") or b"%00" in scope["query_string"] or "\0" in scope["path"]:
            refusal = problem_response(400, "malformed", "The address holds the character NUL")
        elif trouble := _unreadable_kind(scope["headers"]):
            refusal = problem_response(415, "unsupported_media_type", "The body is of a kind that is not read", trouble)
        await (self._app if refusal is None else refusal)(scope, receive, send)


def _unreadable_kind(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What is wrong with the body by its headers; empty: nothing. No content-type is taken for JSON."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            return "A compressed body is not taken."
        if name == b"content-type" and value not in _PLAIN_JSON:
            kind, *parameters = (part.strip() for part in value.decode("latin-1").lower().split(";"))
            if kind and not _JSON_KIND.fullmatch(kind):
                return "It must be application/json (or application/x-ndjson, where a route says so)."
            for parameter in parameters:
                key, _, given = parameter.partition("=")
                if key.strip() == "charset" and given.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
                    return "JSON is UTF-8."
    return ""


class _TooLarge(Exception):
    """The body went over the limit while it was being read."""


class BodyLimit:
    """Refuses a body over the limit: at once by its declared length, else when it has grown too long."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self._bytes_max:
            await self._refuse(scope, receive, send)
            return
        received = 0
        answering = False

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                raise _TooLarge
            return message

        async def send_unless_too_large(message: Message) -> None:
            nonlocal answering
            if received <= self._bytes_max or answering:
                answering = True
                await send(message)

        with contextlib.suppress(_TooLarge):
            await self._app(scope, receive_counted, send_unless_too_large)
        if received > self._bytes_max and not answering:  # whatever the application made of it
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(413, "too_large", f"The body is larger than {self._bytes_max} bytes")
        await response(scope, receive, send)
