"""The watchdog: what is stuck, and what only waits."""

from __future__ import annotations

import time

import pytest
from aiokafka import TopicPartition

from laurel_kit.hearing import RawRecord, hears
from laurel_kit.lanes import Lane
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from laurel_kit.watching import STUCK_SECONDS_MAX, Stuck, Watchdog

TOPIC = "activities"


@pytest.fixture
def reader() -> Reader[None]:
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="t")
    return Reader(database, group="t", listens_to=(), open_store=lambda _: None, kafka="127.0.0.1:1")


def lane_of(reader: Reader[None], *, end: int, **more: object) -> Lane:
    lane = Lane(TOPIC, 0, 5, time.monotonic(), end=end)
    for name, value in more.items():
        setattr(lane, name, value)
    reader.lanes[TopicPartition(TOPIC, 0)] = lane
    return lane


def later(reader: Reader[None]) -> float:
    now = time.monotonic() + STUCK_SECONDS_MAX + 1
    reader.polled_at = now
    return now


def test_work_that_nobody_does_for_a_minute_is_stuck(reader: Reader[None]) -> None:
    lane_of(reader, end=9)
    Watchdog(reader).check(time.monotonic())
    with pytest.raises(Stuck, match="activities/0 stands at 5 of 9"):
        Watchdog(reader).check(later(reader))


@pytest.mark.parametrize("state", ["waiting", "held", "halted"])
def test_a_lane_with_a_reason_is_not_stuck(reader: Reader[None], state: str) -> None:
    lane_of(reader, end=9, state=state)
    Watchdog(reader).check(later(reader))


def test_a_lane_at_its_end_is_not_stuck_and_begins_to_count_when_work_comes(reader: Reader[None]) -> None:
    lane = lane_of(reader, end=5)
    now = later(reader)
    Watchdog(reader).check(now)
    lane.end = 6
    Watchdog(reader).check(now + 1)


def test_a_foreign_partition_whose_last_offsets_hold_no_record_is_not_stuck(reader: Reader[None]) -> None:
    lane = lane_of(reader, end=9, holes_allowed=True, passed=9)
    Watchdog(reader).check(later(reader))
    lane.buffer = [RawRecord(TOPIC, 0, 8, None, b"")]
    lane.moved_at = 0.0
    with pytest.raises(Stuck):
        Watchdog(reader).check(later(reader))


def test_a_loop_that_does_not_poll_is_stuck(reader: Reader[None]) -> None:
    with pytest.raises(Stuck, match="not been polled"):
        Watchdog(reader).check(reader.polled_at + STUCK_SECONDS_MAX + 1)


async def test_a_broker_that_is_away_is_waited_for(reader: Reader[None]) -> None:
    lane = lane_of(reader, end=9, moved_at=0.0)
    watchdog = Watchdog(reader)
    watchdog.answered_at = time.monotonic() - STUCK_SECONDS_MAX - 1
    await watchdog.check_broker()  # nobody listens on port 1
    assert time.monotonic() - lane.moved_at < 5


async def test_after_an_outage_our_client_has_its_minute_from_when_the_broker_is_back(
    reader: Reader[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-K03: what would break it is a minute that passed while nobody could answer: every reader would end at the return."""
    watchdog = Watchdog(reader)
    watchdog.answered_at = time.monotonic() - 5 * STUCK_SECONDS_MAX
    await watchdog.check_broker()  # nobody listens on port 1

    async def answers(*_: object) -> bool:
        return True

    monkeypatch.setattr("laurel_kit.watching.broker_answers", answers)
    await watchdog.check_broker()
    assert time.monotonic() - watchdog.answered_at < 5


async def test_a_broker_that_is_there_but_does_not_answer_our_client_means_a_new_process(
    reader: Reader[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answers(*_: object) -> bool:
        return True

    monkeypatch.setattr("laurel_kit.watching.broker_answers", answers)
    watchdog = Watchdog(reader)
    await watchdog.check_broker()
    watchdog.answered_at = time.monotonic() - STUCK_SECONDS_MAX - 1
    with pytest.raises(Stuck, match="our client has had no answer"):
        await watchdog.check_broker()


def test_a_topic_that_has_gone_alarms_after_a_while_and_once(reader: Reader[None]) -> None:
    class Topics:
        partitions: set[int] | None = None

        def partitions_for_topic(self, topic: str) -> set[int] | None:
            return self.partitions

    async def ignore(batch: object, store: None) -> None: ...

    reader.applier.listens_to = (hears(TOPIC, ignore),)
    topics = Topics()
    reader.consumer = topics
    watchdog = Watchdog(reader)
    for moment in (0.0, 9.0):
        watchdog.look_for_topics(moment)
        assert reader.lane_reports() == []
    for moment in (10.0, 20.0):
        watchdog.look_for_topics(moment)
        assert [report["state"] for report in reader.lane_reports()] == ["halted"]
    assert reader.metrics.registry.get_sample_value("laurel_lane_halts_total", {"topic": TOPIC}) == 1
    topics.partitions = {0}
    watchdog.look_for_topics(21.0)
    assert reader.lane_reports() == []
