"""One of three brokers dies at a time: the others have everything, so no client sees an error and no reader stands still for long.

INVARIANT (T-K02, T-K04): whichever node is killed, every accepted report has its effect exactly once, and every reader goes on.
What would break it: an acknowledgement by fewer than two nodes, consumer positions kept once, a producer that goes on after an error out
of order, a consumer that never finds its new group coordinator (aiokafka #1154), a door that needs Kafka in order to answer.
"""

from __future__ import annotations

import time

import pytest

from laurel_cli.services import SERVICE_NAMES
from tests.fault.brokers.feeding import Feed, story
from tests.fault.brokers.judging import conclude, judged
from tests.fault.brokers.looking import Watch, coordinator_of
from tests.fault.report import seed_of, sized
from tests.support.shop import Deadline, Shop, open_shop, reference

STALL_SECONDS_MAX = 60.0
STRIKE_SECONDS = 25.0  # how long a kill, the failover and the return take on a busy machine; the feed is paced by it
FULL = (pytest.mark.nightly, pytest.mark.long, pytest.mark.timeout(2 * 3600))
SMALL = (pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900))


@pytest.mark.parametrize(
    ("events", "kills"),
    [
        pytest.param(2_000, 3, id="small", marks=SMALL),
        pytest.param(sized(100_000), sized(20, 3), id="full", marks=FULL),
    ],
)
def test_no_client_sees_it_when_one_of_three_brokers_is_killed_at_a_time(events: int, kills: int) -> None:
    """T-K02: SIGKILL of each node in turn; the next only when all copies are there again. Every request is answered at the first try."""
    seed = seed_of("T-K02", 42)
    began = time.monotonic()
    told = story(events, seed)
    with open_shop(reference(), partitions=4, brokers=3) as shop, Watch(shop) as watch:
        with Feed(shop, told, per_second=events / (kills * STRIKE_SECONDS)) as feed:
            under_load = 0
            resumed: list[float] = []
            for kill in range(kills):
                node = kill % 3 + 1
                feed.allow((kill + 1) / kills)
                under_load += feed.running
                shop.stack.kill_kafka(node)
                resumed += watch.seconds_until_all_have_moved(STALL_SECONDS_MAX).values()
                shop.stack.start_kafka(node)
                shop.stack.await_copies()
            feed.hurry()
        judgement = judged(shop, told)
    measured = (
        f"{kills} kills of one node of three, {under_load} under load, 0 errors at a client (slowest answer"
        f" {feed.slowest_seconds:.1f} s), all readers moving again after at most {max(resumed):.1f} s, {watch.figure}"
    )
    held = under_load == kills and watch.longest_unread <= STALL_SECONDS_MAX
    conclude(
        "T-K02", judgement, measured, "000; no produce error reaches a client",
        held=held, seed=seed, seconds=time.monotonic() - began,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "kills"),
    [
        pytest.param(2_000, 4, id="small", marks=(pytest.mark.long, pytest.mark.timeout(900))),
        pytest.param(sized(20_000), sized(20, 4), id="full", marks=FULL),
    ],
)
def test_no_reader_is_stuck_when_its_group_coordinator_is_killed(events: int, kills: int) -> None:
    """T-K04: SIGKILL of the node that leads the group's partition of __consumer_offsets, each service's group in turn."""
    seed = seed_of("T-K04", 42)
    began = time.monotonic()
    told = story(events, seed)
    with open_shop(reference(), partitions=4, brokers=3) as shop, Watch(shop) as watch:
        with Feed(shop, told, per_second=events / (kills * STRIKE_SECONDS)) as feed:
            under_load = 0
            failovers: list[float] = []
            for kill in range(kills):
                feed.allow((kill + 1) / kills)
                under_load += feed.running
                failovers.append(_coordinator_fails_over(shop, SERVICE_NAMES[kill % len(SERVICE_NAMES)]))
            feed.hurry()
        judgement = judged(shop, told)
    measured = (
        f"{kills} group coordinators killed, {under_load} under load, a new one after at most {max(failovers):.1f} s,"
        f" {watch.figure}"
    )
    held = under_load == kills and watch.longest_unread <= STALL_SECONDS_MAX
    conclude(
        "T-K04", judgement, measured, f"000; no consumer stuck > {STALL_SECONDS_MAX:.0f} s",
        held=held, seed=seed, seconds=time.monotonic() - began,
    )  # fmt: skip


def _coordinator_fails_over(shop: Shop, group: str) -> float:
    """Kill the group's coordinator, wait until another node is it, bring the dead one back; seconds until the other was."""
    node = coordinator_of(shop, group)
    shop.stack.kill_kafka(node)
    killed = time.monotonic()
    until = Deadline(STALL_SECONDS_MAX)
    while coordinator_of(shop, group) == node:
        assert not until.passed(), f"node {node} is dead and still the coordinator of {group}"
        until.wait()
    failed_over = time.monotonic() - killed
    shop.stack.start_kafka(node)
    shop.stack.await_copies()
    return failed_over
