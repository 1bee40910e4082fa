"""A broker in memory, for the one test that needs thousands of histories: logs, committed offsets, a group whose members hear of a
rebalance late or not at all. It keeps the traps of the real one: what a member has not sought to begins where Kafka believes, a member that
was passed over still fetches, and `commit` believes whoever asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from laurel_kit.hearing import RawRecord


class FakeBroker:
    """The logs of one topic and one group's committed offsets."""

    def __init__(self, topic: str, partitions: int) -> None:
        self.topic = topic
        self.logs: dict[TopicPartition, list[RawRecord]] = {TopicPartition(topic, p): [] for p in range(partitions)}
        self.committed: dict[TopicPartition, int] = {}

    @property
    def lanes(self) -> list[TopicPartition]:
        return sorted(self.logs)

    def lay(self, partition: int, record: RawRecord) -> None:
        """Append; the offset is the record's place."""
        self.logs[TopicPartition(self.topic, partition)].append(record)

    def end(self, partition: int) -> int:
        return len(self.logs[TopicPartition(self.topic, partition)])


class FakeConsumer:
    """As much of aiokafka's consumer as the Reader uses. `heard`: the assignment this member believes in, which may be an old one."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._heard: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self.ignores_pauses = False  # what was fetched before a pause is still handed out

    def hear(self, assignment: Iterable[TopicPartition]) -> None:
        """A rebalance has come through to this member: all positions are forgotten."""
        self._heard = set(assignment)
        self._positions.clear()
        self._paused.clear()

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._heard)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {tp.partition for tp in self._broker.lanes}

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._broker.end(tp.partition) for tp in tps}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert tp in self._heard, "a seek into a partition that is not ours"
        self._positions[tp] = offset

    def pause(self, tp: TopicPartition) -> None:
        self._paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self._paused.discard(tp)

    def paused(self) -> frozenset[TopicPartition]:
        return frozenset(self._paused)

    async def position(self, tp: TopicPartition) -> int:
        return self._positions.get(tp, 0)

    async def committed(self, tp: TopicPartition) -> int | None:
        return self._broker.committed.get(tp)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._broker.committed.update(offsets)

    async def getmany(
        self, *wanted: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[RawRecord]]:
        """From the position of each partition; where none was sought, from the committed offset."""
        fetched: dict[TopicPartition, list[RawRecord]] = {}
        for tp in sorted(self._heard & set(wanted) if wanted else self._heard):
            if tp in self._paused and not self.ignores_pauses:
                continue
            position = self._positions.get(tp, self._broker.committed.get(tp))
            if position is None:
                raise NoOffsetForPartitionError(tp)
            log = self._broker.logs[tp]
            if position > len(log):
                raise OffsetOutOfRangeError({tp: position})
            records = log[position : position + max_records]
            if records:
                fetched[tp] = records
                self._positions[tp] = position + len(records)
        return fetched
