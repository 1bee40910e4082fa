"""A TCP proxy that a test can cut, freeze and heal, and that can lose an answer at the very moment a test asks for. It knows no
protocol. The one thing not to break: a reply that is dropped was really sent by the server, so what was asked has really happened."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from enum import Enum
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65_536
CALL_SECONDS_MAX = 10.0  # the proxy's thread answers in microseconds; a proxy that does not is broken


class Then(Enum):
    """What happens with bytes that a client has sent."""

    PASS = "they pass"
    CUT_BEFORE = "they are lost, and the connection is cut: what was asked never happened"
    CUT_AFTER = "they pass, and the connection is cut at once: nobody knows"
    DROP_REPLY = "they pass, the server answers, and its answer is lost: it happened, and the client does not know"


Hook = Callable[[bytes], Then]


class Proxy:
    """Stands between clients and one server, on a thread of its own. All methods may be called from any thread.

    with Proxy("127.0.0.1", 5432) as proxy:
        … connect to 127.0.0.1:proxy.port …
        proxy.drop_reply_of(b"COMMIT")
    """

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self.upstream = (upstream_host, upstream_port)
        self.on_request: Hook | None = None  # sees every chunk a client sends, in the proxy's thread
        self.replies_dropped = 0
        self.cuts = 0  # by a hook or `drop_reply_of`, replies dropped included
        self._watched: tuple[bytes, int] | None = None
        self._links: set[_Link] = set()
        # Bound and never listening: it keeps the port ours while nobody listens, so that clients are refused and nobody else gets it.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self.heal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS_MAX)
        self._loop.close()
        self._place.close()

    # What a test does

    def cut(self) -> None:
        """Close all connections and refuse new ones, as a server does that is gone."""
        self._call(self._cut())

    def cut_connections(self) -> int:
        """Close all connections; new ones are welcome. Returns how many there were."""
        return self._call(self._cut_links())

    def freeze(self) -> None:
        """Bytes stop in both directions, connections stay: a network that swallows everything. New connections wait as well."""
        self._call(self._freeze())

    def heal(self) -> None:
        """Everything passes again; hooks stay."""
        self._call(self._heal())

    def drop_reply_of(self, pattern: bytes, times: int = 1) -> None:
        """The next `times` chunks of a client with `pattern` in them reach the server; its answer is lost and the connection cut."""
        self._watched = (pattern, times)

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._links)

    # How

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS_MAX)

    async def _heal(self) -> None:
        self._flowing.set()
        if self._server is None:
            listening = _bound(self.port)
            self._server = await asyncio.start_server(self._accept, sock=listening, limit=CHUNK_BYTES)

    async def _freeze(self) -> None:
        self._flowing.clear()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut_links()

    async def _end(self) -> None:
        await self._cut()
        self._flowing.set()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=1.0)

    async def _cut_links(self) -> int:
        links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        try:
            upstream = await asyncio.open_connection(*self.upstream, limit=CHUNK_BYTES)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), upstream)
        self._links.add(link)
        try:
            if self._server is None:  # cut while we were connecting
                return
            await asyncio.gather(link.carry_requests(), link.carry_replies())
        finally:
            link.cut()
            self._links.discard(link)

    async def passing(self) -> None:
        """Wait while frozen."""
        await self._flowing.wait()

    def judge(self, chunk: bytes, before: bytes) -> Then:
        """What happens with these bytes; `before` is the end of what the client sent before them."""
        if self._watched is not None:
            pattern, times = self._watched
            if pattern in before[-len(pattern) + 1 :] + chunk:
                self._watched = (pattern, times - 1) if times > 1 else None
                return Then.DROP_REPLY
        return self.on_request(chunk) if self.on_request is not None else Then.PASS


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One client and its connection to the server."""

    def __init__(self, proxy: Proxy, client: Ends, server: Ends) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._drops_reply = False

    def cut(self) -> None:
        """Both ends, at once, whatever is still under way."""
        self._to_client.transport.abort()
        self._to_server.transport.abort()

    async def carry_requests(self) -> None:
        before = b""
        while chunk := await self._read(self._from_client):
            then = self._proxy.judge(chunk, before)
            before = chunk[-64:]
            if then is Then.CUT_BEFORE:
                self._cut_by_hook()
                return
            self._drops_reply = self._drops_reply or then is Then.DROP_REPLY
            if not await self._write(self._to_server, chunk):
                return
            if then is Then.CUT_AFTER:
                self._cut_by_hook()
                return

    async def carry_replies(self) -> None:
        while chunk := await self._read(self._from_server):
            if self._drops_reply:
                self._proxy.replies_dropped += 1
                self._cut_by_hook()
                return
            if not await self._write(self._to_client, chunk):
                return

    def _cut_by_hook(self) -> None:
        self._proxy.cuts += 1
        self.cut()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next bytes; nothing at the end of the connection, which ends both directions."""
        try:
            chunk = await reader.read(CHUNK_BYTES)
        except OSError:
            chunk = b""
        if chunk:
            await self._proxy.passing()
        else:
            self.cut()
        return chunk

    async def _write(self, writer: asyncio.StreamWriter, chunk: bytes) -> bool:
        try:
            writer.write(chunk)
            await writer.drain()
        except OSError:
            self.cut()
            return False
        return True


def _bound(port: int) -> socket.socket:
    """A socket on this port that shares it with its like."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((LOOPBACK, port))
    return bound
