"""How far a lane may read: marks say up to where another has decided, gates keep a lane behind them. The one thing not to break: a mark
only ever moves forward, and what is not known is waited for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from laurel_kit import sql
from laurel_kit.postgres import Database


class Marks:
    """Up to which offset (exclusive) each partition has been decided, from the table `mark` and from every commit of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: dict[tuple[str, int], int] = {}
        self.moved_at: dict[tuple[str, int], float] = {}
        database.on_marks.append(self.moved)

    def moved(self, marks: Iterable[tuple[str, int, int]]) -> None:
        """Take over marks that are committed."""
        for topic, partition, next_offset in marks:
            if next_offset > self._next.get((topic, partition), -1):
                self._next[topic, partition] = next_offset

    def next_offset(self, topic: str, partition: int) -> int:
        """The first offset that is not decided yet; 0 when nothing is known."""
        return self._next.get((topic, partition), 0)

    async def load(self) -> None:
        """Read all marks from the table."""
        async with self._database.reading() as tx:
            rows = (await tx.run(sql.MARKS_READ)).all()
        self.moved((row.topic, row.partition, row.next_offset) for row in rows)


class Gate(Protocol):
    """How far a lane may go."""

    async def load(self) -> None: ...

    def limit(self, partition: int, next_offset: int, now_seconds: float) -> int | None: ...


class BehindMarks:
    """The gate of `topic`: not beyond its mark. With patience: where the mark is younger than `fresh_seconds` (its sayer is alive), a
    batch waits for it at most `patience_seconds` and then goes on."""

    def __init__(
        self, marks: Marks, *, topic: str, patience_seconds: float | None = None, fresh_seconds: float = 5.0
    ) -> None:
        self.topic = topic
        self._marks = marks
        self._patience = patience_seconds
        self._fresh = fresh_seconds
        self._waiting_since: dict[int, float] = {}

    async def load(self) -> None:
        await self._marks.load()

    def limit(self, partition: int, next_offset: int, now_seconds: float) -> int | None:
        """The first offset the lane must not take yet; None: no limit now."""
        return self._marks.next_offset(self.topic, partition)
