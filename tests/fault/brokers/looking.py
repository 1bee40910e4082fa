"""How far every service has got, seen from outside: its own cursors beside the ends that the brokers tell us, not the service. The one
thing not to break: a service that gets no answer from Kafka believes that it has nothing to do; we must not believe it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from laurel_cli.services import SERVICE_NAMES, Refused, Services, Unreachable, open_services
from laurel_cli.stack import broker
from laurel_cli.stack.blocking import wait_for
from tests.support.shop import Deadline, Shop

LOOK_SECONDS = 0.5
ASK_SECONDS_MAX = 5.0

Cursors = dict[TopicPartition, int]


def cursors_of(services: Services) -> dict[str, Cursors]:
    """Where every reader stands, by its own database; a service that is dead or slow is left out."""
    found: dict[str, Cursors] = {}
    for service in services.all:
        try:
            answer = service.progress()
        except (Unreachable, Refused):
            continue
        found[service.name] = {
            TopicPartition(cursor["topic"], cursor["partition"]): cursor["next_offset"] for cursor in answer["cursors"]
        }
    return found


def seconds_until_all_have_moved(shop: Shop, limit_seconds: float) -> dict[str, float]:
    """From now, how long until each reader has applied something; a reader that has not at the limit is given the limit."""
    began = time.monotonic()
    until = Deadline(limit_seconds)
    moved: dict[str, float] = {}
    with open_services(shop.services.addresses) as services:
        before = cursors_of(services)
        while not until.passed() and len(moved) < len(SERVICE_NAMES):
            for name, now in cursors_of(services).items():
                if name not in moved and sum(now.values()) > sum(before.get(name, now).values()):
                    moved[name] = time.monotonic() - began
                before.setdefault(name, now)
            until.wait(LOOK_SECONDS / 2)
    return {name: moved.get(name, limit_seconds) for name in SERVICE_NAMES}


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


class Stalls:
    """Looks twice a second, from a thread of its own, for how long a reader that has something to read applies nothing. A service that
    has died (its watchdog ends it) is started again, as an operator's supervisor would, and counted."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.longest: dict[str, float] = dict.fromkeys(SERVICE_NAMES, 0.0)
        self.restarted: dict[str, int] = dict.fromkeys(SERVICE_NAMES, 0)
        self.looks = 0
        self.failed: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stalls")
        self._moved_at: dict[str, float] = {}
        self._position: dict[str, int] = {}
        self._ends: Cursors = {}

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raises what went wrong while looking."""
        assert self.looks, "nobody has looked"
        if self.failed is not None:
            raise self.failed

    def _run(self) -> None:
        try:
            with open_services(self.shop.services.addresses) as services:
                asyncio.run(self._watch(services))
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's own thread
            self.failed = failure

    async def _watch(self, services: Services) -> None:
        consumer: AIOKafkaConsumer | None = None
        while not self._stop.is_set():
            for name in SERVICE_NAMES:
                if not self.shop.stack.alive(name):
                    self.restarted[name] += 1
                    self.shop.stack.start_service(name)
            cursors = cursors_of(services)
            try:
                async with asyncio.timeout(ASK_SECONDS_MAX):
                    if consumer is None:
                        consumer = AIOKafkaConsumer(bootstrap_servers=self.shop.stack.kafka_bootstrap)
                        await consumer.start()
                    asked = {tp for found in cursors.values() for tp in found}
                    self._ends.update(await consumer.end_offsets(asked) if asked else {})
            except (KafkaError, OSError, TimeoutError):
                if consumer is not None:
                    await consumer.stop()
                consumer = None
            self._note(cursors, time.monotonic())
            self._stop.wait(LOOK_SECONDS)
        if consumer is not None:
            await consumer.stop()

    def _note(self, cursors: dict[str, Cursors], now: float) -> None:
        """A service that does not answer stands still too."""
        self.looks += 1
        for name in SERVICE_NAMES:
            found = cursors.get(name)
            position = self._position.get(name, -1) if found is None else sum(found.values())
            behind = found is None or any(self._ends.get(tp, 0) > offset for tp, offset in found.items())
            if position != self._position.get(name) or not behind:
                self._moved_at[name] = now
            self._position[name] = position
            self.longest[name] = max(self.longest[name], now - self._moved_at.setdefault(name, now))
