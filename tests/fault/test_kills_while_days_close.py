"""tier-svc dies between two pieces of a closed day and on the way into a new programme version, at every boundary there is.

INVARIANT: no member is lost half-way and none is judged twice, wherever the process dies: what is kept and what is said is, byte for
byte, what a process comes to that reads the same log undisturbed. What would break it: a piece that remembers where it was by anything but
the members themselves, a version that is switched on apart from the cursor, a fact that is said and not kept."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import asyncpg
import pytest

from laurel_cli.services import Refused, Unreachable
from laurel_cli.settling import obstacles
from laurel_contracts import programme as documents
from laurel_kit.postgres import Database
from tests.fault.report import record
from tests.support.lives import Lives, quick_sessions
from tests.support.reports import purchase_report, refund_report
from tests.support.shop import Deadline, Report, Shop, open_shop, short
from tests.support.topics import numbers_of, records_of
from tier_svc.store.dump import canonical_dump

pytestmark = [pytest.mark.fault, pytest.mark.long]

SERVICE = "tier-svc"
START = datetime(2024, 3, 1, 17, tzinfo=UTC)
FROM_THEN = "2024-03-20T00:00:00-04:00"  # version 2, before the first period ends
LATER = datetime(2024, 5, 20, 12, tzinfo=UTC)
MEMBERS, PARTITIONS, PIECE = 20, 2, 3
READ_SECONDS_MAX = 60.0
# Where it dies, in turn: the second time a piece (or a batch) is written and not committed, and behind the first commit that a life makes
# over records (the three before it are those of its start). So each life leaves one more piece behind it.
PLACES = (("C5", 2), ("C8", 4))

EMPTY = """
DO $$
DECLARE place regclass;
BEGIN
  FOR place IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
               AND relname NOT IN ('alembic_version', 'programme') LOOP
    EXECUTE format('DELETE FROM %s', place);
  END LOOP;
END $$
"""


def version_2() -> dict[str, Any]:
    """Gold and diamond ask for more, and what is not kept falls one step."""
    words = short() | {"version": 2}
    words["tiers"] = dict(words["tiers"], on_lapse="one_step", grace_days=2)
    for tier in words["tiers"]["ladder"][2:]:
        tier["reach"][1]["at_least"] = tier["keep"][0]["at_least"] = 2 * tier["reach"][1]["at_least"]
    return words


def bought(day: str, numbers: range, amount: int) -> list[Report]:
    """One purchase each, of an amount that grows with the member's number."""
    return [
        purchase_report(
            "pos", f"{day}-{n}", f"{day}T15:00:00+00:00", f"{n}", f"o-{day}-{n}", [amount + 1_500 * n], currency="USD"
        )
        for n in numbers
    ]


@contextmanager
def small_steps() -> Iterator[None]:
    """A batch of one record and pieces of a few members, in the lives that begin within."""
    steps = {"LAUREL_BATCH_RECORDS_MAX": "1", "LAUREL_PIECE_MEMBERS_MAX": str(PIECE)}
    os.environ.update(steps)
    try:
        yield
    finally:
        for name in steps:
            del os.environ[name]


def move_clock(shop: Shop, at: datetime) -> None:
    """The business clock of the others goes on; tier-svc stays dead."""
    for name in ("campaign-svc", "points-svc", "member-svc"):
        shop.stack.stop_service(name)
    shop.stack.up(without={"prometheus", SERVICE}, clock=at.isoformat())


def tell_while_dead(shop: Shop) -> None:
    """A new version, two closed days with many ends due, and between them purchases and refunds that move some members first."""
    words = documents.parse(version_2())
    for service in shop.services.all:
        service.put_programme(2, documents.canonical(words))
    until = Deadline(30.0)
    while shop.services.tier.progress()["outbox_rows"]:  # that it has loaded it
        assert not until.passed()
        until.wait()
    shop.stack.kill_service(SERVICE)
    shop.activate(2, FROM_THEN)
    move_clock(shop, LATER)
    shop.report(bought("2024-03-25", range(3, 4), 21_000))
    shop.services.member.close_day("2024-04-05")
    shop.report([refund_report("desk", "r-1", "2024-04-06T10:00:00+00:00", "o-2024-03-25-3", "r-1", 20_000)])
    shop.report(bought("2024-04-06", range(10, 11), 4_000))
    shop.services.member.close_day("2024-05-15")


def has_read_all(shop: Shop) -> bool:
    """Whether tier-svc has come to the end of the log and said everything; False where it does not answer."""
    try:
        return not obstacles([shop.services.tier.progress()])
    except (Unreachable, Refused):
        return False


def killed_until_done(shop: Shop) -> dict[str, int]:
    """Life after life that ends at one of the places, until one lasts to the end of the log. How many have ended where."""
    lives, deaths = Lives(shop, SERVICE), dict.fromkeys((point for point, _ in PLACES), 0)
    with small_steps():
        for point, nth in cycle(PLACES):
            lives.begin(point, nth)
            until = Deadline(READ_SECONDS_MAX)
            while not (over := lives.is_over()) and not has_read_all(shop):
                assert not until.passed(), f"{SERVICE} neither dies at {point} nor comes to the end"
                until.wait()
            if not over:
                break
            deaths[point] += 1
    return deaths


async def books(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    """All that tier-svc has decided."""
    database = Database(shop.stack.database_url(SERVICE), application_name="looking", pool_size=1)
    try:
        async with database.reading() as tx:
            return await canonical_dump(tx)
    finally:
        await database.close()


async def emptied(shop: Shop) -> None:
    """As if it had never read anything; what was loaded stays."""
    connection = await asyncpg.connect(shop.stack.database_url(SERVICE))
    try:
        await connection.execute(EMPTY)
    finally:
        await connection.close()


def facts(shop: Shop, after: dict[int, int]) -> dict[str, bytes]:
    """The standing facts on the topic, by id, from an offset of each partition on; `after` is moved to its end."""
    found, beginning = {}, dict(after)
    for each in records_of(shop.stack.kafka_bootstrap, "tiers"):
        headers = dict(each.headers)
        if headers["ce_type"] == b"laurel.standing.changed.v1" and each.offset >= beginning.get(each.partition, 0):
            found[headers["ce_id"].decode()] = each.value
        after[each.partition] = max(after.get(each.partition, 0), each.offset + 1)
    return found


def read_anew(shop: Shop) -> None:
    """One undisturbed life over the whole log, in batches and pieces of the usual size."""
    shop.stack.kill_service(SERVICE)
    asyncio.run(emptied(shop))
    shop.stack.start_service(SERVICE)
    until = Deadline(READ_SECONDS_MAX)
    while not has_read_all(shop):
        assert not until.passed(), "it does not come to the end"
        until.wait()


def test_killed_at_every_boundary_of_days_and_of_a_version_it_comes_to_the_same() -> None:
    """T-K06: tier-svc dies at each piece of two closed days and at each record of a programme change, before and behind the commit; kept
    and said is what an undisturbed reading of the same log gives."""
    began, said_to = time.monotonic(), dict[int, int]()
    with quick_sessions(), open_shop(short(), partitions=PARTITIONS, clock=START.isoformat()) as shop:
        shop.report(bought("2024-03-01", range(MEMBERS), 3_000))
        shop.settle()
        tell_while_dead(shop)
        deaths = killed_until_done(shop)
        kept, said = asyncio.run(books(shop)), facts(shop, said_to)
        differing = numbers_of(shop.stack.kafka_bootstrap, "tiers").broken
        read_anew(shop)
        undisturbed, said_anew = asyncio.run(books(shop)), facts(shop, said_to)
        differing += [table for table in kept if kept[table] != undisturbed[table]]
        differing += ["what is said"] * (said != said_anew or len(said) != len(kept["standing"]))
    ends = sum(row["kind"] in ("kept", "lapsed") for row in undisturbed["standing"])
    versions = {row["version"] for row in undisturbed["standing"]}
    held = (
        not differing
        and sum(deaths.values()) >= ends // PIECE
        and min(deaths.values()) > 0
        and ends > MEMBERS
        and versions == {1, 2}
    )
    figure = (
        f"{MEMBERS} members, {ends} ends in two days and two versions, pieces of {PIECE}: died "
        f"{' and '.join(f'{count} times at {point}' for point, count in deaths.items())}; {len(differing)} differences"
    )
    record("T-K06", figure, "0 differences", held, None, time.monotonic() - began)
    assert held, (figure, differing[:5], versions)
