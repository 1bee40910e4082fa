"""Where a reader begins is decided by its own database and by nobody else.

INVARIANT: the accepted batches of a lane form one unbroken chain: no cursor moves back, none begins where it did not end.
What would break it: believing Kafka's committed offset, acting in the rebalance listener, or a batch that is applied without comparing its
start with the cursor under the lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any

import pytest
from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.engine import make_url

from laurel_cli.stack import Stack
from laurel_kit import reading
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from points_svc.consumer import LISTENS_TO
from tests.fault.loop.broker import committed, ends_of, force_committed, forget_group
from tests.fault.loop.observer import broken_moves, count_moves, one, positions
from tests.fault.loop.points import GROUP as POINTS_GROUP
from tests.fault.loop.points import HEARD as ACTIVITIES
from tests.fault.loop.points import Points, Sales
from tests.fault.loop.toys import HeldBatch, NotingKafka, NotingToy, lane_of, lanes_in, running, toy_reader
from tests.fault.report import record
from tests.integration.kit.toy import GROUP, HEARD, applier
from tests.integration.kit.toy_kafka import PARTITIONS, produce, until

pytestmark = pytest.mark.fault

IN_DATABASE, IN_KAFKA, RECORDS = 200, 800, 1_000


async def test_t_k10_a_batch_held_over_two_rebalances_is_refused_and_no_cursor_moves_back(
    points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-K10: A fetches, B gets some of the lanes and goes on, A gets them back and only now comes with its old batch.
    What would break it: a batch that is applied because it was once fetched rightly."""
    monkeypatch.setattr(reading, "DRAIN_SECONDS_MAX", 0.2)  # A is not waited for: it is as good as stopped
    began, sales = monotonic(), Sales(members=40)
    other = Database(points.url, application_name=POINTS_GROUP)
    a, b = points.reader(), points.reader(database=other)
    held = HeldBatch(a)
    await produce(points.bootstrap, sales.some(400))

    async def b_is_ahead() -> bool:
        at = await positions(points.database, ACTIVITIES)
        return sum(at.get(p, 0) > start for (_, p), start in held.lanes.items()) >= 1 and len(b.lanes) > 0 and ahead(b)

    def ahead(reader: Reader[Any]) -> bool:
        return all(lane.next == lane.end for lane in reader.lanes.values() if lane.topic == ACTIVITIES)

    async def a_has_all() -> bool:
        return a.consumer is not None and len(a.consumer.assignment()) == len(LISTENS_TO) * PARTITIONS

    async with running(a):
        await until(held_taken(held), 20)
        async with running(b):
            await until(b_is_ahead, 30)
        await until(a_has_all, 30)
        before = await positions(points.database, ACTIVITIES)
        held.let_go.set()
        await until(lambda: points.applied(400), 30)
    await other.close()
    problems = await points.problems(sales)
    overtaken = sum(before.get(p, 0) > start for (_, p), start in held.lanes.items())
    record(
        "T-K10", f"{overtaken} lanes overtaken, old batch: {held.outcome}; {len(problems)} differences in 400 purchases",
        "balances unchanged, cursor never moves back", not problems and held.outcome == "Stale", seconds=monotonic() - began,
    )  # fmt: skip
    assert overtaken >= 1
    assert held.outcome == "Stale"
    assert problems == []


def held_taken(held: HeldBatch) -> Callable[[], Any]:
    async def taken() -> bool:
        return held.taken.is_set()

    return taken


async def test_t_k11_what_kafka_believes_about_our_position_makes_no_difference(points: Points) -> None:
    """T-K11: the group's committed offsets are set to 0, to the end, and deleted between lives, and set to 0 under a running reader that
    then has to share its lanes. What would break it: `consumer.committed` asked anywhere before a seek."""
    began, sales = monotonic(), Sales(members=12)
    lanes = [TopicPartition(ACTIVITIES, p) for p in range(PARTITIONS)]

    async def life(reader: Reader[Any]) -> None:
        async with running(reader):
            await until(lambda: points.applied(sales.made), 30)

    await produce(points.bootstrap, sales.some(200))
    await life(points.reader())
    await force_committed(points.bootstrap, POINTS_GROUP, dict.fromkeys(lanes, 0))
    await produce(points.bootstrap, sales.some(200))
    await life(points.reader())
    await produce(points.bootstrap, sales.some(200))
    await force_committed(points.bootstrap, POINTS_GROUP, await ends_of(points.bootstrap, ACTIVITIES))
    await life(points.reader())
    await produce(points.bootstrap, sales.some(200))
    await forget_group(points.bootstrap, POINTS_GROUP)
    assert set((await committed(points.bootstrap, POINTS_GROUP, lanes)).values()) == {None}
    reader, other = points.reader(), Database(points.url, application_name=POINTS_GROUP)
    async with running(reader):
        await until(lambda: points.applied(sales.made), 30)
        assert reader.consumer is not None
        await reader.consumer.commit(dict.fromkeys(lanes, 0))
        await produce(points.bootstrap, sales.some(200))
        await life(points.reader(database=other))
    await other.close()
    problems = await points.problems(sales)
    record(
        "T-K11", f"0, end, deleted, 0 while running: {len(problems)} differences in {sales.made:,} purchases",
        "no difference at all", not problems, seconds=monotonic() - began,
    )  # fmt: skip
    assert problems == []


@pytest.fixture
async def ahead(database: Database, bootstrap: str) -> NotingKafka:
    """1,000 records; the database stands at 200, Kafka believes 800."""
    await produce(bootstrap, lane_of(RECORDS))
    await applier(database, NotingToy()).apply(lane_of(IN_DATABASE))
    # Of every lane: where one has no committed offset, the client hands out nothing at all.
    await force_committed(bootstrap, GROUP, {TopicPartition(HEARD, p): 0 if p else IN_KAFKA for p in range(PARTITIONS)})
    return NotingKafka(bootstrap)


class SlowGate:
    """Opens everything, but takes a second to learn so: the cursors are read that much later."""

    async def load(self) -> None:
        await asyncio.sleep(1.0)

    def limit(self, partition: int, next_offset: int, now_seconds: float) -> int | None:
        return None

    def waits_for(self, partition: int) -> str:
        return ""


async def begins_at_the_cursor(database: Database, kafka: NotingKafka, **options: Any) -> tuple[NotingToy, int]:
    """Run to the end; the handler's notes, and how many records from beyond Kafka's belief it saw before the database's own."""
    toy = NotingToy()
    async with running(toy_reader(database, kafka, toy, **options)):
        await until(lambda: _stands_at(database, RECORDS), 30)
    first_of_ours = toy.handled.index((0, IN_DATABASE))
    early = sum(offset >= IN_KAFKA for _, offset in toy.handled[:first_of_ours])
    return toy, early


async def _stands_at(database: Database, offset: int) -> bool:
    return (await positions(database, HEARD)).get(0) == offset


@pytest.mark.parametrize("late", ["the listener", "the cursors"])
async def test_t_k12_nothing_from_kafkas_position_is_processed_before_our_own(
    database: Database, ahead: NotingKafka, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """T-K12: the database says 200, Kafka says 800, and what should set it right comes a second late.
    What would break it: a record that is accepted although no lane of ours has been opened and sought."""
    began = monotonic()
    if late == "the listener":
        delay_listener(monkeypatch)
    options = {"gates": {HEARD: SlowGate()}} if late == "the cursors" else {}
    toy, early = await begins_at_the_cursor(database, ahead, **options)
    wrong = [offset for _, offset in ahead.delivered[: ahead.delivered.index((0, IN_DATABASE))]]
    applied_in_order = [offset for _, offset in toy.handled] == list(range(IN_DATABASE, RECORDS))
    broken = await broken_moves(database)
    record(
        "T-K12", f"{late} 1 s late: client handed out {len(wrong)} records from Kafka's position first, {early} processed",
        "0 processed from >= 800 before 200", early == 0 and applied_in_order, seconds=monotonic() - began,
    )  # fmt: skip
    assert early == 0
    assert applied_in_order
    assert broken == []


def delay_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    assigned = reading._Flags.on_partitions_assigned

    async def late(self: Any, partitions: Any) -> None:
        await asyncio.sleep(1.0)
        await assigned(self, partitions)

    monkeypatch.setattr(reading._Flags, "on_partitions_assigned", late)


async def test_t_k13_a_listener_that_raises_changes_nothing(
    database: Database, ahead: NotingKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-K13: aiokafka swallows what a listener raises and goes on; so must we, from our own position.
    What would break it: anything needed for safety that happens in the listener."""
    calls: list[Any] = []

    async def raises(self: Any, partitions: Any) -> None:
        calls.append(partitions)
        raise RuntimeError("a listener that fails")

    monkeypatch.setattr(reading._Flags, "on_partitions_assigned", raises)
    monkeypatch.setattr(reading._Flags, "on_partitions_revoked", raises)
    toy, early = await begins_at_the_cursor(database, ahead)
    in_order = [offset for _, offset in toy.handled] == list(range(IN_DATABASE, RECORDS))
    record("T-K13", f"listener raised {len(calls)} times: {early} processed too early", "0", early == 0 and in_order)
    assert calls
    assert in_order


async def test_t_k13_while_the_database_is_away_at_assignment_nothing_is_processed(
    database: Database, database_url: str, engines: Stack, ahead: NotingKafka
) -> None:
    """T-K13: no cursor, no processing; and when the database is back, the lane begins at its cursor.
    What would break it: a lane opened with a guess because the cursor could not be read."""
    began, toy = monotonic(), NotingToy()
    reader = toy_reader(database, ahead, toy)

    async def backs_off() -> bool:
        return len(lanes_in(reader, "backing_off")) == PARTITIONS and ahead.polls >= 5

    async with AsyncExitStack() as away:
        await away.enter_async_context(database_away(engines, database_url))
        async with running(reader):
            await until(backs_off, 30)
            handled_meanwhile, lanes_meanwhile, polls = len(toy.handled), len(reader.lanes), ahead.polls
            await away.aclose()
            await until(lambda: _stands_at(database, RECORDS), 30)
    in_order = [offset for _, offset in toy.handled] == list(range(IN_DATABASE, RECORDS))
    record(
        "T-K13", f"database away over {polls} polls: {handled_meanwhile} processed; then from {toy.handled[0][1]}",
        "0 processed until the cursor is read", handled_meanwhile == 0 and in_order, seconds=monotonic() - began,
    )  # fmt: skip
    assert (handled_meanwhile, lanes_meanwhile) == (0, 0)
    assert in_order
    assert await broken_moves(database) == []
    assert await count_moves(database) >= 2
    assert await one(database, "SELECT times FROM tally") == RECORDS


@asynccontextmanager
async def database_away(engines: Stack, url: str) -> AsyncIterator[None]:
    """The server lets nobody into this database meanwhile, and whoever was in is put out."""
    name = make_url(url).database
    admin = Database(engines.superuser_url, application_name="the fault")

    async def allow(connections: bool) -> None:
        async with admin.transaction() as tx:
            await tx.run(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(connections).lower()}"))
            await tx.run(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), name=name
            )

    await allow(False)
    try:
        yield
    finally:
        await allow(True)
        await admin.close()
