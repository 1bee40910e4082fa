"""Applies records: one transaction moves the cursors, runs the handlers and keeps what they say. Knows nothing of Kafka. The one thing
not to break: a transaction takes exactly [cursor, next) of each partition, compared under the cursor's lock."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from laurel_kit import crash, negative_control, sql
from laurel_kit.decoding import Decoding, Unreadable, number_of
from laurel_kit.failures import DeadLettersTooMany, Gap, Stale, again_on_contention
from laurel_kit.hearing import Heard, Hearing, Record, Span
from laurel_kit.places import POOL_WAIT_PATIENT_SECONDS
from laurel_kit.postgres import Database, Transaction
from laurel_kit.telemetry import KitMetrics

S = TypeVar("S")
Lane = tuple[str, int]
Place = tuple[str, int, int]

# Gives up a key's number in the handler's own books, so that the next number is fresh: (store, topic, key, number).
SkipNumber = Callable[[S, str, bytes, int], Awaitable[None]]

# A piece of what a batch brings that need not wait for the batch's own transaction: (what was heard, store) → whether more is left.
Ahead = Callable[[Mapping[str, Sequence[Heard]], S], Awaitable[bool]]

BEHIND = "behind_a_dead_letter"
# More than 5 % of 1000 is no poison but a defect, ours or the sayer's: the lane stops. Kept small enough to look at one by one.
DEAD_LETTERS_MAX = 50
DEAD_LETTERS_WINDOW_RECORDS = 1_000


@runtime_checkable
class LocksFirst(Protocol):
    """A store that locks what several handlers of one transaction will lock, all at once and in its one order; else the second handler's
    locks could lie below the first one's, and somebody who takes both at once would meet them crosswise."""

    async def lock_first(self, keys: Collection[bytes]) -> None:
        """Lock what is there of these keys."""


@dataclass(slots=True)
class Work:
    """Records on their way into one transaction: what was heard per topic, what could not be read, and the spans they cover."""

    spans: list[Span]
    source: Sequence[Record]
    heard: dict[str, list[Heard]] = field(default_factory=dict)
    unreadable: list[tuple[Record, Unreadable]] = field(default_factory=list)


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
        ahead: Ahead[S] | None = None,
    ) -> None:
        self.ahead = ahead
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

    async def apply(self, records: Sequence[Record], *, starts: Mapping[Lane, int] | None = None) -> bool:
        """One transaction over all `records` (per partition in offset order). A lane begins at `starts`, else at its first record;
        a cursor that does not exist stands at 0. Returns whether somebody waited for what it had locked. Raises Stale, Gap, or
        whatever a handler raises; then nothing has happened."""
        work = self.read(records, starts or {})
        crash.at("C2")
        if self.ahead is not None and _is_about_a_partition(work):
            while await again_on_contention(lambda: self._ahead_once(work)):
                pass
        return await again_on_contention(lambda: self._apply_once(work))

    async def _ahead_once(self, work: Work) -> bool:
        """One piece of what records about whole partitions bring, in a transaction of its own under the cursors, which stay where they
        are: whoever dies between two pieces goes on with what is left."""
        if self.ahead is None:
            return False
        async with self.database.transaction(
            spans=work.spans, group=self.group, pool_wait_seconds=POOL_WAIT_PATIENT_SECONDS
        ) as tx:
            await self._lock_cursors(tx, work.spans)
            more = await self.ahead(work.heard, self.open_store(tx))
            crash.at("C5")
        return more

    async def _apply_once(self, work: Work) -> bool:
        began = time.perf_counter()
        async with self.database.transaction(
            spans=work.spans, group=self.group, pool_wait_seconds=POOL_WAIT_PATIENT_SECONDS
        ) as tx:
            crash.at("C3")
            any_parked = await self._lock_cursors(tx, work.spans)
            crash.at("C4")
            if any_parked or work.unreadable:
                work = await self._set_aside(tx, work)
            await self.run_handlers(tx, work.heard)
            crash.at("C6")
            waited_for = await self._move_cursors(tx, work.spans)
            dead = list(tx.dead_letters)
        self.metrics.applied(work.spans, len(work.source), time.perf_counter() - began)
        for letter in dead:
            self.metrics.dead_letters.labels(letter.topic, letter.reason).inc()
        if waited_for:
            self.metrics.waited_for.inc()
        return waited_for

    async def run_handlers(self, tx: Transaction, heard: Mapping[str, Sequence[Heard]]) -> None:
        """The handlers, in the order of LISTENS_TO, each with all records of its topic; with none where all of them were set aside, so
        that a handler may still say how far the lane has come."""
        store = self.open_store(tx)
        if isinstance(store, LocksFirst) and sum(map(bool, heard.values())) > 1:
            about = (one.key or one.speaks_of for batch in heard.values() for one in batch)
            await store.lock_first({who for who in about if who is not None})
        taken = {span.topic for span in tx.spans}
        for hearing in self.listens_to:
            batch = heard.get(hearing.topic, ())
            if batch or hearing.topic in taken:
                await hearing.handler(batch, store)
                crash.at("C5")

    def read(self, records: Sequence[Record], starts: Mapping[Lane, int]) -> Work:
        """Decode one by one and find the spans. Raises Gap where offsets are missing on a topic that has no holes."""
        lanes: dict[Lane, list[Record]] = {}
        for record in records:
            lanes.setdefault((record.topic, record.partition), []).append(record)
        work = Work(spans=[], source=records)
        for (topic, partition), ours in sorted(lanes.items()):
            first, last = ours[0].offset, ours[-1].offset
            start = starts.get((topic, partition), first)
            if topic not in self.holes_allowed and (first != start or last - first + 1 != len(ours)):
                raise Gap(f"{topic}/{partition}: {len(ours)} records for the offsets [{start}, {last + 1})")
            work.spans.append(Span(topic, partition, start, last + 1))
            read = self._read_of(topic)
            heard = work.heard.setdefault(topic, [])
            for record in ours:
                result = read(record)
                if result.__class__ is Heard:
                    heard.append(result)
                else:
                    work.unreadable.append((record, result))  # type: ignore[arg-type]
        return work

    def read_one(self, record: Record) -> Heard | Unreadable:
        """One record, decoded as its topic's hearing wants it."""
        return self._read_of(record.topic)(record)

    def _read_of(self, topic: str) -> Callable[[Record], Heard | Unreadable]:
        return self._decoding.raw if topic in self._raw_topics else self._decoding.heard

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

    async def _move_cursors(self, tx: Transaction, spans: Sequence[Span]) -> bool:
        """Returns whether somebody waits for what this transaction has locked."""
        moved = await tx.run(
            sql.CURSORS_MOVE,
            grp=self.group,
            topics=[span.topic for span in spans],
            partitions=[span.partition for span in spans],
            offsets=[span.next_offset for span in spans],
        )
        return any(row.waited_for for row in moved)

    async def _set_aside(self, tx: Transaction, work: Work) -> Work:
        """The slow path: dead letters for what cannot be read and for what stands behind a dead letter of its key. Reads the parked
        keys in a statement of its own after the lock, because a replay may have emptied them while we waited for it."""
        keys = {record.key for record in work.source if record.key is not None}
        topics = [span.topic for span in work.spans]
        rows = (await tx.run(sql.PARKED_READ, grp=self.group, topics=topics, keys=list(keys))).all()
        parked = {(row.topic, row.key) for row in rows}
        why = {(r.topic, r.partition, r.offset): reason for r, reason in work.unreadable}
        behind: set[Place] = set()
        for record in work.source:
            place = (record.topic, record.partition, record.offset)
            parks = self.parks(record)
            reason = why.get(place)
            if reason is None and (not parks or (record.topic, record.key) not in parked):
                continue
            if reason is None:
                behind.add(place)
                reason = Unreadable(BEHIND, "")
            await self._write_dead_letter(tx, record, reason)
            if parks and record.key is not None:
                parked.add((record.topic, record.key))
        heard = {
            topic: [one for one in ours if (one.topic, one.partition, one.offset) not in behind]
            for topic, ours in work.heard.items()
        }
        return Work(work.spans, work.source, heard, work.unreadable)

    def parks(self, record: Record) -> bool:
        """Whether what comes later for this record's key must wait behind it: on every topic of ours, where keys are numbered."""
        return record.key is not None and self._is_ours(record.topic)

    def _is_ours(self, topic: str) -> bool:
        return topic not in self.holes_allowed and topic not in self._raw_topics

    async def apply_dead(self, record: Record, start: int, reason: Unreadable) -> None:
        """One transaction that moves the cursor over one record and sets it aside."""
        spans = [Span(record.topic, record.partition, start, record.offset + 1)]
        async with self.database.transaction(
            spans=spans, group=self.group, pool_wait_seconds=POOL_WAIT_PATIENT_SECONDS
        ) as tx:
            await self._lock_cursors(tx, spans)
            await self._write_dead_letter(tx, record, reason)
            await self.run_handlers(
                tx, {}
            )  # with none: who waits for this lane's mark need not wait for its next record
            await self._move_cursors(tx, spans)
        self.metrics.applied(spans, 1, 0.0)
        self.metrics.dead_letters.labels(record.topic, reason.reason).inc()

    async def _write_dead_letter(self, tx: Transaction, record: Record, why: Unreadable) -> None:
        """Raises DeadLettersTooMany where a lane of ours would have more than its share, and for a record about a whole partition:
        neither is poison, both are a defect that a person must look at."""
        if self._is_ours(record.topic) and why.reason != BEHIND:
            if record.key is None:
                raise DeadLettersTooMany(f"a record about the whole partition cannot be applied: {why.detail}")
            open_before = await tx.run(
                sql.DEAD_LETTERS_RECENT, grp=self.group, topic=record.topic, partition=record.partition,
                since=record.offset - DEAD_LETTERS_WINDOW_RECORDS, behind=BEHIND,
            )  # fmt: skip
            pending = sum(
                d.topic == record.topic and d.partition == record.partition and d.reason != BEHIND
                for d in tx.dead_letters
            )
            if open_before.scalar_one() + pending >= DEAD_LETTERS_MAX:
                raise DeadLettersTooMany(
                    f"more than {DEAD_LETTERS_MAX} dead letters in {DEAD_LETTERS_WINDOW_RECORDS} records: {why.detail}"
                )
        await tx.dead_letter(
            topic=record.topic, partition=record.partition, offset=record.offset, key=record.key, value=record.value,
            reason=why.reason, detail=why.detail, number=number_of(record), headers=record.headers, parks=self.parks(record),
        )  # fmt: skip


def _is_about_a_partition(work: Work) -> bool:
    return any(one.key is None for heard in work.heard.values() for one in heard)
