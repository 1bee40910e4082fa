"""A consumer that stands still, and wakes up again as a zombie.

INVARIANT: whoever is stopped in the middle of anything loses nothing and doubles nothing when he goes on, however late, and meanwhile
another takes over his partitions. What would break it: a cursor that is not compared under its lock, a transaction that keeps its locks
while its process sleeps, a zombie's batch that is applied on top of the new owner's.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from laurel_cli.stack.processes import tail_of
from points_svc.consumer import LISTENS_TO
from tests.fault.nightly.beside import Beside, lanes_at
from tests.fault.nightly.feeding import Feed, story
from tests.fault.nightly.proving import books_of, proven, world_of
from tests.fault.report import seed_of, sized
from tests.support.lives import quick_sessions
from tests.support.shop import Deadline, Shop, open_shop, reference

TEST_ID = "T-K07"
STOPS = 50
STOP_SECONDS = (0.5, 30.0)
SESSION_SECONDS = 2.0  # as quick_sessions asks for
TAKEOVER_SECONDS_MAX = SESSION_SECONDS + 6.0
PARTITIONS = 4
LANES = len({hearing.topic for hearing in LISTENS_TO}) * PARTITIONS  # of all that points-svc reads
PACE = 40.0


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stop_and_watch(pid: int, other: str, seconds: float) -> float | None:
    """Stop one for so long; how long the other took to have all lanes, None where the time was too short for that."""
    with stopped(pid):
        began, until, taken = time.monotonic(), Deadline(seconds), None
        while not until.passed():
            if taken is None and lanes_at(other) == LANES:
                taken = time.monotonic() - began
            until.wait(0.2)
    if taken is None and seconds > TAKEOVER_SECONDS_MAX:
        taken = seconds
    return taken


def last_words(shop: Shop, second: Beside) -> str:
    """What the two have written last."""
    return f"{tail_of(shop.stack.home.log('points-svc'), 25)}\n\n{tail_of(second.log, 25)}"


def shared(shop: Shop, second: Beside) -> None:
    """Wait until both have lanes again: else a stop would hit one who has none."""
    until = Deadline(60.0)
    while not (lanes_at(shop.url("points-svc")) and lanes_at(second.url)):
        assert not until.passed(), f"the two do not share the lanes again: {second.alive=}\n{last_words(shop, second)}"
        until.wait()


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_consumer_that_stands_still_is_replaced_and_wakes_up_harmless() -> None:
    """T-K07: SIGSTOP of one of two points-svc, 0.5 to 30 s, at random moments, 50 times under load."""
    stops, seed, began = sized(STOPS, 4), seed_of(TEST_ID, 7), time.monotonic()
    rng = random.Random(seed)
    pauses = [rng.uniform(*STOP_SECONDS) for _ in range(stops)]
    told = story(round((sum(pauses) + 8 * stops) * PACE), seed)
    world = world_of(told)
    takeovers = []
    with quick_sessions(), open_shop(reference(), partitions=PARTITIONS) as shop, Beside(shop, "points-svc") as second:
        with Feed(shop, told, pace=PACE) as feed:
            for seconds in pauses:
                shared(shop, second)
                first = (shop.stack.pids()["points-svc"], second.url)
                pid, other = rng.choice((first, (second.pid, shop.url("points-svc"))))
                taken = stop_and_watch(pid, other, seconds)
                if taken is not None:
                    takeovers.append(taken)
            under_load = feed.going_on
        books = books_of(shop, told, world)
    slowest = max(takeovers, default=0.0)
    figure = (
        f"{stops} stops of {min(pauses):.1f} to {max(pauses):.1f} s, {len(takeovers)} take-overs, the slowest {slowest:.1f} s"
        f"{'' if under_load else ' (the feed had ended before the last stop)'}"
    )
    bar = f"new owner <= session ({SESSION_SECONDS:.0f} s) + 6 s"
    proven(
        TEST_ID, books, figure, bar, holds=bool(takeovers) and slowest <= TAKEOVER_SECONDS_MAX, seed=seed, began=began
    )
