"""SIGTERM of each service while the whole shop works.

INVARIANT: a service that is asked to end does so with 0 within ten seconds, and what it has said is not said again by the next one. What
would break it: a request that keeps the process, a relay that ends before its acknowledged rows are deleted, a batch that is cut off.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from laurel_cli.services import SERVICE_NAMES
from laurel_cli.stack import processes
from tests.fault.nightly.feeding import Feed, story
from tests.fault.nightly.proving import books_of, proven, world_of
from tests.fault.report import seed_of, sized
from tests.support.shop import Deadline, Shop, open_shop, reference

TEST_ID = "T-K32"
STOPS = 50
STOP_SECONDS_MAX = 10.0
PACE = 60.0


def ask_to_end(shop: Shop, name: str) -> tuple[int | None, float]:
    """SIGTERM; the exit code (None: not in time) and how long it took."""
    pid = shop.stack.pids()[name]
    child, began = processes._children[pid], time.monotonic()
    os.kill(pid, signal.SIGTERM)
    try:
        return child.wait(STOP_SECONDS_MAX + 5.0), time.monotonic() - began
    except subprocess.TimeoutExpired:
        return None, time.monotonic() - began


def end_politely(stops: int, seed: int) -> None:
    began, rng = time.monotonic(), random.Random(seed)
    told = story(round(stops * 9 * PACE), seed)
    world = world_of(told)
    codes: list[int | None] = []
    slowest = 0.0
    with open_shop(reference(), partitions=4) as shop:
        with Feed(shop, told, pace=PACE) as feed:
            for stop in range(stops):
                name = SERVICE_NAMES[stop % len(SERVICE_NAMES)]
                moment = Deadline(rng.uniform(0.3, 2.0))
                while not moment.passed():
                    moment.wait(0.05)
                code, seconds = ask_to_end(shop, name)
                codes.append(code)
                slowest = max(slowest, seconds)
                shop.stack.start_service(name)
            under_load = feed.going_on
        books = books_of(shop, told, world)
    again = sum(numbers.repeated for numbers in books.numbers.values())
    figure = (
        f"{stops} stops of four services, exit codes {sorted(set(map(str, codes)))}, the slowest {slowest:.1f} s, said again {again}"
        f"{'' if under_load else ' (the feed had ended before the last stop)'}"
    )
    holds = set(codes) == {0} and slowest <= STOP_SECONDS_MAX and again == 0
    proven(TEST_ID, books, figure, "exit 0 in <= 10 s, said again 0", holds=holds, seed=seed, began=began)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_services_that_are_asked_to_end_under_load_do_so_and_nothing_happens_again() -> None:
    """T-K32: SIGTERM of each of the four services in turn under load, 50 in all."""
    end_politely(sized(STOPS, 5), seed_of(TEST_ID, 32))
