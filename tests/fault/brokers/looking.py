"""How far every service has got, seen from outside: its own books beside the ends that the brokers tell us, not the service. The one
thing not to break: a service that gets no answer from Kafka believes that it has nothing to do; we must not believe it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from laurel_cli.services import SERVICE_NAMES
from laurel_cli.stack import broker
from laurel_cli.stack.blocking import wait_for
from tests.support.shop import Deadline, Shop

LOOK_SECONDS = 0.5
ASK_SECONDS_MAX = 5.0
CURSORS = "SELECT topic, partition, next_offset FROM consumer_cursor WHERE grp = $1"
OUTBOX = "SELECT count(*) AS rows, coalesce(min(id), 0) AS oldest FROM outbox"


@dataclass
class Seen:
    """One service, as it was last seen. Times are the machine's monotonic seconds."""

    cursors: dict[TopicPartition, int] = field(default_factory=dict)
    oldest: int = 0  # the first row of the outbox; 0 when it is empty
    rows: int = 0
    read_at: float = field(default_factory=time.monotonic)  # when its reader last moved, or had nothing to read
    said_at: float = field(default_factory=time.monotonic)  # when its relay last moved, or had nothing to say
    longest_unread: float = 0.0
    longest_unsaid: float = 0.0
    restarted: int = 0


class Watch:
    """Looks twice a second, from a thread of its own, how long a reader that has something to read applies nothing, and a relay that has
    something to say says nothing. A service that has died (its watchdog ends it) is started again, as a supervisor would, and counted."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.seen = {name: Seen() for name in SERVICE_NAMES}
        self.looks = 0
        self.failed: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._ends: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def longest_unread(self) -> float:
        return max(seen.longest_unread for seen in self.seen.values())

    @property
    def restarted(self) -> int:
        return sum(seen.restarted for seen in self.seen.values())

    @property
    def figure(self) -> str:
        """The standstills as a sentence."""
        self.check()
        unread = ", ".join(f"{name} {seen.longest_unread:.1f}" for name, seen in self.seen.items())
        unsaid = max(seen.longest_unsaid for seen in self.seen.values())
        return (
            f"longest standstill of a reader with work, in seconds: {unread}; of a relay: {unsaid:.1f};"
            f" {self.restarted} services restarted"
        )

    def check(self) -> None:
        """Raises what went wrong while looking."""
        if self.failed is not None:
            raise self.failed
        assert self.looks, "nobody has looked"

    def seconds_until_all_have_moved(self, limit_seconds: float) -> dict[str, float]:
        """From now, how long until each reader has applied something (or has nothing left); the limit, where it has not."""
        began = time.monotonic()
        until = Deadline(limit_seconds)
        while not until.passed() and any(seen.read_at <= began for seen in self.seen.values()):
            self.check_running()
            until.wait()
        return {name: min(limit_seconds, max(0.0, self._moved_after(seen, began))) for name, seen in self.seen.items()}

    def check_running(self) -> None:
        if not self._thread.is_alive():
            self.check()
            raise AssertionError("the watch has ended")

    @staticmethod
    def _moved_after(seen: Seen, began: float) -> float:
        return seen.read_at - began if seen.read_at > began else float("inf")

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's own thread
            self.failed = failure

    async def _watch(self) -> None:
        databases = {name: await asyncpg.connect(self.shop.stack.database_url(name)) for name in SERVICE_NAMES}
        try:
            while not self._stop.is_set():
                for name, seen in self.seen.items():
                    if not self.shop.stack.alive(name):
                        seen.restarted += 1
                        await asyncio.to_thread(self.shop.stack.start_service, name)
                    await self._look(name, seen, databases[name])
                await self._ask_ends()
                self._judge(time.monotonic())
                self.looks += 1
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for database in databases.values():
                await database.close()
            await self._let_go()

    async def _look(self, name: str, seen: Seen, database: Any) -> None:
        found = await database.fetch(CURSORS, name)
        cursors = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in found}
        outbox = await database.fetchrow(OUTBOX)
        now = time.monotonic()
        if cursors != seen.cursors:
            seen.read_at = now
        if outbox["oldest"] != seen.oldest or not outbox["rows"]:
            seen.said_at = now
        seen.cursors, seen.oldest, seen.rows = cursors, outbox["oldest"], outbox["rows"]

    async def _ask_ends(self) -> None:
        """The ends by a client of ours; what was last known where it gets no answer."""
        try:
            async with asyncio.timeout(ASK_SECONDS_MAX):
                if self._consumer is None:
                    self._consumer = AIOKafkaConsumer(bootstrap_servers=self.shop.stack.kafka_bootstrap)
                    await self._consumer.start()
                asked = {tp for seen in self.seen.values() for tp in seen.cursors}
                self._ends.update(await self._consumer.end_offsets(asked) if asked else {})
        except (KafkaError, OSError, TimeoutError):
            await self._let_go()

    async def _let_go(self) -> None:
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), ASK_SECONDS_MAX)

    def _judge(self, now: float) -> None:
        nothing_unsaid = not any(seen.rows for seen in self.seen.values())
        for seen in self.seen.values():
            behind = any(self._ends.get(tp, 0) > offset for tp, offset in seen.cursors.items())
            seen.longest_unread = max(seen.longest_unread, now - seen.read_at if behind else 0.0)
            seen.longest_unsaid = max(seen.longest_unsaid, now - seen.said_at)
            if not behind and nothing_unsaid and self._consumer is not None:
                seen.read_at = now  # at rest: there is nothing to read, and nothing on its way


def coordinator_of(shop: Shop, group: str, limit_seconds: float = 60.0) -> int:
    """The node that leads the group's partition of __consumer_offsets."""
    until = Deadline(limit_seconds)
    while True:
        try:
            return int(wait_for(_coordinator_of(shop.stack.kafka_bootstrap, group)))
        except (KafkaError, OSError):
            if until.passed():
                raise
            until.wait()


async def _coordinator_of(bootstrap: str, group: str) -> Any:
    admin = await broker.connect(bootstrap)
    try:
        return await admin.find_coordinator(group)
    finally:
        await admin.close()
