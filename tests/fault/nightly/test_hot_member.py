"""One member who does half of everything.

INVARIANT: a member of thousands of orders is as right as any other, and does not make his partition slow. What would break it: reading
all of a member's past for every batch, an index that does not cover a member's own rows, one update per event in place of one per batch.
"""

from __future__ import annotations

import time

import pytest

from tests.fault.nightly import databases
from tests.fault.nightly.proving import books_of, proven, settle, world_of
from tests.fault.report import sized
from tests.support.reports import purchase_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference

TEST_ID = "T-K34"
EVENTS = 100_000
MEMBERS = 2_000
RATIO_MIN = 0.8
READ = "SELECT coalesce(sum(next_offset), 0) FROM consumer_cursor WHERE topic = 'activities'"
ROUNDS = 4  # uniform, hot, uniform, hot: whatever grows with the database hits both alike
PARTITIONS = 4


def purchases(count: int, start: int, *, hot: bool) -> list[Report]:
    """So many purchases; with `hot`, every second one by one member."""
    told = []
    for n in range(start, start + count):
        member = "card-hot" if hot and n % 2 else f"card-{n % MEMBERS}"
        time_of_it = f"2024-05-{1 + n * 28 // (EVENTS + 1) % 28:02d}T10:00:00+00:00"
        told.append(
            purchase_report("pos/1", f"sale-{n}", time_of_it, member, f"order-{n}", [1000 + n % 900], currency="USD")
        )
    return told


def seconds_of_points(shop: Shop, told: list[Report]) -> float:
    """How long points-svc takes for a backlog that everybody else has done with."""
    shop.stack.stop_service("points-svc")
    shop.report(told)
    shop.settle_without("points-svc", 900.0)
    first, until = read(shop), Deadline(900.0)
    end, began, at = first + len(told), 0.0, first
    shop.stack.start_service("points-svc")
    while at < end:
        assert not until.passed(), f"points-svc stands at {at} of {end}"
        until.wait(0.02)
        if at == first:
            began = time.monotonic()  # a start of the process is no throughput
        at = read(shop)
    seconds = time.monotonic() - began
    settle(shop)
    return seconds


def read(shop: Shop) -> int:
    """How many records of `activities` points-svc has applied."""
    return int(databases.as_owner(shop, "points-svc", READ)[0][0])


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_member_who_does_half_of_everything_is_right_and_not_slow() -> None:
    """T-K34: 50 % of 100,000 events on one key, beside as many spread evenly."""
    each, began = sized(EVENTS, 2_000) // ROUNDS, time.monotonic()
    told: list[Report] = []
    seconds = {True: 0.0, False: 0.0}
    with open_shop(reference(), partitions=PARTITIONS) as shop:
        for part in range(ROUNDS):
            hot = bool(part % 2)
            more = purchases(each, part * each, hot=hot)
            seconds[hot] += seconds_of_points(shop, more)
            told += more
        books = books_of(shop, told, world_of(told))
    ratio = seconds[False] / seconds[True]
    half = len(told) / 2
    figure = (
        f"points-svc: hot {half / seconds[True]:,.0f} events/s, uniform {half / seconds[False]:,.0f}, ratio {ratio:.2f}"
        f" ({half / 2:,.0f} events of one member)"
    )
    proven(TEST_ID, books, figure, f"throughput >= {RATIO_MIN} × uniform", holds=ratio >= RATIO_MIN, began=began)
