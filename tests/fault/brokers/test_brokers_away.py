"""Kafka is away as a whole, for seconds or for minutes: the door takes reports, the outbox keeps them, and all of it is said when Kafka is
there again.

INVARIANT (T-K01, T-K03): an outage of all brokers delays effects and loses none; nobody has to restart a service.
What would break it: a door that waits for Kafka, a relay that gives up or deletes what is not acknowledged, a watchdog that takes an outage
for a broken client, a client that does not come back.
"""

from __future__ import annotations

import time

import pytest

from tests.fault.brokers.feeding import Feed, hold, story
from tests.fault.brokers.judging import conclude, judged
from tests.fault.brokers.looking import Watch
from tests.fault.report import seed_of, sized
from tests.support.shop import open_shop, reference

RESUME_SECONDS_MAX = 15.0
DRAIN_SECONDS_MAX = 120.0
EVERY_SECONDS = 20.0
FULL = (pytest.mark.nightly, pytest.mark.long, pytest.mark.timeout(2 * 3600))
SMALL = (pytest.mark.long, pytest.mark.timeout(900))


@pytest.mark.parametrize("brokers", [1, 3])
@pytest.mark.parametrize(
    ("events", "per_second"),
    [
        pytest.param(4_000, 80.0, id="small", marks=SMALL),
        pytest.param(sized(100_000), 330.0, id="full", marks=FULL),
    ],
)
def test_readers_go_on_soon_after_each_clean_restart_of_a_broker(events: int, per_second: float, brokers: int) -> None:
    """T-K01: a controlled restart every 20 seconds, of the only broker or of one of three in turn, for as long as events come."""
    seed = seed_of("T-K01", 42)
    began = time.monotonic()
    told = story(events, seed)
    with open_shop(reference(), partitions=4, brokers=brokers) as shop, Watch(shop) as watch:
        with Feed(shop, told, per_second) as feed:
            resumed: list[tuple[float, str]] = []
            hold(EVERY_SECONDS / 4, feed)
            while feed.running:
                restarted_at = time.monotonic()
                node = len(resumed) % brokers + 1
                shop.stack.stop_kafka(node)
                shop.stack.start_kafka(node)
                moved = watch.seconds_until_all_have_moved(4 * RESUME_SECONDS_MAX)
                resumed.append(max((seconds, name) for name, seconds in moved.items()))
                hold(restarted_at + EVERY_SECONDS - time.monotonic(), feed)
            feed.hurry()
        judgement = judged(shop, told)
    measured = (
        f"{len(resumed)} clean restarts of {brokers} broker(s), all readers moving again at most"
        f" {max(resumed)[0]:.1f} s after the return ({max(resumed)[1]} the last), slowest answer {feed.slowest_seconds:.1f} s;"
        f" {watch.figure}"
    )
    conclude(
        "T-K01", judgement, measured, f"000; resume <= {RESUME_SECONDS_MAX:.0f} s after return",
        held=max(resumed)[0] <= RESUME_SECONDS_MAX, seed=seed, seconds=time.monotonic() - began,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "away_seconds"),
    [
        pytest.param(2_000, 75.0, id="small", marks=SMALL),
        pytest.param(sized(30_000), float(sized(300, 75)), id="full", marks=FULL),
    ],
)
def test_reports_are_taken_while_all_brokers_are_away_and_said_soon_afterwards(
    events: int, away_seconds: float
) -> None:
    """T-K03: all three nodes killed at once. Even the small size is longer than the minute after which a watchdog looks closer."""
    seed = seed_of("T-K03", 42)
    began = time.monotonic()
    told = story(events, seed)
    with open_shop(reference(), partitions=4, brokers=3) as shop:
        with Feed(shop, told, per_second=events / (away_seconds + 20.0)) as feed:
            hold(5.0, feed)
            shop.stack.kill_kafka()
            before = feed.answered
            hold(away_seconds, feed)
            taken = feed.answered - before
            outbox = shop.services.another_door().progress()["outbox_rows"]
            with Watch(shop) as watch:
                shop.stack.start_kafka()
                returned = time.monotonic()
                feed.hurry()
                shop.settle()
            drained = time.monotonic() - returned
        judgement = judged(shop, told)
    measured = (
        f"all 3 brokers away for {away_seconds:.0f} s, {taken:,} reports taken meanwhile, each answered 2xx (slowest"
        f" {feed.slowest_seconds:.1f} s), {outbox:,} rows in the outbox; at rest {drained:.1f} s after the return;"
        f" {watch.figure}"
    )
    held = drained <= DRAIN_SECONDS_MAX and outbox >= taken // 2 > 0 and watch.restarted == 0
    conclude(
        "T-K03", judgement, measured,
        f"000; HTTP 202 while all brokers are away; backlog drained <= {DRAIN_SECONDS_MAX:.0f} s after return",
        held=held, seed=seed, seconds=time.monotonic() - began,
    )  # fmt: skip
