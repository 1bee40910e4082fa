"""T-H09: callers who connect and say nothing, little, or half: they cost a socket, and nobody else his answer."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import httpx
import pytest

from tests.fault.input.malformed import sale, text
from tests.fault.input.sending import address_of, exchange, read_reply, request_of
from tests.fault.report import record
from tests.support.shop import Deadline, Shop

IDLE = 10_000
SPARE_FILES = 500  # of this process, beside the idle connections
OTHERS = 400  # requests of those who mean it
P99_SECONDS_MAX = 0.25
HEAD_SECONDS_MAX = 30.0  # laurel_kit/http_protocol.py
SLOW = b"GET /v1/days HTTP/1.1\r\nHost: shop\r\nX-Slow: "
HALF = b'POST /v1/activities HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[{"id": '


@contextmanager
def idle(shop: Shop, number: int, beginning: bytes) -> Iterator[list[socket.socket]]:
    """So many connections on which nothing but this beginning comes."""
    with ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(address_of(shop.url("member-svc")), timeout=10.0))
            if beginning:
                connection.sendall(beginning)
            connections.append(connection)
        yield connections


def p99_of_the_others(shop: Shop, word: str) -> float:
    """The 99th percentile of those who read and report meanwhile, each on a connection of its own every tenth time."""
    seconds = []
    with httpx.Client(base_url=shop.url("member-svc"), timeout=30.0) as client:
        for number in range(OTHERS):
            began = time.perf_counter()
            if number % 10 == 0:
                assert (
                    exchange(shop.url("member-svc"), request_of("GET", f"/v1/members/{uuid4()}/status")).status == 404
                )
            elif number % 2:
                assert client.get(f"/v1/members/{uuid4()}/status").status_code == 404
            else:
                body, headers = text(sale(f"{word}-{number}")), {"content-type": "application/json"}
                answer = client.post("/v1/activities", content=body, headers=headers)
                assert answer.json()["counts"] == {"accepted": 1}
            seconds.append(time.perf_counter() - began)
    return sorted(seconds)[int(OTHERS * 0.99) - 1]


@pytest.mark.alone
@pytest.mark.fault
@pytest.mark.long
def test_ten_thousand_idle_connections_and_slow_heads_and_half_bodies_hold_up_nobody(shop: Shop) -> None:
    """T-H09: broken by a thread or a database connection per caller, or by waiting for a body inside a transaction."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = min(IDLE, files - SPARE_FILES)
    third = number // 3
    began, alone = time.monotonic(), p99_of_the_others(shop, "h09-alone")
    with idle(shop, third, b""), idle(shop, third, SLOW) as slow, idle(shop, number - 2 * third, HALF) as half:
        dripping = threading.Event()
        dripper = threading.Thread(target=_drip, args=(slow[:200], dripping))
        dripper.start()
        for connection in half[:100]:
            connection.shutdown(socket.SHUT_WR)
        p99 = p99_of_the_others(shop, f"h09-{number}")
        dripping.set()
        dripper.join()
    good = p99 <= P99_SECONDS_MAX
    figure = f"{number:,} connections (a third idle, a third in the head, a third in the body): others' p99 {p99 * 1000:.0f} ms"
    figure += f", without them {alone * 1000:.0f} ms"
    record("T-H09", figure, "p99 ≤ 250 ms", good, seconds=time.monotonic() - began)
    assert good, figure


@pytest.mark.fault
@pytest.mark.long
def test_a_head_that_does_not_come_is_given_up_after_half_a_minute(shop: Shop) -> None:
    """T-H09: broken by a socket that is held as long as the caller likes."""
    with idle(shop, 1, b"") as (silent,), idle(shop, 1, SLOW) as (slow,):
        stop = threading.Event()
        dripper = threading.Thread(target=_drip, args=([slow], stop))
        dripper.start()
        began = time.monotonic()
        for connection in (silent, slow):
            connection.settimeout(2 * HEAD_SECONDS_MAX)
            assert read_reply(connection).status == 408
        stop.set()
        dripper.join()
        seconds = time.monotonic() - began
    record("T-H09 slow heads", f"given up after {seconds:.0f} s", "≤ 35 s", seconds <= HEAD_SECONDS_MAX + 5)
    assert seconds <= HEAD_SECONDS_MAX + 5


def _drip(connections: list[socket.socket], stop: threading.Event) -> None:
    """A byte for each, four times a second, until told to stop or until nobody listens."""
    pause = Deadline(0)
    while not stop.is_set():
        for connection in connections:
            try:
                connection.send(b"a")
            except OSError:
                return
        pause.wait(0.25)
