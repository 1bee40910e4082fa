"""The stage of a bench: a private PostgreSQL (fsync on) and Apache Kafka on loopback, databases made anew from a migrated template for
every run, and our services as the processes they are. The one thing not to break: a run begins with nothing fetched and nothing written."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from laurel_cli.stack import Stack, throwaway_stack
from laurel_cli.stack.processes import tail_of
from laurel_cli.stack.topics import Topic, ensure_topics, wanted_topics
from laurel_contracts import programme as documents
from laurel_contracts.programme import Programme
from laurel_kit.migrate import upgrade
from laurel_kit.postgres import Database
from member_svc.main import migrations as member_migrations
from points_svc.handlers.load_programme import load_programme as load_points
from points_svc.main import migrations as points_migrations
from points_svc.store import PointsStore, Shelf
from tests.bench.purchases import PARTITIONS
from tests.bench.topics import CLEAN, SINK
from tests.support.shop import Deadline, reference
from tier_svc.handlers.load_programme import load_programme as load_tiers
from tier_svc.main import migrations as tier_migrations
from tier_svc.store import ProgrammeShelf, TierStore

ROOT = Path(__file__).parents[2]
MIGRATIONS = {"points-svc": points_migrations, "tier-svc": tier_migrations, "member-svc": member_migrations}
PACKAGES = {"points-svc": "points_svc", "tier-svc": "tier_svc", "member-svc": "member_svc"}
START_SECONDS_MAX = 90.0
# A ledger of millions of entries is not kept on a laptop's 256 MB: a quarter of the memory, as PostgreSQL's manual advises, and checkpoints
# so rare that none falls into a run or into the copying of a ledger of ten million entries before it.
MEMORY_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
POSTGRES_SETTINGS = f"shared_buffers={MEMORY_MB // 4}MB max_wal_size=32GB checkpoint_timeout=30min"
# Whatever the hot path touches of a ledger in use: in a shop that runs, it is in memory.
WARM = """
SELECT sum(pg_prewarm(touched.oid)) FROM (
  SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'i' OR relname = 'account')
  ORDER BY pg_relation_size(oid)) AS touched
"""
STOP_SECONDS_MAX = 15.0
LOADED_AT = datetime(2017, 1, 1, tzinfo=UTC)


class Ends(NamedTuple):
    """Where the partitions of a topic end."""

    topic: str
    offsets: dict[int, int]

    @property
    def total(self) -> int:
        return sum(self.offsets.values())


def programme() -> Programme:
    """The reference programme in the baskets' currency and zone; no campaigns."""
    return documents.parse(msgspec.json.encode(reference(campaigns=False)))


class Stage:
    """PostgreSQL and Kafka of one bench."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.bootstrap = stack.kafka_bootstrap
        self.folder = stack.home.root
        self.pids = stack.pids()
        self._made = 0
        self._templates: set[str] = set()

    def dsn(self, database: str) -> str:
        """The superuser's way into a database of ours."""
        return urlunsplit(urlsplit(self.stack.superuser_url)._replace(path=f"/{database}"))

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """One statement outside any transaction."""
        connection = await asyncpg.connect(self.dsn(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def template(self, service: str) -> str:
        """A database with the tables of a service and, where it rates, the programme; made once."""
        name = f"template_{PACKAGES[service]}"
        if name in self._templates:
            return name
        await self.execute(f"CREATE DATABASE {name}")
        await upgrade(self.dsn(name), MIGRATIONS[service]())
        database = Database(self.dsn(name), application_name="bench", pool_size=1)
        try:
            async with database.transaction() as tx:
                if service == "points-svc":
                    await load_points(1, documents.canonical(programme()), LOADED_AT, PointsStore(tx, Shelf()))
                elif service == "tier-svc":
                    await load_tiers(programme(), TierStore(tx, ProgrammeShelf()), LOADED_AT)
        finally:
            await database.close()
        await self.execute("DELETE FROM outbox", name)  # that the programme is loaded interests nobody here
        self._templates.add(name)
        return name

    async def fresh(self, template: str) -> str:
        """A copy of a template; its name."""
        self._made += 1
        name = f"run_{self._made}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG")
        await self.execute("CHECKPOINT")
        return name

    async def in_use(self, template: str) -> str:
        """A copy of a ledger that has been in use for long, as it is in the midst of a day: what is touched stands in memory, and the
        last checkpoint lies so far back that its pages have been touched since. (The first touch of a page after a checkpoint writes all of
        it to the log. A run of some seconds right after one would consist of first touches; within a day they are one in hundreds.)"""
        self._made += 1
        name = f"run_{self._made}"
        await self.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG"
        )  # every page of it is in the log now
        await asyncio.to_thread(os.sync)  # that the copy still goes to the disk is not part of the run
        await self.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm", name)
        await self.execute(WARM, name)
        return name

    async def drop(self, database: str) -> None:
        """Gone, whoever is still in it."""
        await self.execute(f"DROP DATABASE {database} WITH (FORCE)")

    async def ends(self, topic: str) -> Ends:
        """Where a topic ends now."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            found = await consumer.end_offsets([TopicPartition(topic, p) for p in range(PARTITIONS)])
            return Ends(topic, {tp.partition: offset for tp, offset in found.items()})
        finally:
            await consumer.stop()

    async def begin_at(self, database: str, group: str, ends: Ends) -> None:
        """Let a group that has not read the topic yet begin at these offsets."""
        connection = await asyncpg.connect(self.dsn(database))
        try:
            rows = [(group, ends.topic, partition, offset) for partition, offset in ends.offsets.items()]
            await connection.executemany("INSERT INTO consumer_cursor VALUES ($1, $2, $3, $4)", rows)
        finally:
            await connection.close()

    async def said_since(self, before: Ends, now: Ends) -> AsyncIterator[Any]:
        """Every record that a topic got between two moments."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="none", enable_auto_commit=False
        )
        await consumer.start()
        try:
            left = {TopicPartition(now.topic, p): end for p, end in now.offsets.items() if end > before.offsets[p]}
            consumer.assign(list(left))
            for tp in left:
                consumer.seek(tp, before.offsets[tp.partition])
            async with asyncio.timeout(60.0):
                while left:
                    for tp, records in (await consumer.getmany(timeout_ms=500, max_records=5000)).items():
                        for record in records:
                            if record.offset < now.offsets[tp.partition]:
                                yield record
                        if records[-1].offset + 1 >= now.offsets[tp.partition]:
                            left.pop(tp, None)
        finally:
            await consumer.stop()

    @contextmanager
    def service(
        self, name: str, database: str, *, place: int = 0, **settings: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The process of a service on a database; ended politely, so that its group is left."""
        port = self.stack.port_base + 1 + place
        env = {
            **os.environ,
            "LAUREL_DATABASE_URL": self.dsn(database),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "LAUREL_SERVICE_PORT": str(port),
            "LAUREL_PARTITIONS": str(PARTITIONS),
            "LAUREL_DAYS": "command",
            "LAUREL_LOG_LEVEL": "warning",
            "LAUREL_MARK_PATIENCE_SECONDS": "0",  # no tier-svc runs here that could mark anything
            **settings,
        }
        command = [sys.executable, "-m", PACKAGES[name]]
        with (self.folder / f"{name}-{place}.log").open("ab") as log:
            process = subprocess.Popen(command, env=env, cwd=self.folder, stdout=log, stderr=log)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def url(self, place: int = 0) -> str:
        """Where the service that was started at that place answers."""
        return f"http://127.0.0.1:{self.stack.port_base + 1 + place}"


def refuse_if_dead(stage: Stage, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """A figure of a process that has died is none; the ends of the logs say why."""
    for process in processes:
        if process.poll() is not None:
            logs = "\n".join(tail_of(log, 30) for log in sorted(stage.folder.glob("*-svc-*.log")))
            raise RuntimeError(f"a service (pid {process.pid}) has ended with {process.returncode}:\n{logs}")


@asynccontextmanager
async def starting_gun(
    stage: Stage, database: str, processes: Sequence[subprocess.Popen[bytes]]
) -> AsyncIterator[None]:
    """Inside: every process has joined its group and waits to create its cursors, which is the last thing before it seeks and fetches
    for the first time. Leaving it fires the gun."""
    holder = await asyncpg.connect(stage.dsn(database))
    watcher = await asyncpg.connect(stage.dsn(database))
    until = Deadline(START_SECONDS_MAX)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE consumer_cursor IN ACCESS EXCLUSIVE MODE")
            ready = 0
            while ready < 3:  # seen three times: nobody is on his way into a rebalance
                refuse_if_dead(stage, processes)
                if until.passed():
                    raise TimeoutError("a service does not come to its cursors")
                waiting = await watcher.fetchval(
                    "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = 'consumer_cursor'::regclass"
                )
                ready = ready + 1 if waiting == len(processes) else 0
                await asyncio.sleep(0.05)
            yield
    finally:
        await holder.close()
        await watcher.close()


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """PostgreSQL, Kafka and all topics."""
    os.environ.setdefault("LAUREL_POSTGRES_SETTINGS", POSTGRES_SETTINGS)
    with throwaway_stack() as stack:
        topics = [*wanted_topics(PARTITIONS), Topic(CLEAN, PARTITIONS, -1), Topic(SINK, PARTITIONS, -1)]
        await asyncio.to_thread(ensure_topics, stack.kafka_bootstrap, topics)
        yield Stage(stack)
