"""A service of ours beside a plain twin: the same rows, the same machine, 32 connections that ask again as soon as they are answered, the
two in turn. The generator is this process; the servers are their own. The one thing not to break: both must have given the same answers
before anything is measured, or the race is about nothing."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx

from tests.bench.books import demand
from tests.bench.machine import Cpu
from tests.bench.stage import START_SECONDS_MAX, Stage
from tests.support.shop import Deadline

CONNECTIONS = 32
WARM_UP_SECONDS = 0.5
REQUESTS_MADE = 20_000  # then the same again
TWIN_PLACE = 5  # a free port of the stack
# So many of the answers may be "come again" (503 with Retry-After): the machine had a hiccup longer than a place in the pool is waited for.
COME_AGAIN_SHARE_MAX = 0.001

PathOf = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Answered:
    """One run against one server. Milliseconds."""

    server: str
    per_second: float
    p50: float
    p99: float
    cpu_us: float  # of the server's process, per answer


class Asker(asyncio.Protocol):
    """One connection: asks, reads the whole answer, asks again."""

    def __init__(self, requests: Iterator[bytes], waits: list[float]) -> None:
        self._requests = requests
        self._waits = waits
        self._buffer = b""
        self._asked_at = 0.0
        self.transport: asyncio.Transport | None = None
        self.come_again = 0
        self.bad = 0
        self.said = b""  # the last answer that is neither
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._ask()

    def _ask(self) -> None:
        assert self.transport is not None
        self._asked_at = time.perf_counter()
        self.transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.find(b"content-length: ", 0, head) + 16
        length = int(self._buffer[at : self._buffer.find(b"\r\n", at)])
        if len(self._buffer) < head + 4 + length:
            return
        if self._buffer.startswith(b"HTTP/1.1 200"):
            self._waits.append(time.perf_counter() - self._asked_at)
        elif self._buffer.startswith(b"HTTP/1.1 503") and b"\r\nretry-after: " in self._buffer[:head].lower():
            self.come_again += 1
        else:
            self.bad += 1
            self.said = self._buffer
        self._buffer = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self.failed.done():
            self.failed.set_exception(exc)


@dataclass(frozen=True, slots=True)
class Race:
    """Which service, which twin (a module that serves itself), and what they are asked: by route, a path about a member at random.
    `compared`: paths that both must answer alike, as `plain` reads an answer."""

    service: str
    twin: str
    routes: Mapping[str, PathOf]
    compared: Sequence[str]
    plain: Callable[[dict[str, Any]], Any] = dict


def requests(port: int, path_of: PathOf, seed: int) -> Iterator[bytes]:
    """Without end, about members at random."""
    rng = random.Random(seed)
    made = [f"GET {path_of(rng)} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode() for _ in range(REQUESTS_MADE)]
    while True:
        yield from made


async def ask(server: str, port: int, pid: int, seconds: float, asks: Iterator[bytes]) -> Answered:
    """32 connections for so long."""
    waits: list[float] = []
    next(asks)
    loop = asyncio.get_running_loop()
    askers = [(await loop.create_connection(lambda: Asker(asks, waits), "127.0.0.1", port)) for _ in range(CONNECTIONS)]
    await asyncio.sleep(WARM_UP_SECONDS)
    waits.clear()
    cpu, began = Cpu({"server": (pid,)}), time.perf_counter()
    await asyncio.sleep(seconds)
    found, took, spent = sorted(waits), time.perf_counter() - began, cpu.spent()["server"]
    for transport, asker in askers:
        transport.abort()
        demand(f"answers of {server} that are no answer, the last one {asker.said[:1_000]!r}", asker.bad, 0)
    come_again = sum(asker.come_again for _, asker in askers)
    demand("too often asked to come again", come_again if come_again > len(found) * COME_AGAIN_SHARE_MAX else 0, 0)
    p99 = found[int(len(found) * 0.99)] * 1000
    return Answered(server, len(found) / took, found[len(found) // 2] * 1000, p99, spent / len(found) * 1e6)


@contextmanager
def serving_twin(dsn: str, port: int, module: str) -> Iterator[subprocess.Popen[bytes]]:
    """The twin's process."""
    process = subprocess.Popen([sys.executable, "-m", module, dsn, str(port)])
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15.0)


async def until_it_answers(port: int, path: str) -> None:
    """A server that has been started."""
    until = Deadline(START_SECONDS_MAX)
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}{path}")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            if until.passed():
                raise TimeoutError(f"nobody answers on port {port}")
            await asyncio.sleep(0.2)


async def run(race: Race, stage: Stage, database: str, seconds: float, rounds: int) -> dict[str, list[Answered]]:
    """By route, the two in turn on this database; first they must agree."""
    places = {race.service: 0, "twin": TWIN_PLACE}
    ports = {server: stage.stack.port_base + 1 + place for server, place in places.items()}
    measured: dict[str, list[Answered]] = {route: [] for route in race.routes}
    with (
        stage.service(race.service, database) as ours,
        serving_twin(stage.dsn(database), ports["twin"], race.twin) as twin,
    ):
        for port in ports.values():
            await until_it_answers(port, race.compared[0])
        await _compare(race, ports)
        pids = {race.service: ours.pid, "twin": twin.pid}
        for turn in range(rounds):
            for route, path_of in race.routes.items():
                for server, port in ports.items():
                    asks = requests(port, path_of, turn)
                    measured[route].append(await ask(server, port, pids[server], seconds, asks))
    return measured


def by_server(answered: Sequence[Answered]) -> dict[str, list[Answered]]:
    """The runs of ours, then those of the twin."""
    found: dict[str, list[Answered]] = {}
    for each in answered:
        found.setdefault(each.server, []).append(each)
    return found


async def _compare(race: Race, ports: Mapping[str, int]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for path in race.compared:
            answers = [
                race.plain((await client.get(f"http://127.0.0.1:{port}{path}")).json()) for port in ports.values()
            ]
            demand(f"the answer to {path}", answers[0], answers[1])
