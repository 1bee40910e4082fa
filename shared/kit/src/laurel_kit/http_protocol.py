"""HTTP/1.1 as it comes over the wire, before there is a request: limits on its head, and problems for what is no HTTP. The one thing not to
break: a caller who sends slowly, too much or nothing costs a socket for half a minute and no more."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from laurel_kit.problems import PROBLEM_MEDIA_TYPE

HEAD_BYTES_MAX = 64 * 1024  # request line and headers; browsers and proxies send some 8 KiB at most
HEAD_SECONDS_MAX = 30.0  # from the connection, or from a request's first byte, to the end of its headers

_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}

log = structlog.get_logger(__name__)


class _HeadTooLarge(Exception):
    """The headers came in one piece, and are over the limit."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a limit on the head of a request."""

    def connection_made(self, transport: Any) -> None:
        """A caller has come; what he wants must be said soon."""
        super().connection_made(transport)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """He has gone."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More bytes."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        """From here on it is the application's."""
        self._in_head = False
        self._head_is_there()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX:
            raise _HeadTooLarge  # the parser stops, and says that it has
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so, as everything is."""
        if isinstance(getattr(sys.exception(), "__context__", None), _HeadTooLarge):
            self._refuse_head()
        else:
            self._refuse(400, "malformed", msg)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._head_did_not_come)

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_did_not_come(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(408, "request_timeout", f"The headers did not come within {HEAD_SECONDS_MAX:.0f} seconds")

    def _refuse_head(self) -> None:
        self._refuse(431, "head_too_large", f"The headers are larger than {HEAD_BYTES_MAX} bytes")

    def _refuse(self, status: int, word: str, title: str) -> None:
        body = msgspec.json.encode({"type": word, "title": title, "status": status})
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {PROBLEM_MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
