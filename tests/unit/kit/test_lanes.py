"""Lanes and gates, without Kafka, database or clock."""

from __future__ import annotations

import pytest

from laurel_kit.failures import Gap
from laurel_kit.gates import BehindMarks, Marks
from laurel_kit.hearing import RawRecord
from laurel_kit.lanes import BUFFER_RECORDS_MAX, HOLD_RETRY_SECONDS, Lane, take
from laurel_kit.postgres import Database

TOPIC = "activities"


def records(*offsets: int) -> list[RawRecord]:
    return [RawRecord(TOPIC, 0, offset, None, b"") for offset in offsets]


def lane(next_offset: int = 0, partition: int = 0, moved_at: float = 0.0, holes_allowed: bool = False) -> Lane:
    return Lane(TOPIC, partition, next_offset, moved_at, holes_allowed=holes_allowed)


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def marks(clock: Clock) -> Marks:
    return Marks(Database("postgresql://nobody@127.0.0.1:1/none", application_name="t"), seconds=clock)


def test_records_must_begin_where_the_lane_stands() -> None:
    with pytest.raises(Gap):
        lane(5).fetched(records(6))
    with pytest.raises(Gap):
        lane(5).fetched(records(4, 5))


def test_a_missing_offset_within_or_between_polls_is_a_gap() -> None:
    with pytest.raises(Gap):
        lane(5).fetched(records(5, 7))
    one = lane(5)
    one.fetched(records(5, 6))
    with pytest.raises(Gap):
        one.fetched(records(8))


def test_on_a_foreign_topic_holes_are_counted() -> None:
    one = lane(5, holes_allowed=True)
    assert one.fetched(records(7, 8, 11)) == 4
    assert one.takeable(None, 0.0) == 3
    assert one.reached(12, 1.0) == 3
    assert (one.next, one.buffer) == (12, [])


def test_a_lane_keeps_what_is_beyond_the_cursor() -> None:
    one = lane(5)
    one.fetched(records(5, 6, 7))
    assert one.reached(7, 1.0) == 2
    assert [record.offset for record in one.buffer] == [7]


def test_a_lane_with_much_in_memory_is_full_and_a_halted_one_always() -> None:
    one = lane()
    one.fetched(records(*range(BUFFER_RECORDS_MAX - 1)))
    assert not one.is_full
    one.fetched(records(BUFFER_RECORDS_MAX - 1))
    assert one.is_full
    one.halt("broken")
    assert one.is_full
    assert one.buffer == []
    assert one.takeable(None, 0.0) == 0


def test_a_held_lane_is_tried_again_after_a_second() -> None:
    one = lane()
    one.fetched(records(0))
    one.hold("offset 0: not loaded", 10.0)
    assert one.takeable(None, 10.0 + HOLD_RETRY_SECONDS - 0.01) == 0
    assert (one.state, one.reason) == ("held", "offset 0: not loaded")
    assert one.takeable(None, 10.0 + HOLD_RETRY_SECONDS) == 1


def test_a_hard_gate_lets_through_what_is_marked_and_waits_without_end(marks: Marks, clock: Clock) -> None:
    gate = BehindMarks(marks, topic=TOPIC)
    one = lane()
    one.fetched(records(0, 1, 2))
    assert one.takeable(gate, clock.now) == 0
    assert (one.state, one.reason) == ("waiting", "offset 0 waits for the mark of activities/0, now at 0")
    marks.moved([(TOPIC, 0, 2)])
    assert one.takeable(gate, clock.now) == 2
    one.reached(2, clock.now)
    clock.now += 1_000
    assert one.takeable(gate, clock.now) == 0
    assert one.moved_at == clock.now  # waiting is not "no progress"


def test_a_mark_of_another_partition_opens_nothing(marks: Marks, clock: Clock) -> None:
    marks.moved([(TOPIC, 1, 9), ("tiers", 0, 9)])
    assert BehindMarks(marks, topic=TOPIC).limit(0, 0, clock.now) == 0


def test_marks_never_go_back(marks: Marks) -> None:
    marks.moved([(TOPIC, 0, 9)])
    marks.moved([(TOPIC, 0, 3)])
    assert marks.next_offset(TOPIC, 0) == 9


def test_a_soft_gate_waits_with_patience_while_the_sayer_is_alive_and_then_goes_on(marks: Marks, clock: Clock) -> None:
    gate = BehindMarks(marks, topic=TOPIC, patience_seconds=0.2, fresh_seconds=5)
    marks.moved([(TOPIC, 0, 10)])
    assert gate.limit(0, 10, clock.now) == 10
    assert gate.limit(0, 10, clock.now + 0.19) == 10
    assert gate.limit(0, 10, clock.now + 0.2) is None


def test_a_soft_gate_is_patient_with_each_batch_anew(marks: Marks, clock: Clock) -> None:
    gate = BehindMarks(marks, topic=TOPIC, patience_seconds=0.2, fresh_seconds=5)
    marks.moved([(TOPIC, 0, 10)])
    assert gate.limit(0, 10, clock.now) == 10
    assert gate.limit(0, 10, clock.now + 0.3) is None
    assert gate.limit(0, 12, clock.now + 0.3) == 10
    assert gate.limit(0, 12, clock.now + 0.6) is None


def test_a_soft_gate_does_not_wait_for_a_sayer_that_fell_silent(marks: Marks, clock: Clock) -> None:
    gate = BehindMarks(marks, topic=TOPIC, patience_seconds=0.2, fresh_seconds=5)
    assert gate.limit(3, 7, clock.now) is None  # never marked anything
    marks.moved([(TOPIC, 0, 10)])
    clock.now += 6
    assert gate.limit(0, 12, clock.now) is None


def test_a_soft_gate_waits_for_a_sayer_that_had_marked_everything_even_long_ago(marks: Marks, clock: Clock) -> None:
    gate = BehindMarks(marks, topic=TOPIC, patience_seconds=0.2, fresh_seconds=5)
    marks.moved([(TOPIC, 0, 10)])
    clock.now += 3_600
    assert gate.limit(0, 10, clock.now) == 10


def test_a_soft_gate_takes_first_what_is_marked(marks: Marks, clock: Clock) -> None:
    gate = BehindMarks(marks, topic=TOPIC, patience_seconds=0.2, fresh_seconds=5)
    marks.moved([(TOPIC, 0, 10)])
    clock.now += 60
    assert gate.limit(0, 4, clock.now) == 10


def test_a_transaction_is_shared_fairly_and_filled_up() -> None:
    lanes = [lane(partition=p) for p in range(3)]
    for one, count in zip(lanes, (100, 5, 0), strict=True):
        one.buffer = [RawRecord(TOPIC, one.partition, offset, None, b"") for offset in range(count)]
    taken = take(lanes, [100, 5, 0], 50)
    assert {name: len(ours) for name, (_, ours) in taken.items()} == {(TOPIC, 0): 45, (TOPIC, 1): 5}


def test_with_more_lanes_than_room_the_one_that_waited_longest_comes_first() -> None:
    lanes = [lane(partition=p, moved_at=10.0 - p) for p in range(5)]
    for one in lanes:
        one.buffer = [RawRecord(TOPIC, one.partition, 0, None, b"")]
    assert list(take(lanes, [1] * 5, 2)) == [(TOPIC, 4), (TOPIC, 3)]


def test_nothing_to_take_is_nothing() -> None:
    assert take([lane()], [0], 100) == {}
