"""The toy as a real process: it is killed at every place where it can die, it is stopped politely, and its effects are counted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from laurel_cli.stack import Stack
from laurel_kit.crash import EXIT_CODE
from laurel_kit.postgres import Database

from .test_applying import rows, tallies
from .toy import GROUP
from .toy_kafka import PARTITIONS, first_times, fresh_topics, journey, produce, said, until

ROOT = Path(__file__).parents[3]
MEMBERS, NUMBERS = 24, 100
STOP_SECONDS_MAX = 10.0
LIFE_SECONDS_MAX = (
    180.0  # a deadline, not a promise: starting, joining the group and dying take 15 s on an idle machine
)
# The places where a life with traffic can die, each with the pass at which it dies there (C10 needs a rebalance, C13 a replay). A life
# after a kill waits up to ten seconds for the group to give up the dead one: so few places by default, and all of them in the long run.
PLACES = ("C1:9", "C4:5", "C7:8", "C8:9", "C11:3")
ALL_PLACES = (*PLACES, "C0:1", "C2:3", "C3:4", "C5:6", "C6:7", "C9:2", "C12:4", "C6:1", "C11:1", "C8:1")


class Process:
    """One life of the toy."""

    def __init__(self, database_url: str, bootstrap: str, port: int, **more: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.env = {
            **os.environ, "LAUREL_DATABASE_URL": database_url, "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "LAUREL_SERVICE_PORT": str(port),
            "LAUREL_PARTITIONS": str(PARTITIONS), "LAUREL_LOG_LEVEL": "warning", **more,
        }  # fmt: skip

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.kit.toy_process",
            cwd=ROOT,
            env=self.env,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
            except httpx.HTTPError:
                return False

    async def settled(self, records: int) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                progress: dict[str, Any] = (await client.get(f"{self.url}/progress")).json()
            except (httpx.HTTPError, ValueError):
                return False
        applied = sum(cursor["next_offset"] for cursor in progress.get("cursors", ()))
        return bool(applied == records and progress["outbox_rows"] == 0)


@pytest.fixture
def empty_database_url(postgres: Stack) -> str:
    return postgres.fresh_database()


@pytest.fixture
async def bootstrap(kafka: Stack) -> str:
    await fresh_topics(kafka.kafka_bootstrap)
    return kafka.kafka_bootstrap


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


async def die_everywhere(places: tuple[str, ...], database_url: str, bootstrap: str, port: int, **more: str) -> None:
    """One life per place, each ended there, while records come in; then a life that ends by itself."""
    records = journey(MEMBERS, NUMBERS)
    piece = len(records) // len(places) + 1
    for life, place in enumerate(places):
        await produce(bootstrap, records[life * piece : (life + 1) * piece])
        async with Process(
            database_url, bootstrap, port, LAUREL_CRASHPOINT=place, TOY_BATCH="7", **more
        ).alive() as process:
            assert await asyncio.wait_for(process.wait(), LIFE_SECONDS_MAX) == EXIT_CODE, place
    last = Process(database_url, bootstrap, port, **more)
    async with last.alive():
        await until(lambda: last.settled(len(records)), LIFE_SECONDS_MAX)


@pytest.mark.parametrize("places", [PLACES, pytest.param(ALL_PLACES, marks=pytest.mark.long)], ids=["some", "all"])
async def test_wherever_the_process_dies_every_effect_happens_once_and_is_said_in_order(
    places: tuple[str, ...], empty_database_url: str, bootstrap: str, port: int
) -> None:
    await die_everywhere(places, empty_database_url, bootstrap, port)
    database = Database(empty_database_url, application_name="the test")
    found = await tallies(database)
    assert len(found) == MEMBERS
    assert set(found.values()) == {(NUMBERS, NUMBERS)}
    assert await rows(database, "SELECT count(*) FROM dead_letter") == [(0,)]
    await database.close()
    assert set(map(tuple, first_times(await said(bootstrap)).values())) == {tuple(range(1, NUMBERS + 1))}


async def test_without_deduplication_the_same_test_is_seen_to_fail(
    empty_database_url: str, bootstrap: str, port: int
) -> None:
    await die_everywhere(("C8:9", "C8:5"), empty_database_url, bootstrap, port, LAUREL_UNSAFE_NO_DEDUPE="1")
    database = Database(empty_database_url, application_name="the test")
    found = await tallies(database)
    await database.close()
    assert any(times != NUMBERS for _, times in found.values())


async def test_a_polite_stop_ends_with_0_in_time_and_leaves_nothing_unsaid(
    empty_database_url: str, bootstrap: str, port: int
) -> None:
    records = journey(MEMBERS, NUMBERS)
    life = Process(empty_database_url, bootstrap, port)
    async with life.alive() as process:
        await until(life.ready, LIFE_SECONDS_MAX)
        await produce(bootstrap, records)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX) == 0
        assert time.monotonic() - began < STOP_SECONDS_MAX
    database = Database(empty_database_url, application_name="the test")
    assert await rows(database, "SELECT count(*) FROM outbox") == [(0,)]
    applied = sum(times for _, times in (await tallies(database)).values())
    await database.close()
    assert len(await said(bootstrap)) == applied


async def test_a_part_that_dies_takes_the_process_with_it(empty_database_url: str, bootstrap: str, port: int) -> None:
    async with Process(empty_database_url, bootstrap, port, LAUREL_PARTITIONS=str(PARTITIONS + 1)).alive() as process:
        assert await asyncio.wait_for(process.wait(), LIFE_SECONDS_MAX) == 1


async def test_a_broker_that_is_killed_is_waited_for(
    empty_database_url: str, kafka: Stack, bootstrap: str, port: int
) -> None:
    if kafka.external("kafka"):
        pytest.skip("the broker is not ours to kill")
    records = journey(MEMBERS, NUMBERS)
    half = len(records) // 2
    life = Process(empty_database_url, bootstrap, port)
    async with life.alive() as process:
        await until(life.ready, LIFE_SECONDS_MAX)
        await produce(bootstrap, records[:half])
        await asyncio.to_thread(kafka.kill_kafka)
        await asyncio.to_thread(kafka.start_kafka)
        await produce(bootstrap, records[half:])
        await until(lambda: life.settled(len(records)), LIFE_SECONDS_MAX)
        assert process.returncode is None
    database = Database(empty_database_url, application_name=GROUP)
    assert set((await tallies(database)).values()) == {(NUMBERS, NUMBERS)}
    await database.close()
    assert set(map(tuple, first_times(await said(bootstrap)).values())) == {tuple(range(1, NUMBERS + 1))}
