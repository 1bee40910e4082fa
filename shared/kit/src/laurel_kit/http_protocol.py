"""HTTP/1.1 as it goes over the wire: limits on a request's head, problems for what is no HTTP, answers in one piece. The one thing not to
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


class OneWrite:
    """The transport as an answer sees it: its head waits for its body, so that both are one write, and one piece to the network; but no
    longer than to the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._in_time: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """A head is kept, all else is sent, with the head before it."""
        if self._in_time is not None:
            self._in_time.cancel()
            self._in_time = None
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._in_time = self._loop.call_soon(self.write, b"")
            return
        self._transport.write(data)

    def close(self) -> None:
        """What is kept goes before the end."""
        if self._in_time is not None:
            self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a limit on the head of a request, and one write for an answer."""

    def connection_made(self, transport: Any) -> None:
        """A caller has come; what he wants must be said soon."""
        super().connection_made(transport)
        self._answered_by: Any = OneWrite(transport, self.loop)
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
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # else it is no request of HTTP/1.1
            self.cycle.transport = self._answered_by

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
