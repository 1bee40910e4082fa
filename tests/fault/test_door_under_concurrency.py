"""Eight channels at once report the same facts, in the same and in different requests, and the door is killed in between.

INVARIANT: every fact is accepted exactly once, numbers have no gaps, no two transactions wait for each other for ever.
What would break it: keys claimed in another order by two requests, a number drawn before the claim, an answer before the commit.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import msgspec
import pytest

from laurel_cli.services import Refused, Unreachable
from tests.support.lives import quick_sessions
from tests.support.reports import purchase_report, refund_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference
from tests.support.topics import numbers_of

CLIENTS = 8
SEED = 8


def facts(count: int, members: int) -> list[Report]:
    """So many purchases of so many members, and a refund for every tenth."""
    told: list[Report] = []
    for n in range(count):
        member = f"card-{n % members}"
        time = f"2024-05-{1 + n % 28:02d}T10:00:00+00:00"
        told.append(
            purchase_report(f"pos/{n % 7}", f"sale-{n}", time, member, f"order-{n}", [1000 + n % 900], currency="USD")
        )
        if n % 10 == 0:
            told.append(refund_report("desk", f"back-{n}", time, f"order-{n}", "r", 100))
    return told


def shares(told: list[Report], seed: int) -> list[list[list[bytes]]]:
    """Each client's requests: nearly twice as many reports as facts, shuffled, with twins in one request and in several."""
    rng = random.Random(seed)
    deliveries = [*told, *rng.choices(told, k=len(told) * 85 // 100)]
    twins = [report | {"source": "web", "id": f"web-{report['id']}"} for report in rng.choices(told, k=len(told) // 20)]
    deliveries += [twin for twin in twins if "order_id" in twin["data"] and "lines" in twin["data"]]
    rng.shuffle(deliveries)
    requests = [deliveries[start : start + 100] for start in range(0, len(deliveries), 100)]
    bodies = [[msgspec.json.encode(report) for report in request] for request in requests]
    return [bodies[client::CLIENTS] for client in range(CLIENTS)]


def client(shop: Shop, requests: list[list[bytes]]) -> Counter[str]:
    """One channel: sends its requests one after another, each again until it is answered."""
    door = shop.services.another_door()
    counts: Counter[str] = Counter()
    for bodies in requests:
        until = Deadline(90.0)
        while True:
            try:
                counts.update(door.report(bodies).counts)
            except (Unreachable, Refused) as refused:
                if until.passed() or (isinstance(refused, Refused) and refused.status < 500):
                    raise
                until.wait()
            else:
                break
    return counts


async def deadlocks(url: str) -> int:
    """Deadlocks that PostgreSQL has seen in the door's database."""
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        await connection.close()


def storm(count: int, kills: int) -> None:
    told = facts(count, members=max(20, count // 40))
    with quick_sessions(), open_shop(reference(campaigns=False), partitions=4) as shop:
        done = threading.Event()

        def kill_the_door() -> None:
            for _ in range(kills):
                if done.wait(2.0):
                    return
                shop.stack.kill_service("member-svc")
                shop.stack.start_service("member-svc")

        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            killing = pool.submit(kill_the_door)
            parts = [pool.submit(client, shop, share) for share in shares(told, SEED)]
            counts: Counter[str] = sum((part.result() for part in parts), Counter())
            done.set()
            killing.result()
        shop.rested = False
        shop.settle()
        numbers = numbers_of(shop.stack.kafka_bootstrap, "activities")
        seen = asyncio.run(deadlocks(shop.stack.database_url("member-svc")))
        sys.stdout.write(
            f"\nseed {SEED}: {len(told)} facts, {counts.total()} answers {dict(counts)}, {kills} kills:"
            f" {numbers.messages - numbers.repeated} numbered, {len(numbers.broken)} gaps, {seen} deadlocks\n"
        )
        assert numbers.messages - numbers.repeated == len(told)
        assert numbers.broken == []
        assert seen == 0
        assert counts["refused"] == counts["conflict"] == 0
        earned = sum(item["earned_net"] for item in shop.balances().values())
        assert earned > 0
        assert shop.trial_balance()["sum"] == 0


def test_facts_reported_by_eight_channels_at_once_count_once() -> None:
    storm(3_000, kills=3)


@pytest.mark.long
def test_20_000_facts_reported_by_eight_channels_at_once_count_once() -> None:
    storm(18_182, kills=12)
