"""The wires between the services and Kafka, and between a service and its database, are cut or swallow everything.

INVARIANT: whichever wire is gone, however long, in whichever way, everything goes on by itself within half a minute after it is whole
again, with nothing lost and nothing twice. What would break it: a client that waits for ever for an answer, a pool that keeps dead
connections, a pause that grows without a limit, a producer that is kept after an error.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict

import pytest

from laurel_cli.services import SERVICE_NAMES
from tests.fault.nightly import databases
from tests.fault.nightly.cut_off import Wires, open_shop_behind_proxies
from tests.fault.nightly.feeding import Feed, story
from tests.fault.nightly.proving import books_of, proven, world_of
from tests.fault.report import seed_of, sized
from tests.support.lives import quick_sessions
from tests.support.shop import Deadline, Shop, reference

TEST_ID = "T-K35"
FAULTS = 100
FAULT_SECONDS = (1.0, 60.0)
RECOVERY_SECONDS_MAX = 30.0
WAIT_SECONDS_MAX = 120.0
PARTITIONS = 4
PACE = 30.0
READ = "SELECT coalesce(sum(next_offset), 0) FROM consumer_cursor WHERE topic = 'activities'"
TAKEN = "SELECT count(*) FROM activity"
SAID = "SELECT coalesce(sum(next_offset), 0) FROM said WHERE topic = 'activities'"


def positions(shop: Shop) -> dict[str, int]:
    """How far everybody has come, asked of PostgreSQL itself and not through the wires."""
    found = {name: databases.as_owner(shop, name, READ)[0][0] for name in SERVICE_NAMES if name != "member-svc"}
    found["the door"] = databases.as_owner(shop, "member-svc", TAKEN)[0][0]
    found["the relay"] = databases.as_owner(shop, "member-svc", SAID)[0][0]
    return {name: int(position) for name, position in found.items()}


def break_and_heal(wires: Wires, wire: str, how: str, seconds: float) -> None:
    proxy = wires.proxies[wire]
    (proxy.cut if how == "cut" else proxy.freeze)()
    end = Deadline(seconds)
    while not end.passed():
        end.wait(min(0.2, seconds))
    if how == "frozen":
        proxy.cut_connections()  # what stood in the wire is lost, as it is when a network comes back
    proxy.heal()


def recovery_seconds(shop: Shop, feed: Feed) -> tuple[float, str]:
    """How long until everybody moves again, and who was the last."""
    at, began, until = positions(shop), time.monotonic(), Deadline(WAIT_SECONDS_MAX)
    waiting, last = set(at), ""
    while waiting and feed.going_on and not until.passed():
        now = positions(shop)
        for name in sorted(waiting):
            if now[name] > at[name]:
                waiting.discard(name)
                last = name
        until.wait(0.1)
    return time.monotonic() - began, ", ".join(sorted(waiting)) if waiting and feed.going_on else last


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_wires_that_are_cut_or_swallow_everything_cost_half_a_minute_at_most() -> None:
    """T-K35: 100 cuts and freezes of 1 to 60 s between the services and Kafka, and between a service and its database."""
    faults, seed, began = sized(FAULTS, 4), seed_of(TEST_ID, 35), time.monotonic()
    rng = random.Random(seed)
    kinds = [(wire, how) for how in ("cut", "frozen") for wire in ("kafka", *SERVICE_NAMES)]
    plan = [(*kinds[n % len(kinds)], rng.uniform(*FAULT_SECONDS)) for n in range(faults)]
    rng.shuffle(plan)
    told = story(round((sum(seconds for *_, seconds in plan) + 20 * faults) * PACE), seed)
    world = world_of(told)
    took: dict[str, float] = defaultdict(float)
    worst = (0.0, "")
    with quick_sessions(), open_shop_behind_proxies(reference(), partitions=PARTITIONS) as (shop, wires):
        with Feed(shop, told, pace=PACE) as feed:
            for wire, how, seconds in plan:
                break_and_heal(wires, wire, how, seconds)
                recovered, last = recovery_seconds(shop, feed)
                took[f"{wire} {how}"] = max(took[f"{wire} {how}"], recovered)
                worst = max(worst, (recovered, f"{wire} {how} {seconds:.0f} s, last {last}"))
            under_load = feed.going_on
        books = books_of(shop, told, world)
    figure = (
        f"{faults} faults, everybody went on after at most {worst[0]:.1f} s ({worst[1]}); by kind"
        f" {', '.join(f'{kind} {value:.1f}' for kind, value in sorted(took.items()))}"
        f"{'' if under_load else ' (the feed had ended before the last fault)'}"
    )
    bar = "recovers <= 30 s after heal"
    proven(TEST_ID, books, figure, bar, holds=worst[0] <= RECOVERY_SECONDS_MAX, seed=seed, began=began)
