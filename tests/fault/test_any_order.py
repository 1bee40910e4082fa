"""The same reports in any order of arrival leave a member with the same points.

INVARIANT: with one tier and without caps (otherwise the order of a stream matters, by design) posted and debt are the same for every
permutation of purchases, refunds and late reports; where the order is kept, the lots are the same too. What would break it: a refund that
takes back what the order earned at another moment, rounding at each step, debt that is repaid by some of what comes and not by the rest."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.fault.report import record, seed_of, sized
from tests.fault.test_facts_of_two_channels import told_by_several
from tests.support.reports import purchase_report, refund_report
from tests.support.shop import Report, Shop, open_shop, reference

SEED = seed_of("T-K17", 17)
HISTORIES = 20
SAME_ORDER = 5  # members of each history who get its reports in one and the same order
BASE_MINOR = 20_000
CLIENTS = 4  # requests in flight

ACCOUNTS = "SELECT member_id, posted, debt FROM account"
LOTS = "SELECT member_id, earned_at, expires_at, granted, remaining FROM lot ORDER BY member_id, earned_at, granted"


def one_tier() -> dict[str, Any]:
    """The reference programme with its lowest tier alone, and without campaigns."""
    document = reference(campaigns=False)
    document["tiers"] = dict(document["tiers"], ladder=document["tiers"]["ladder"][:1])
    return document


def at(days_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()


def base(name: str) -> Report:
    """A first order: it may be spent before the rest comes, and is refunded somewhere in the rest."""
    return purchase_report("pos", f"base-{name}", at(20), name, f"base-{name}", [BASE_MINOR], currency="USD")


def history(number: int, name: str) -> list[Report]:
    """Purchases, refunds of them and of the base, of random amounts and days; together no refunds exceed their order."""
    chance = random.Random(f"{SEED}:{number}")
    owes = number % 4 == 0  # what is bought in all is less than the base that was spent and is refunded whole
    told: list[Report] = []
    for place in range(3):
        amount, order = chance.randint(1_000, 6_000 if owes else 30_000), f"o{place}-{name}"
        when = at(chance.uniform(1, 15))
        told.append(purchase_report("pos", f"buy-{order}", when, name, order, [amount], currency="USD"))
        if place:
            part = chance.randint(1, amount // 2)
            told.append(refund_report("desk", f"back-{order}", at(chance.uniform(0, 15)), order, "r", part))
    told.append(
        refund_report("desk", f"back-base-{name}", at(0.5), f"base-{name}", "r", chance.choice([BASE_MINOR, 7_777]))
    )
    return told


def permuted(reports: Sequence[Report], number: int, place: int) -> list[Report]:
    """The reports in the order of this member; the first of each history share one."""
    order = list(range(len(reports)))
    if place >= SAME_ORDER:
        random.Random(f"{SEED}:{number}:{place}").shuffle(order)
    return [reports[index] for index in order]


def merged(streams: Sequence[Sequence[Report]]) -> list[Report]:
    """All members' reports mixed by chance, each member's in his own order."""
    chance = random.Random(SEED)
    turns = [member for member, stream in enumerate(streams) for _ in stream]
    chance.shuffle(turns)
    places = [iter(stream) for stream in streams]
    return [next(places[member]) for member in turns]


def register(shop: Shop, names: Sequence[str]) -> None:
    """Who spends must be registered."""

    def one(name: str) -> int:
        body = {"identifiers": [{"kind": "card", "value": name}], "time": at(21)}
        return client.post("/v1/members", json=body).status_code

    with ThreadPoolExecutor(CLIENTS) as pool, httpx.Client(base_url=shop.url("member-svc"), timeout=30.0) as client:
        assert {status // 100 for status in pool.map(one, names)} == {2}


def spend_it(shop: Shop, members: Sequence[UUID]) -> None:
    """Their base is spent, so that its refund becomes debt."""

    def one(member: UUID) -> int:
        headers = {"Idempotency-Key": f"spend-the-base-{member}"}
        return client.post(f"/v1/members/{member}/spendings", json={"points": points}, headers=headers).status_code

    points = BASE_MINOR // 100
    with ThreadPoolExecutor(CLIENTS) as pool, httpx.Client(base_url=shop.url("points-svc"), timeout=30.0) as client:
        assert set(pool.map(one, members)) == {201}


async def rows(url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def in_any_order(permutations: int) -> None:
    began = time.monotonic()
    names = [[f"h{number}-p{place}" for place in range(permutations)] for number in range(HISTORIES)]
    streams = [
        permuted(history(number, name), number, place)
        for number, ours in enumerate(names)
        for place, name in enumerate(ours)
    ]
    with open_shop(one_tier(), partitions=4) as shop:
        everybody = [name for ours in names for name in ours]
        spenders = [name for ours in names[::2] for name in ours]
        register(shop, spenders)
        told_by_several(shop, [base(name) for name in everybody])
        shop.settle()
        member_of = {name: member for member, name in shop.members().items()}
        spend_it(shop, [member_of[name] for name in spenders])
        shop.report(merged(streams))
        shop.settle()
        url = shop.stack.database_url("points-svc")
        worth = {row["member_id"]: (row["posted"], row["debt"]) for row in asyncio.run(rows(url, ACCOUNTS))}
        lots: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
        for row in asyncio.run(rows(url, LOTS)):
            lots[row["member_id"]].append((row["granted"], row["remaining"]))
        invariants = shop.trial_balance()["invariants"]
        counts = dict(shop.counts)
    ends = [{worth[member_of[name]] for name in ours} for ours in names]
    kept = [{tuple(lots[member_of[name]]) for name in ours[:SAME_ORDER]} for ours in names]
    orders_seen = len({tuple(report["id"].split("-h")[0] for report in stream) for stream in streams})
    different = sum(len(end) > 1 for end in ends) + sum(len(same) > 1 for same in kept)
    in_debt = sum(debt > 0 for end in ends for _, debt in end)
    figure = (
        f"{len(everybody):,} members, {HISTORIES} histories × {permutations} permutations ({orders_seen:,} distinct orders,"
        f" {in_debt} histories end in debt): {different} differ"
    )
    held = not different and not any(invariants.values())
    record("T-K17", figure, "(posted, debt) identical; order kept: lots too", held, SEED, time.monotonic() - began)
    assert [end for end in ends if len(end) > 1] == []
    assert [same for same in kept if len(same) > 1] == []
    assert not any(invariants.values())
    assert counts.keys() <= {"accepted", "waiting"}
    assert in_debt, "no history ends in debt: half of the promise was not looked at"


@pytest.mark.fault
@pytest.mark.long
def test_any_order_of_arrival_ends_alike() -> None:
    """T-K17: 50 permutations of each of 20 histories, a member for every one, through the real stack."""
    in_any_order(50)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_orders_of_arrival_end_alike() -> None:
    """T-K17: 1,000 permutations of each of 20 histories."""
    in_any_order(sized(1_000))
