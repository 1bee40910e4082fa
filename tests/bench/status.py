"""The status route of member-svc beside a plain FastAPI twin: the same rows, the same machine, 32 connections that ask again as soon as
they are answered. The generator is this process; the servers are their own."""

from __future__ import annotations

import asyncio
import hashlib
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx

from tests.bench.books import demand
from tests.bench.machine import Cpu
from tests.bench.stage import START_SECONDS_MAX, Stage
from tests.support.shop import Deadline

MEMBERS = 200_000
CONNECTIONS = 32
WARM_UP_SECONDS = 0.5
COMPARED = 50
TWIN_PLACE = 5  # a free port of the stack
STATE = {"member-svc": 0, "twin": TWIN_PLACE}

FILL = f"""
INSERT INTO member_status (member_id, state, enrolled_at, tier, since, until, posted, held, debt, earned_net, ladder, pending, coupons,
                           tiers_number, campaigns_number, points_number)
SELECT md5('member' || k)::uuid, 'active', timestamptz '2025-01-01 00:00:00+00' + k * interval '1 second', 'silver',
       timestamptz '2025-06-01 00:00:00+00', timestamptz '2026-07-01 00:00:00+00', 900 + k % 1000, 0, 0, 900 + k % 1000,
       jsonb_build_array(jsonb_build_array('2036-01-01T05:00:00Z', 400), jsonb_build_array('2036-02-01T05:00:00Z', 500 + k % 1000)),
       '[]',
       CASE WHEN k % 4 = 0 THEN jsonb_build_array(jsonb_build_object('award_id', md5('award' || k)::uuid, 'coupon', 'ten-off',
         'campaign_id', 'upgrade-gift', 'at', '2025-06-01T00:00:00+00:00')) ELSE '[]' END, 3, 2, 40
FROM generate_series(0, {MEMBERS - 1}) AS k
"""


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
        self.bad = 0
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
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self.bad += 1
        self._buffer = b""
        self._waits.append(time.perf_counter() - self._asked_at)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self.failed.done():
            self.failed.set_exception(exc)


def member(place: int) -> uuid.UUID:
    """As FILL made it."""
    return uuid.UUID(hashlib.md5(f"member{place}".encode()).hexdigest())


def requests(port: int, seed: int) -> Iterator[bytes]:
    """Without end, about members at random."""
    rng = random.Random(seed)
    made = [
        f"GET /v1/members/{member(rng.randrange(MEMBERS))}/status HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
        for _ in range(20_000)
    ]
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
        demand("answers that are no 200", asker.bad, 0)
    p99 = found[int(len(found) * 0.99)] * 1000
    return Answered(server, len(found) / took, found[len(found) // 2] * 1000, p99, spent / len(found) * 1e6)


@contextmanager
def serving_twin(dsn: str, port: int, module: str = "tests.bench.twin") -> Iterator[subprocess.Popen[bytes]]:
    """The twin's process."""
    process = subprocess.Popen([sys.executable, "-m", module, dsn, str(port)])
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15.0)


async def measure(stage: Stage, template: str, seconds: float, rounds: int) -> list[Answered]:
    """Both in turn; first they must agree."""
    database = await stage.fresh(template)
    await stage.execute(FILL, database)
    await stage.execute("VACUUM ANALYZE member_status", database)
    ports = {server: stage.stack.port_base + 1 + place for server, place in STATE.items()}
    measured = []
    with (
        stage.service("member-svc", database) as ours,
        serving_twin(stage.dsn(database), ports["twin"]) as twin,
    ):
        for port in ports.values():
            await until_it_answers(port, f"/v1/members/{member(0)}/status")
        await _compare(ports)
        pids = {"member-svc": ours.pid, "twin": twin.pid}
        for turn in range(rounds):
            for server, port in ports.items():
                measured.append(await ask(server, port, pids[server], seconds, requests(port, turn)))
    await stage.drop(database)
    return measured


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


async def _compare(ports: dict[str, int]) -> None:
    """The same answers, or the race is about nothing."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for place in range(COMPARED):
            answers: list[dict[str, Any]] = [
                (await client.get(f"http://127.0.0.1:{port}/v1/members/{member(place)}/status")).json()
                for port in ports.values()
            ]
            demand(f"the status of member {place}", answers[0], answers[1])
