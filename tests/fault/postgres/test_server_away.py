"""PostgreSQL itself goes away and comes back, under load: stopped politely, stopped at once, and without room on its disk.

INVARIANT: while it is away callers hear 503 and when to come again, never 500; when it is back everything goes on by itself.
What would break it: an error class that nobody sorted, a pool full of dead connections, a process that ends because its database did.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from laurel_cli.services import SERVICE_NAMES
from laurel_cli.stack.blocking import wait_for
from laurel_cli.stack.postgres import PostgresServer
from tests.fault.postgres.trouble import Load
from tests.fault.report import record, seed_of
from tests.support.lives import quick_sessions
from tests.support.shop import Deadline, Shop, open_shop, reference

SEED = 1
EVERY_SECONDS = 30.0
ROUNDS = 4  # fast and immediate in turn
READY_SECONDS_MAX = 5.0
ROOM = "48m"
FULL_SECONDS = 10.0
ROOM_BACK_SECONDS_MAX = 10.0
SERVICE = "points-svc"


def until_ready(shop: Shop) -> float:
    """How long until all four say that they are ready."""
    began = time.monotonic()
    until = Deadline(60.0)
    for name in SERVICE_NAMES:
        while True:
            try:
                if httpx.get(f"{shop.url(name)}/readyz", timeout=2.0, trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            assert not until.passed(), f"{name} is not ready"
            until.wait(0.05)
    return time.monotonic() - began


@pytest.mark.nightly
@pytest.mark.long
def test_a_server_that_is_restarted_every_30_s_costs_nothing() -> None:
    """T-P01: fast and immediate shutdowns in turn."""
    seed = seed_of("T-P01", SEED)
    began = time.monotonic()
    with quick_sessions(), open_shop(reference(), partitions=4) as shop:
        server = PostgresServer(shop.stack.home, shop.stack.port_base)
        pids = shop.stack.pids()
        load = Load(shop, seed, EVERY_SECONDS * ROUNDS)
        load.open()
        ready: list[float] = []
        with load.running():
            for n in range(ROUNDS):
                load.run_for(EVERY_SECONDS)
                (server.stop_at_once if n % 2 else server.stop)()
                server.start()
                ready.append(until_ready(shop))
        problems = load.problems()
        same = all(shop.stack.pids()[name] == pids[name] for name in SERVICE_NAMES)
    held = not problems and not load.errors() and max(ready) <= READY_SECONDS_MAX and same
    figure = (
        f"{ROUNDS} restarts: ready after {', '.join(f'{seconds:.1f}' for seconds in ready)} s; {load.told} reports,"
        f" {load.spendings} spendings, answers {dict(load.answers)}, {len(problems)} differences"
    )
    record("T-P01", figure, "000; 503 only, no 500; ready ≤ 5 s", held, seed, time.monotonic() - began)
    assert held, (figure, problems[:5])


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A filesystem in memory with little room, where that is allowed."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0755", "tmpfs", str(at)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted by this user")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def move_to(shop: Shop, disk: Path) -> None:
    """The points database on that disk; the write-ahead log stays where it is, or the server itself would end."""
    place = disk / "points"
    place.mkdir(mode=0o700)
    if shop.stack.home.data("postgres").stat().st_uid:
        shutil.chown(place, shop.stack.home.data("postgres").stat().st_uid)
    shop.stack.stop_service(SERVICE)
    url = shop.stack.superuser_url
    wait_for(_execute(url, f"CREATE TABLESPACE small LOCATION '{place}'", "ALTER DATABASE points SET TABLESPACE small"))
    shop.stack.start_service(SERVICE)


def fill(disk: Path) -> Path:
    """Not a byte of room is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65_536)
        except OSError:
            pass
    return filler


@pytest.mark.nightly
@pytest.mark.long
def test_a_disk_that_is_full_is_said_and_room_that_comes_back_is_used(tmp_path: Path) -> None:
    """T-P04: the points database without room for ten seconds, under load."""
    seed = seed_of("T-P04", SEED)
    began = time.monotonic()
    with (
        quick_sessions(),
        open_shop(reference(), partitions=4) as shop,
        small_disk(shop.stack.home.root / "small") as disk,
    ):
        load = Load(shop, seed, FULL_SECONDS * 4)
        load.open()
        move_to(shop, disk)
        pids = shop.stack.pids()
        with load.running():
            load.run_for(FULL_SECONDS)
            filler = fill(disk)
            load.run_for(FULL_SECONDS)
            refused, before = load.answers["503 storage_unavailable"], load.spendings
            filler.unlink()
            room = Deadline(ROOM_BACK_SECONDS_MAX)
            while load.spendings == before and not room.passed() and not load.failed:
                room.wait()
            back = load.spendings > before
        problems = load.problems()
        same = shop.stack.pids()[SERVICE] == pids[SERVICE]
        shop.stack.stop_service(SERVICE)
        wait_for(
            _execute(
                shop.stack.superuser_url, "ALTER DATABASE points SET TABLESPACE pg_default", "DROP TABLESPACE small"
            )
        )
    held = not problems and not load.errors() and refused > 0 and back and same
    figure = (
        f"{FULL_SECONDS:.0f} s without room: {refused} answered 503 storage_unavailable; {load.told} reports,"
        f" {load.spendings} spendings, answers {dict(load.answers)}, served again {back} by the same process {same},"
        f" {len(problems)} differences"
    )
    record(
        "T-P04", figure, "000; 503 storage_unavailable; recovers without restart", held, seed, time.monotonic() - began
    )
    assert held, (figure, problems[:5])
