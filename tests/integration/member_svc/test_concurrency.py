"""Many requests at once, with twins in the same and in different ones, and connections that die in between: everything is accepted
exactly once, numbers have no gaps, nobody deadlocks (architecture.md 2, "The door's transaction")."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from laurel_kit.failures import Verdict, verdict_of
from tests.integration.member_svc.world import World, named

CLIENTS = 8
FACTS = 20_000
MEMBERS = 400
SECOND_REPORTS = 0.9  # so that some 38,000 reports tell of 20,000 facts
CRASHES = 12

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def facts_of(world: World, rng: random.Random, count: int) -> list[list[dict[str, Any]]]:
    """Facts, each as the reports that tell of it: the same again, or a twin under another id and source."""
    facts: list[dict[str, Any]] = []
    for number in range(count):
        phone = str(rng.randrange(MEMBERS))
        kind = rng.random()
        if kind < 0.6 or not facts:
            facts.append(world.purchase(f"o-{number}", rng.randrange(100, 90_000), 250, phone=phone))
        elif kind < 0.75:
            facts.append(world.refund(f"o-{rng.randrange(number)}", f"r-{number}", 1))
        elif kind < 0.85:
            facts.append(world.report("activity.joined", {"activity_id": f"a-{number}"} | named(phone)))
        elif kind < 0.93:
            facts.append(world.report("complaint.filed", {"complaint_id": f"c-{number}", "kind": "k"} | named(phone)))
        else:
            share = {"share_id": f"s-{number}", "sku": "s", "network": "w"}
            facts.append(world.report("product.shared", share | named(phone)))
    orders = {fact["data"]["order_id"] for fact in facts if fact["type"].endswith("recorded.v1")}
    kept = [fact for fact in facts if not fact["type"].endswith("refunded.v1") or fact["data"]["order_id"] in orders]
    return [[fact, *_again(fact, rng)] for fact in kept]


def _again(fact: dict[str, Any], rng: random.Random) -> list[dict[str, Any]]:
    if rng.random() > SECOND_REPORTS:
        return []
    return [fact if rng.random() < 0.5 else fact | {"id": f"{fact['id']}-twin", "source": "web"}]


async def client(world: World, requests: list[list[dict[str, Any]]], verdicts: list[str]) -> None:
    """Send requests, each until it is answered."""
    while requests:
        request = requests.pop()
        while True:
            try:
                outcomes = await world.take(*request)
            except Exception as error:
                if verdict_of(error) not in (Verdict.INFRASTRUCTURE, Verdict.CONTENTION):
                    raise
                continue
            verdicts += [outcome.outcome for outcome in outcomes]
            break


async def kill_connections(world: World, rng: random.Random) -> int:
    """End sessions in the middle of their work, until the clients are through with it."""
    killed = 0
    try:
        while True:
            await asyncio.sleep(rng.uniform(0.2, 0.6))
            if killed < CRASHES:
                killed += await world.value(
                    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE datname ="
                    " current_database() AND pid <> pg_backend_pid() AND state <> 'idle' ORDER BY random() LIMIT 1) AS one"
                )
    except asyncio.CancelledError:
        return killed


@pytest.mark.timeout(300)
async def test_20000_facts_by_eight_clients_are_accepted_exactly_once(world: World) -> None:
    rng = random.Random(20)
    facts = facts_of(world, rng, FACTS)
    reports = [report for fact in facts for report in fact]
    rng.shuffle(reports)
    requests = []
    while reports:
        size = rng.choice((1, 5, 40, 200))
        requests.append(reports[:size])
        del reports[:size]
    verdicts: list[str] = []
    deadlocks = await world.value(DEADLOCKS)
    killer = asyncio.create_task(kill_connections(world, rng))
    await asyncio.gather(*(client(world, requests, verdicts) for _ in range(CLIENTS)))
    killer.cancel()
    assert await killer >= CRASHES / 2
    assert set(verdicts) <= {"accepted", "duplicate", "waiting"}
    await check(world, len(facts))
    assert await world.value(DEADLOCKS) == deadlocks


async def check(world: World, facts: int) -> None:
    """What must hold whatever happened."""
    assert await world.value("SELECT count(*) FROM activity") == facts
    assert await world.value("SELECT count(*) FROM waiting") == 0
    assert await world.value("SELECT count(*) FROM dead_letter") == 0
    gaps = (
        "SELECT count(*) FROM (SELECT member_id FROM activity GROUP BY 1 HAVING max(member_seq) <> count(*)) AS broken"
    )
    assert await world.value(gaps) == 0
    last = "SELECT count(*) FROM member m WHERE last_seq <> (SELECT count(*) FROM activity a WHERE a.member_id = m.member_id)"
    assert await world.value(last) == 0
    broken_order = """
    SELECT count(*) FROM (SELECT number - lag(number, 1, CAST(0 AS bigint)) OVER (PARTITION BY key ORDER BY id) AS step
                          FROM outbox WHERE key IS NOT NULL) AS steps WHERE step <> 1"""
    assert await world.value(broken_order) == 0
    unused = "SELECT count(*) FROM claim c WHERE NOT EXISTS (SELECT FROM claim a WHERE a.key = c.activity AND a.activity = a.key)"
    assert await world.value(unused) == 0
    stray = "SELECT count(*) FROM identifier i WHERE NOT EXISTS (SELECT FROM member m WHERE m.member_id = i.member_id)"
    assert await world.value(stray) == 0


async def test_one_identifier_in_many_requests_at_once_enrols_one_member(world: World) -> None:
    for round_number in range(10):
        phone = f"new-{round_number}"
        reports = [world.purchase(f"o-{round_number}-{n}", phone=phone) for n in range(CLIENTS)]
        outcomes = await asyncio.gather(*(world.take(report, world.sign_in(phone)) for report in reports))
        assert len({outcome.member_id for (outcome, _) in outcomes}) == 1
        assert sorted(outcome.member_seq for pair in outcomes for outcome in pair if outcome.member_seq) == list(
            range(1, 10)
        )
    assert await world.value("SELECT count(*) FROM member") == 10


async def test_a_refused_enrolment_leaves_the_identifier_to_the_next_one(world: World) -> None:
    """Eight at once; only one of them is right, and which of them comes first must not matter."""
    await world.take(world.purchase("o-1", 500, phone="1"))
    wrong = [world.purchase("o-1", 5, phone="2") for _ in range(CLIENTS - 1)]  # conflicts: they enrol nobody
    outcomes = await asyncio.gather(*(world.take(report) for report in [*wrong, world.purchase("o-2", phone="2")]))
    assert sorted(outcome.outcome for (outcome,) in outcomes) == ["accepted"] + ["conflict"] * (CLIENTS - 1)
    assert await world.value("SELECT count(*) FROM identifier") == 2
    await check_members(world)


async def check_members(world: World) -> None:
    assert await world.value("SELECT count(*) FROM member") == await world.value("SELECT count(*) FROM identifier")
