"""A closed day in pieces: the same books as in one, wherever it dies between two of them; and how fast it is with a million members."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from laurel_contracts.activities import SurveyAnswered
from laurel_contracts.decisions import StandingOverridden
from laurel_kit.hearing import Heard, RawRecord
from laurel_kit.reading import Applier
from tests.integration.tier_svc.histories import member
from tests.integration.tier_svc.world import Log, NewWorld, World, purchase, refund
from tests.unit.tier_svc.domain.ladders import reference_document, short_document
from tier_svc.config import PIECE_MEMBERS_MAX
from tier_svc.consumer import LISTENS_TO
from tier_svc.handlers.close_ahead import close_ahead
from tier_svc.main import skip_number
from tier_svc.store import TierStore

START = datetime(2018, 1, 1, 3, tzinfo=UTC)
MEMBERS = 40
Piece = Callable[[Mapping[str, Sequence[Heard]], TierStore], Awaitable[bool]]


class Killed(Exception):
    """The process dies here."""


def in_pieces(world: World, ahead: Piece) -> None:
    """From now on days are closed in pieces."""
    world.applier = Applier(
        world.database, group="tier-svc", listens_to=LISTENS_TO, open_store=world.open_store, skip_number=skip_number, ahead=ahead
    )  # fmt: skip


def history() -> tuple[Log, dict[int, int]]:
    """Everybody reaches something on the first day; then days close, some two in one batch with activities around them. How many records
    of each partition the first day has."""
    log = Log("Asia/Shanghai", 3)
    log.activate(short_document())
    for number in range(1, MEMBERS + 1):
        log.tell(member(number), purchase(f"o{number}", 20_000 + 1_000 * (number % 20)), START)
    vip = StandingOverridden(
        tier="diamond", since=START, until=START + timedelta(days=20), mode="floor", reason="r", actor="a"
    )
    for number in (3, 4, 5):
        log.tell(member(number), vip, START + timedelta(hours=1))
    first = {partition: len(records) for partition, records in log.records.items()}
    for day in (15, 31, 32, 60, 61):
        log.tell(member(day % MEMBERS + 1), SurveyAnswered(survey_id=f"s{day}", score=5), START + timedelta(days=day))
        log.tell(member(7), refund("o7", f"f{day}", 1_000), START + timedelta(days=day))
        log.close_day(log.calendar.start_of(log.calendar.day_of(START + timedelta(days=day))))
        log.tell(member(day % 5 + 1), purchase(f"p{day}", 3_000), START + timedelta(days=day, hours=2))
    return log, first


def batches(log: Log, first: dict[int, int], size: int) -> Iterator[list[RawRecord]]:
    """The first day at once, then so many records of each partition at a time."""
    yield [record for partition, records in log.records.items() for record in records[: first[partition]]]
    rest = {partition: records[first[partition] :] for partition, records in log.records.items()}
    for place in range(0, max(map(len, rest.values())), size):
        yield [record for records in rest.values() for record in records[place : place + size]]


@pytest.mark.parametrize(("cut", "most"), [(1, 1), (1, 7), (1_000, 1), (1_000, 5), (9, 3)])
async def test_a_day_in_pieces_is_the_same_day(new_world: NewWorld, cut: int, most: int) -> None:
    """INVARIANT: closing ahead changes nothing but how much one transaction holds.

    Judging ahead a member of whom the same batch tells something would break it: his refund of the morning would come too late."""
    (log, first), whole, pieces = history(), await new_world(), await new_world()
    await whole.drink(log, 1)
    asked = 0

    async def ahead(heard: Mapping[str, Sequence[Heard]], store: TierStore) -> bool:
        nonlocal asked
        asked += 1
        return await close_ahead(heard, store, most)

    in_pieces(pieces, ahead)
    await pieces.drink_in(batches(log, first, cut))
    assert asked > 5
    assert await pieces.dump() == await whole.dump()
    said = [sorted((row.event_id, row.body) for row in await world.said()) for world in (whole, pieces)]
    assert said[0] == said[1]


async def test_whoever_dies_between_two_pieces_goes_on_with_what_is_left(new_world: NewWorld) -> None:
    """INVARIANT: no member is lost half-way and none is judged twice, wherever the process dies; no mark is ahead of a fact.

    A piece that remembered where it was by anything but the members themselves would break it."""
    (log, first), whole, killed = history(), await new_world(), await new_world()
    await whole.drink(log, 1)
    deaths, done = 0, 0

    async def ahead(heard: Mapping[str, Sequence[Heard]], store: TierStore) -> bool:
        nonlocal deaths, done
        more = await close_ahead(heard, store, 3)
        done += 1
        if more and done % 3 == 1:
            deaths += 1
            raise Killed  # with the transaction: this piece has not happened
        if more and done % 3 == 2:
            store.tx.after_commit(_die)  # behind the commit: this piece has happened, the next has not
        return more

    def _die() -> None:
        nonlocal deaths
        deaths += 1
        raise Killed

    in_pieces(killed, ahead)
    for number, batch in enumerate(batches(log, first, 1_000)):
        while True:
            try:
                await killed.applier.apply(batch)
                break
            except Killed:
                assert len(await killed.said("laurel.activities.assessed.v1")) == 3 * number
    assert deaths > 5
    assert await killed.dump() == await whole.dump()
    facts = [row.event_id for row in await killed.said()]
    assert len(facts) == len(set(facts)) == len(await whole.said())


SEED_MEMBERS = """
INSERT INTO member (member_id, partition, last_seq, clock, tier, since, until, held_since, decided_on, ordinal, as_of, gauged_by,
                    spend_total, largest_order, growth_total, windows, joined_on, wakes_at)
SELECT gen_random_uuid(), n % 16, 1, $1::timestamptz, 'gold', $1, $1 + make_interval(days => 364 + n / 16 % 10), $2::date, $2, 1, $2, 1,
       150000, 150000, 1500, '{150000}', $2, $1 + make_interval(days => 364 + n / 16 % 10)
FROM generate_series(1, $3::integer) AS n
"""
SEED_DAYS = """
INSERT INTO member_day (member_id, day, spend_minor, orders, growth, complaints, active)
SELECT member_id, as_of, 150000, 1, 1500, 0, true FROM member
"""
SEED_ORDERS = """
INSERT INTO purchase (member_id, seq, order_id, time, day, clock, amount_minor, left_minor, left_qualifying_minor, unallocated_minor)
SELECT member_id, 1, 'o-' || member_id, clock, as_of, clock, 150000, 150000, 150000, 0 FROM member
"""


@pytest.mark.long
@pytest.mark.parametrize("members", [1_000_000])
async def test_a_day_over_a_million_members(new_world: NewWorld, members: int) -> None:
    """`day.closed` in 16 partitions, a tenth of the members have a period end that day."""

    world, log = await new_world(reference_document()), Log("Asia/Shanghai", 16)
    log.activate(reference_document())
    await world.drink(log)
    since = log.calendar.start_of(log.calendar.day_of(START))
    seeding = await asyncpg.connect(world.database.dsn)  # beside the pool, whose statements may not take that long
    await seeding.execute(SEED_MEMBERS, since, log.calendar.day_of(since), members)
    for statement in (SEED_DAYS, SEED_ORDERS, "ANALYZE member", "ANALYZE member_day", "ANALYZE purchase"):
        await seeding.execute(statement)
    await seeding.close()
    in_pieces(world, partial(close_ahead, most=PIECE_MEMBERS_MAX))
    log.close_day(since + timedelta(days=364))
    began = time.perf_counter()
    await world.drink_in(log.cut(1, start=1))
    seconds = time.perf_counter() - began
    kinds = await world.rows("SELECT kind, count(*) AS facts FROM standing GROUP BY kind")
    ends = sum(row.facts for row in kinds)
    sys.stderr.write(
        f"\nday.closed, {members:,} members: {ends:,} ends in {seconds:.1f} s, {ends / seconds:,.0f} ends/s, "
        f"{4 * ends / seconds:,.0f} rows/s\n"  # of each end: the member, the end as judged, the way, the fact
    )
    left: Any = await world.rows(
        "SELECT count(*) AS due FROM member WHERE wakes_at <= :as_of", as_of=since + timedelta(days=364)
    )
    assert (ends, left[0].due) == (members // 10, 0)
