"""Applies records: one transaction moves the cursors, runs the handlers and keeps what they say. Knows nothing of Kafka. The one thing
not to break: a transaction takes exactly [cursor, next) of each partition, compared under the cursor's lock."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from laurel_kit import crash, negative_control, sql
from laurel_kit.decoding import Decoding, Unreadable, number_of
from laurel_kit.failures import CONTENTION_ATTEMPTS_MAX, CONTENTION_PAUSE_SECONDS, Gap, Stale, Verdict, verdict_of
from laurel_kit.hearing import Heard, Hearing, Record, Span
from laurel_kit.postgres import POOL_WAIT_PATIENT_SECONDS, Database, Transaction
from laurel_kit.telemetry import KitMetrics

S = TypeVar("S")
Lane = tuple[str, int]

# Gives up a key's number in the handler's own books, so that the next number is fresh: (store, topic, key, number).
SkipNumber = Callable[[S, str, bytes, int], Awaitable[None]]

BEHIND = "behind_a_dead_letter"


@dataclass(slots=True)
class Work:
    """Records on their way into one transaction: what was heard per topic, what could not be read, and the spans they cover."""

    spans: list[Span]
    heard: dict[str, list[Heard]] = field(default_factory=dict)
    unreadable: list[tuple[Record, Unreadable]] = field(default_factory=list)
    records: int = 0


class Applier(Generic[S]):
    """The heart of the consume loop. Used by the loop, by tests and by the replay of dead letters."""

    def __init__(
        self,
        database: Database,
        *,
        group: str,
        listens_to: Sequence[Hearing[S]],
        open_store: Callable[[Transaction], S],
        skip_number: SkipNumber[S] | None = None,
        holes_allowed: frozenset[str] | set[str] = frozenset(),
        metrics: KitMetrics | None = None,
    ) -> None:
        self.database = database
        self.group = group
        self.listens_to = tuple(listens_to)
        self.open_store = open_store
        self.skip_number = skip_number
        self.holes_allowed = frozenset(holes_allowed)
        self.metrics = metrics or KitMetrics(group)
        self._decoding = Decoding()
        self._raw_topics = {hearing.topic for hearing in self.listens_to if hearing.raw}

    @property
    def topics(self) -> list[str]:
        """What is listened to, in order, each once."""
        return list(dict.fromkeys(hearing.topic for hearing in self.listens_to))

    async def begin_at(self, topic: str, partition: int, offset: int) -> None:
        """Create the cursor of a lane that has none yet."""
        async with self.database.transaction() as tx:
            await tx.run(sql.CURSOR_CREATE, grp=self.group, topics=[topic], partitions=[partition], offsets=[offset])

    async def apply(self, records: Sequence[Record], *, starts: Mapping[Lane, int] | None = None) -> None:
        """One transaction over all `records` (per partition in offset order). A lane begins at `starts`, else at its first record;
        a cursor that does not exist stands at 0. Raises Stale, Gap, or whatever a handler raises; then nothing has happened."""
        work = self.read(records, starts or {})
        crash.at("C2")
        for attempt in range(1, CONTENTION_ATTEMPTS_MAX + 1):
            try:
                return await self._apply_once(work)
            except Exception as error:
                if verdict_of(error) is not Verdict.CONTENTION or attempt == CONTENTION_ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.0) * CONTENTION_PAUSE_SECONDS * 2**attempt)

    async def _apply_once(self, work: Work) -> None:
        began = time.perf_counter()
        async with self.database.transaction(
            spans=work.spans, group=self.group, pool_wait_seconds=POOL_WAIT_PATIENT_SECONDS
        ) as tx:
            crash.at("C3")
            any_parked = await self._lock_cursors(tx, work.spans)
            crash.at("C4")
            if any_parked or work.unreadable:
                work = await self._set_aside(tx, work, any_parked)
            await self.run_handlers(tx, work.heard)
            crash.at("C6")
            await self._move_cursors(tx, work.spans)
            dead = list(tx.dead_letters)
        self.metrics.applied(work.spans, work.records, time.perf_counter() - began)
        for letter in dead:
            self.metrics.dead_letters.labels(letter.topic, letter.reason).inc()

    async def run_handlers(self, tx: Transaction, heard: Mapping[str, Sequence[Heard]]) -> None:
        """The handlers, in the order of LISTENS_TO, each with all records of its topic."""
        store = self.open_store(tx)
        for hearing in self.listens_to:
            batch = heard.get(hearing.topic)
            if batch:
                await hearing.handler(batch, store)
                crash.at("C5")

    def read(self, records: Sequence[Record], starts: Mapping[Lane, int]) -> Work:
        """Decode one by one and find the spans. Raises Gap where offsets are missing on a topic that has no holes."""
        lanes: dict[Lane, list[Record]] = {}
        for record in records:
            lanes.setdefault((record.topic, record.partition), []).append(record)
        work = Work(spans=[], records=len(records))
        for (topic, partition), ours in sorted(lanes.items()):
            first, last = ours[0].offset, ours[-1].offset
            start = starts.get((topic, partition), first)
            if topic not in self.holes_allowed and (first != start or last - first + 1 != len(ours)):
                raise Gap(f"{topic}/{partition}: {len(ours)} records for the offsets [{start}, {last + 1})")
            work.spans.append(Span(topic, partition, start, last + 1))
            read = self._decoding.raw if topic in self._raw_topics else self._decoding.heard
            heard = work.heard.setdefault(topic, [])
            for record in ours:
                result = read(record)
                if result.__class__ is Heard:
                    heard.append(result)
                else:
                    work.unreadable.append((record, result))  # type: ignore[arg-type]
        return work

    async def _lock_cursors(self, tx: Transaction, spans: Sequence[Span]) -> bool:
        """Lock the cursors ascending and compare them. Returns whether any key of this group is parked."""
        topics = [span.topic for span in spans]
        partitions = [span.partition for span in spans]
        rows = (await tx.run(sql.CURSORS_LOCK, grp=self.group, topics=topics, partitions=partitions)).all()
        if len(rows) < len(spans):
            await tx.run(
                sql.CURSOR_CREATE, grp=self.group, topics=topics, partitions=partitions, offsets=[0] * len(spans)
            )
            rows = (await tx.run(sql.CURSORS_LOCK, grp=self.group, topics=topics, partitions=partitions)).all()
        if negative_control.on():
            return False
        at = {(row.topic, row.partition): row.next_offset for row in rows}
        for span in spans:
            if at.get((span.topic, span.partition)) != span.start:
                raise Stale(
                    f"{span.topic}/{span.partition}: cursor at {at.get((span.topic, span.partition))}, not {span.start}"
                )
        return bool(rows[0].any_parked)

    async def _move_cursors(self, tx: Transaction, spans: Sequence[Span]) -> None:
        await tx.run(
            sql.CURSORS_MOVE,
            grp=self.group,
            topics=[span.topic for span in spans],
            partitions=[span.partition for span in spans],
            offsets=[span.next_offset for span in spans],
        )

    async def _set_aside(self, tx: Transaction, work: Work, any_parked: bool) -> Work:
        """The slow path: dead letters for what cannot be read and for what stands behind a dead letter of its key."""
        raise NotImplementedError
