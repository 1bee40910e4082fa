"""What the whole chain costs: real baskets from HTTP to settled status, CPU by process, memory, events per second.

`python -m tests.bench.whole_chain [--baskets N] [--turns N] [--json]`. Wall-clock figures depend on the machine; CPU per event is
steadier, and steadier still as the median of several turns, each of which is settled before the next begins."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import psutil

from laurel_cli.services import SERVICE_NAMES
from tests.support.complete_journey import CURRENCY, Basket, all_baskets
from tests.support.reports import purchase_report
from tests.support.shop import REPORTS_PER_REQUEST, Shop, open_shop, reference

LANES = 4  # one request in flight each, members spread by number
PARTS = (*SERVICE_NAMES, "kafka", "postgres")


def lanes(baskets: Sequence[Basket]) -> list[list[bytes]]:
    """The baskets as encoded reports, a member always in the same lane."""
    told: list[list[bytes]] = [[] for _ in range(LANES)]
    for basket in baskets:
        report = purchase_report(
            f"pos/{basket.store_id}",
            f"b-{basket.basket_id}",
            basket.time.isoformat(),
            str(basket.household_id),
            str(basket.basket_id),
            basket.lines,
            currency=CURRENCY,
        )
        told[basket.household_id % LANES].append(msgspec.json.encode(report))
    return told


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all its children, ended ones included."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    ended = process.cpu_times()
    return float(total + ended.children_user + ended.children_system)


def memory_mib(pid: int) -> float:
    """Resident memory of a process and its children; shared pages are counted once (PSS where the system tells it)."""
    process = psutil.Process(pid)
    total = 0
    for one in (process, *process.children(recursive=True)):
        info = one.memory_full_info()
        total += getattr(info, "pss", info.rss)
    return total / 2**20


@dataclass(frozen=True, slots=True)
class Turn:
    """One part of the baskets, from the first request until everything has settled. CPU in µs per event."""

    at_the_door_per_second: float
    settled_per_second: float
    cpu_us: dict[str, float]
    client_us: float

    @property
    def python_us(self) -> float:
        return sum(self.cpu_us[name] for name in SERVICE_NAMES)


def measure(count: int, turns: int = 1) -> dict[str, Any]:
    """Import so many baskets in so many equal turns, and wait after each until everything has settled; medians of the turns."""
    if turns > count:
        raise ValueError(f"{turns} turns of {count} baskets")
    size = count // turns
    parts = [lanes(all_baskets()[start : start + size]) for start in range(0, size * turns, size)]
    with open_shop(reference()) as shop:
        took = [_turn(shop, told) for told in parts]
        memory = {part: memory_mib(pid) for part, pid in shop.stack.pids().items() if part in PARTS}
        assert shop.trial_balance()["sum"] == 0
        earned = sum(item["earned_net"] for item in shop.services.points.balances())
    return {
        "baskets": size * turns,
        "turns": turns,
        "events_per_second_at_the_door": round(statistics.median(turn.at_the_door_per_second for turn in took)),
        "events_per_second_settled": round(statistics.median(turn.settled_per_second for turn in took)),
        "points_earned": earned,
        "cpu_us_per_event": {part: round(statistics.median(turn.cpu_us[part] for turn in took), 1) for part in PARTS},
        "python_us_per_event": round(statistics.median(turn.python_us for turn in took), 1),
        "python_us_of_all": round(statistics.fmean(turn.python_us for turn in took), 1),
        "python_us_of_each": [round(turn.python_us, 1) for turn in took],
        "client_us_per_event": round(statistics.median(turn.client_us for turn in took), 1),
        "memory_mib": {part: round(memory[part]) for part in PARTS},
    }


def _turn(shop: Shop, told: list[list[bytes]]) -> Turn:
    count, pids = sum(map(len, told)), shop.stack.pids()
    before, client, began = {part: cpu_seconds(pids[part]) for part in PARTS}, time.process_time(), time.monotonic()
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lambda lane: send(shop, lane), told))
    at_the_door = time.monotonic() - began
    shop.rested = False
    shop.settle()
    settled = time.monotonic() - began
    client = time.process_time() - client
    spent = {part: cpu_seconds(pids[part]) - before[part] for part in PARTS}
    cpu_us = {part: seconds / count * 1e6 for part, seconds in spent.items()}
    return Turn(count / at_the_door, count / settled, cpu_us, client / count * 1e6)


def send(shop: Shop, bodies: list[bytes]) -> None:
    door = shop.services.another_door()
    for start in range(0, len(bodies), REPORTS_PER_REQUEST):
        door.report(bodies[start : start + REPORTS_PER_REQUEST])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baskets", type=int, default=155_848, help="how many, in stream order (default: all)")
    parser.add_argument(
        "--turns", type=int, default=1, help="in how many parts, each settled before the next (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    arguments = parser.parse_args()
    figures = measure(arguments.baskets, arguments.turns)
    if arguments.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return 0
    say = sys.stdout.write
    say(f"{figures['baskets']:,} baskets: {figures['events_per_second_at_the_door']:,}/s at the door, ")
    say(f"{figures['events_per_second_settled']:,}/s from HTTP to settled, {figures['points_earned']:,} points\n")
    say(f"{'part':14}{'CPU µs per event':>18}{'memory MiB':>13}\n")
    for part in PARTS:
        say(f"{part:14}{figures['cpu_us_per_event'][part]:>18}{figures['memory_mib'][part]:>13}\n")
    say(
        f"Python of the four services {figures['python_us_per_event']} µs per event, the client {figures['client_us_per_event']}\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
