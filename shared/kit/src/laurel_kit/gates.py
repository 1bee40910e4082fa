"""How far a lane may read: marks say up to where another has decided, gates keep a lane behind them. The one thing not to break: a mark
only ever moves forward, and what is not known is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from laurel_kit import sql
from laurel_kit.places import POOL_WAIT_PATIENT_SECONDS
from laurel_kit.postgres import Database


class Marks:
    """Up to which offset (exclusive) each partition has been decided: from the table `mark`, and from every commit of this process."""

    def __init__(self, database: Database, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._seconds = seconds
        self._next: dict[tuple[str, int], int] = {}
        self._moved_at: dict[tuple[str, int], float] = {}
        database.on_marks.append(self.moved)

    def moved(self, marks: Iterable[tuple[str, int, int]], age_seconds: float = 0.0) -> None:
        """Take over marks that are committed, `age_seconds` ago."""
        for topic, partition, next_offset in marks:
            if next_offset > self._next.get((topic, partition), -1):
                self._next[topic, partition] = next_offset
                self._moved_at[topic, partition] = self._seconds() - age_seconds

    def next_offset(self, topic: str, partition: int) -> int:
        """The first offset that is not decided yet; 0 when nothing is known."""
        return self._next.get((topic, partition), 0)

    def age_seconds(self, topic: str, partition: int) -> float:
        """How long ago the mark last moved; without end when it never did."""
        return self._seconds() - self._moved_at.get((topic, partition), float("-inf"))

    async def load(self) -> None:
        """Read all marks from the table: another process may have moved them."""
        async with self._database.reading(pool_wait_seconds=POOL_WAIT_PATIENT_SECONDS) as tx:
            rows = (await tx.run(sql.MARKS_READ)).all()
        for row in rows:
            self.moved([(row.topic, row.partition, row.next_offset)], age_seconds=float(row.age_seconds))


class Gate(Protocol):
    """How far a lane may go, and the name of the mark it waits for."""

    async def load(self) -> None: ...

    def limit(self, partition: int, next_offset: int, now_seconds: float) -> int | None:
        """The first offset the lane must not take yet, or None when there is no limit now."""
        ...

    def waits_for(self, partition: int) -> str: ...


class BehindMarks:
    """The gate of `topic`: not beyond its mark. With patience, a batch whose first record is not decided yet waits at most
    `patience_seconds`, and only while the one who marks is alive: its mark moved within `fresh_seconds`, or it had marked
    everything before this batch. Then the lane goes on without."""

    def __init__(
        self, marks: Marks, *, topic: str, patience_seconds: float | None = None, fresh_seconds: float = 5.0
    ) -> None:
        self.topic = topic
        self._marks = marks
        self._patience = patience_seconds
        self._fresh = fresh_seconds
        self._waiting_since: dict[int, tuple[int, float]] = {}

    async def load(self) -> None:
        await self._marks.load()

    def limit(self, partition: int, next_offset: int, now_seconds: float) -> int | None:
        """The first offset the lane must not take yet, or None when there is no limit now."""
        mark = self._marks.next_offset(self.topic, partition)
        if mark > next_offset or self._patience is None:
            return mark
        alive = mark == next_offset or self._marks.age_seconds(self.topic, partition) < self._fresh
        if not alive:
            return None
        at, since = self._waiting_since.get(partition, (-1, 0.0))
        if at != next_offset:
            at, since = self._waiting_since[partition] = (next_offset, now_seconds)
        return None if now_seconds - since >= self._patience else mark

    def waits_for(self, partition: int) -> str:
        """For /progress and the alarm."""
        return f"the mark of {self.topic}/{partition}, now at {self._marks.next_offset(self.topic, partition)}"
