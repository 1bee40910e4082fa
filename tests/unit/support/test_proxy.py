"""The proxy of the fault tests does what it says; a fault test on a proxy that lies would prove nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.proxy import Proxy, Then

SHORT_SECONDS = 0.2


class _Shouting(socketserver.BaseRequestHandler):
    """Answers everything in capitals, and remembers it."""

    def handle(self) -> None:
        try:
            while asked := self.request.recv(1024):
                self.server.heard.append(asked)  # type: ignore[attr-defined]
                self.request.sendall(asked.upper())
        except OSError:
            return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    heard: list[bytes]


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Shouting) as serving:
        serving.heard = []
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        yield serving
        serving.shutdown()


@pytest.fixture
def proxy(server: _Server) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.server_address[1]) as standing:
        yield standing


@contextmanager
def client(proxy: Proxy, seconds: float = 5.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds) as connected:
        yield connected


def ask(connected: socket.socket, words: bytes) -> bytes:
    connected.sendall(words)
    return connected.recv(1024)


def is_cut(connected: socket.socket) -> bool:
    try:
        return connected.recv(1024) == b""
    except ConnectionError:
        return True


def test_everything_passes_until_it_is_told_otherwise(proxy: Proxy) -> None:
    with client(proxy) as one, client(proxy) as two:
        assert (ask(one, b"a"), ask(two, b"b"), ask(one, b"c")) == (b"A", b"B", b"C")


def test_a_cut_closes_what_is_open_and_refuses_what_is_new_and_a_mended_proxy_has_the_same_port(proxy: Proxy) -> None:
    with client(proxy) as one:
        assert ask(one, b"a") == b"A"
        proxy.cut()
        assert is_cut(one)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=1)
    proxy.heal()
    with client(proxy) as again:
        assert ask(again, b"b") == b"B"


def test_frozen_bytes_do_not_move_and_are_not_lost(proxy: Proxy, server: _Server) -> None:
    with client(proxy, SHORT_SECONDS) as one:
        assert ask(one, b"a") == b"A"
        proxy.freeze()
        one.sendall(b"b")
        with pytest.raises(TimeoutError):
            one.recv(1024)
        assert server.heard == [b"a"]
        proxy.heal()
        one.settimeout(5)
        assert one.recv(1024) == b"B"


def test_a_dropped_reply_was_really_given(proxy: Proxy, server: _Server) -> None:
    proxy.drop_reply_of(b"COMMIT")
    with client(proxy) as one:
        assert ask(one, b"insert") == b"INSERT"
        one.sendall(b"COM")
        assert one.recv(1024) == b"COM"
        one.sendall(b"MIT")
        assert is_cut(one), "the pattern in two pieces is the pattern"
    assert server.heard == [b"insert", b"COM", b"MIT"]
    assert proxy.replies_dropped == 1
    with client(proxy) as two:
        assert ask(two, b"COMMIT") == b"COMMIT", "once was asked for"


def test_a_hook_can_lose_the_question_itself(proxy: Proxy, server: _Server) -> None:
    proxy.on_request = lambda chunk: Then.CUT_BEFORE if b"COMMIT" in chunk else Then.PASS
    with client(proxy) as one:
        assert ask(one, b"a") == b"A"
        one.sendall(b"COMMIT")
        assert is_cut(one)
    assert server.heard == [b"a"]
    assert proxy.cuts == 1
