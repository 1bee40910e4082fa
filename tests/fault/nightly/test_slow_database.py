"""A database that takes two seconds for every write.

INVARIANT: a consumer that crawls keeps what it has not done on the broker and not in its memory, stays in its group, and catches up.
What would break it: a buffer without a limit, a batch so long that the group gives the consumer up, a watchdog that takes slow for stuck.
"""

from __future__ import annotations

import time

import httpx
import pytest

from tests.fault.nightly import databases
from tests.fault.nightly.beside import progress_at, rss_mib
from tests.fault.nightly.feeding import Feed, story
from tests.fault.nightly.proving import books_of, proven, world_of
from tests.fault.report import seed_of, sized
from tests.support.shop import Deadline, Shop, open_shop, reference

TEST_ID = "T-K28"
SLOW_SECONDS = 600
STATEMENT_SECONDS = 2.0
RSS_MIB_MAX = 64.0
PACE = 60.0
PARTITIONS = 4


def rebalances(shop: Shop) -> float:
    """How often points-svc has had its partitions given to it since it began."""
    text = httpx.get(f"{shop.url('points-svc')}/metrics", timeout=30.0, trust_env=False).text
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("laurel_rebalances_total "))


def behind(shop: Shop) -> int:
    """Records of `activities` that points-svc has not applied."""
    found = progress_at(shop.url("points-svc"))
    assert found is not None, "points-svc does not answer"
    return sum((c["end_offset"] or 0) - c["next_offset"] for c in found["cursors"] if c["topic"] == "activities")


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_consumer_whose_database_crawls_stays_small_and_in_its_group_and_catches_up() -> None:
    """T-K28: every writing statement of points-svc takes 2 s longer, for 10 minutes under load."""
    seconds, seed, began = sized(SLOW_SECONDS, 60), seed_of(TEST_ID, 28), time.monotonic()
    told = story(round((seconds + 30) * PACE), seed)
    world = world_of(told)
    with open_shop(reference(), partitions=PARTITIONS) as shop:
        pid = shop.stack.pids()["points-svc"]
        with Feed(shop, told, pace=PACE) as feed:
            warm = Deadline(20.0)
            while not warm.passed():
                warm.wait(1.0)
            given, small, said = rebalances(shop), rss_mib(pid), feed.said
            databases.slow_down(shop, "points-svc", STATEMENT_SECONDS)
            crawl, largest = Deadline(seconds), 0.0
            while not crawl.passed():
                largest = max(largest, rss_mib(pid))
                crawl.wait(0.5)
            told_meanwhile = feed.said - said
            databases.speed_up(shop, "points-svc")
            backlog, fast_from = behind(shop), time.monotonic()
            rate_in = told_meanwhile / seconds
            caught_up = Deadline(600.0)
            while behind(shop) > PACE and not caught_up.passed():
                caught_up.wait(0.25)
            catch_up = (backlog + rate_in * (time.monotonic() - fast_from)) / (time.monotonic() - fast_from)
        left = rebalances(shop) - given
        same = shop.stack.pids().get("points-svc") == pid
        books = books_of(shop, told, world)
    figure = (
        f"{seconds} s with {STATEMENT_SECONDS:.0f} s per writing statement, {rate_in:.0f} reports/s meanwhile, {backlog:,} records behind:"
        f" RSS {small:.0f} → at most {largest:.0f} MiB, left the group {left:.0f} times, catch-up {catch_up:.0f} records/s"
    )
    holds = largest - small <= RSS_MIB_MAX and left == 0 and same and catch_up >= 2 * rate_in
    proven(
        TEST_ID,
        books,
        figure,
        "RSS <= +64 MiB, no group exit, catch-up >= 2 × input",
        holds=holds,
        seed=seed,
        began=began,
    )
    assert backlog > 0, "points-svc was not slow: this proves nothing"
