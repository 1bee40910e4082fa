"""Those who fill an outbox, as handlers do, and what of it is heard on the topic. The one thing not to break: what must be heard is known
from the books, which commit together with the outbox, and not from what the relay says of itself."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_contracts.envelope import derived_id, encode
from laurel_kit import sql
from laurel_kit.postgres import Database
from tests.integration.kit import toy
from tests.integration.kit.toy_kafka import PARTITIONS
from tests.integration.kit.toy_kafka import said as heard_on

KEYS = 400  # so many that writers seldom wait for each other: else ids would commit in order after all
KEYS_PER_TRANSACTION = 6
LATE_SHARE = 0.1
LATE_SECONDS = (0.02, 0.4)  # how long a transaction may keep its numbers and ids to itself before it commits
PAUSE_SECONDS_MAX = 0.04  # between two transactions: the test is about deaths, not about load
TALLIES = text("SELECT key, last_number FROM tally")


class Talkers:
    """Several writers at once, some of whom commit late: ids of different keys become visible out of order, those of one key never."""

    def __init__(self, database: Database, seed: int, *, writers: int = 6) -> None:
        self._database = database
        self._seed = seed
        self._writers = writers
        self._stop = asyncio.Event()
        self.said = 0

    async def run(self) -> None:
        """Until `stop`."""
        async with asyncio.TaskGroup() as group:
            for writer in range(self._writers):
                group.create_task(self._write(random.Random(f"{self._seed}:{writer}")))

    def stop(self) -> None:
        self._stop.set()

    async def _write(self, rng: random.Random) -> None:
        while not self._stop.is_set():
            members = rng.sample(range(1, KEYS + 1), KEYS_PER_TRANSACTION)
            async with self._database.transaction(pool_wait_seconds=30.0) as tx:
                store = toy.ToyStore(tx)
                tallies = await store.lock({UUID(int=member).bytes for member in members})
                await tx.copy(
                    "outbox", sql.OUTBOX_COLUMNS, next_words([UUID(int=member) for member in members], tallies)
                )
                await store.save(tallies)
                if rng.random() < LATE_SHARE:
                    await asyncio.sleep(rng.uniform(*LATE_SECONDS))  # the ids are drawn, and seen only when this ends
            self.said += len(members)
            await asyncio.sleep(rng.uniform(0.0, PAUSE_SECONDS_MAX))


def next_words(members: Sequence[UUID], tallies: dict[bytes, list[int]]) -> list[tuple[Any, ...]]:
    """The next number of each member, as rows of the outbox."""
    rows = []
    for member in members:
        tallies[member.bytes][0] += 1
        number = tallies[member.bytes][0]
        event_id, body = str(derived_id("total", member.hex, number)), encode(toy.said(member, number, "good"))
        rows.append((toy.SAID, member.int % PARTITIONS, member.bytes, toy.SIGNED_IN, event_id, number, None, body))
    return rows


@dataclass(frozen=True)
class Heard:
    """What became of all that was said."""

    expected: int
    messages: int
    lost: int
    unordered: int  # first occurrences of a key that came after a later number of it
    doubled: int


async def judge(database: Database, bootstrap: str) -> Heard:
    """Lay the topic beside the books."""
    async with database.reading(pool_wait_seconds=30.0) as tx:
        wanted = {UUID(bytes=row.key): row.last_number for row in await tx.run(TALLIES)}
    return compare(wanted, await heard_on(bootstrap))


def compare(wanted: dict[UUID, int], heard: Sequence[tuple[UUID, int]]) -> Heard:
    """`wanted`: the last number of every key, all numbers from 1 of which must have been heard."""
    first: dict[UUID, list[int]] = defaultdict(list)
    seen: set[tuple[UUID, int]] = set()
    for place in heard:
        if place not in seen:
            seen.add(place)
            first[place[0]].append(place[1])
    lost = sum((key, number) not in seen for key, last in wanted.items() for number in range(1, last + 1))
    unordered = sum(after < before for numbers in first.values() for before, after in pairwise(numbers))
    return Heard(sum(wanted.values()), len(heard), lost, unordered, len(heard) - len(seen))
