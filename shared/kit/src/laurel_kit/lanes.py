"""Lanes: one partition each, what has been fetched for it, and whether it may go on. No Kafka client, no database, no clock of its own.
The one thing not to break: `next` is the cursor as the database has it, and the buffer begins exactly there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from laurel_kit.applying import Lane as Name
from laurel_kit.failures import Gap
from laurel_kit.gates import Gate
from laurel_kit.hearing import Record

State = Literal["open", "waiting", "held", "halted", "opening", "backing_off"]
HOLD_RETRY_SECONDS = 1.0
# What one lane may keep in memory while it waits; beyond it its partition is not asked for. One poll may go over it.
BUFFER_RECORDS_MAX = 500


@dataclass(slots=True)
class Lane:
    """One open partition. Times are the machine's monotonic seconds."""

    topic: str
    partition: int
    next: int
    moved_at: float  # when it last moved, or last had a good reason not to
    holes_allowed: bool = False
    buffer: list[Record] = field(default_factory=list)
    state: State = "open"
    reason: str = ""
    retry_at: float = 0.0
    end: int = 0  # the partition's end, when last asked
    passed: int = 0  # where the client stands, when last asked: beyond `next` where the last offsets hold no record
    applied_timestamp_ms: int = 0

    @property
    def name(self) -> Name:
        return (self.topic, self.partition)

    def fetched(self, records: Sequence[Record]) -> int:
        """Take in what the broker gave; returns how many offsets had no record. Raises Gap on a topic that has no holes."""
        expected = self.buffer[-1].offset + 1 if self.buffer else self.next
        holes = records[-1].offset - expected + 1 - len(records)
        if not self.holes_allowed and (records[0].offset != expected or holes):
            raise Gap(
                f"{self.topic}/{self.partition}: offset {expected} is next, {records[0].offset} came ({holes} missing)"
            )
        self.buffer.extend(records)
        return holes

    def takeable(self, gate: Gate | None, now: float) -> int:
        """How many buffered records may go into a transaction now. Sets state and reason."""
        if self.state == "halted" or not self.buffer:
            return 0
        if self.state == "held" and now < self.retry_at:
            return 0
        first = self.buffer[0].offset
        limit = gate.limit(self.partition, first, now) if gate else None
        count = len(self.buffer) if limit is None else self._count_below(limit)
        if count or gate is None:
            self.state, self.reason = "open", ""
            return count
        self.state, self.moved_at = "waiting", now
        self.reason = f"offset {first} waits for {gate.waits_for(self.partition)}"
        return 0

    def reached(self, next_offset: int, now: float) -> int:
        """The cursor moved to `next_offset`; returns how many buffered records that was."""
        taken = self._count_below(next_offset)
        if taken:
            self.applied_timestamp_ms = getattr(self.buffer[taken - 1], "timestamp", 0)
            del self.buffer[:taken]
        self.next, self.moved_at = next_offset, now
        return taken

    def _count_below(self, offset: int) -> int:
        return bisect_left(self.buffer, offset, key=lambda record: record.offset)

    def hold(self, reason: str, now: float) -> None:
        """Wait a second and try again; not where it was halted while its batch was applied: what it had is gone."""
        if self.state == "halted":
            return
        self.state, self.reason, self.retry_at, self.moved_at = "held", reason, now + HOLD_RETRY_SECONDS, now

    def halt(self, reason: str) -> None:
        """Stop until a person has looked at it (or the partition is assigned anew)."""
        self.state, self.reason = "halted", reason
        self.buffer.clear()

    @property
    def is_full(self) -> bool:
        return len(self.buffer) >= BUFFER_RECORDS_MAX or self.state == "halted"


def take(lanes: Sequence[Lane], takeable: Sequence[int], records_max: int) -> dict[Name, tuple[int, list[Record]]]:
    """Fill one transaction with at most `records_max` records: every lane gets a fair share, the one that waited longest first; then
    the first ones get what is left."""
    wanting = sorted(
        ((lane, count) for lane, count in zip(lanes, takeable, strict=True) if count), key=lambda pair: pair[0].moved_at
    )
    if not wanting:
        return {}
    share, left = max(1, records_max // len(wanting)), records_max
    counts: dict[Name, int] = {}
    for lane, most in wanting:
        counts[lane.name] = min(most, share, left)
        left -= counts[lane.name]
    for lane, most in wanting:
        more = min(left, most - counts[lane.name])
        counts[lane.name] += more
        left -= more
    return {lane.name: (lane.next, lane.buffer[: counts[lane.name]]) for lane, _ in wanting if counts[lane.name]}
