"""Records that cannot be applied, and a database that cannot be had: each gets its own answer, and none gets the other's.

INVARIANT: only what a record itself is to blame for becomes a dead letter; its neighbours are applied; what waits behind it is applied
after it, once. What would break it: an error of the infrastructure sorted as data, a batch given up as a whole, a replay that forgets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_contracts.activities import PurchaseRecorded
from laurel_kit import failures, reading
from laurel_kit.applying import DEAD_LETTERS_MAX
from laurel_kit.dead_letters import DeadLetters
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from points_svc.handlers import rate_activities
from tests.fault.loop.observer import broken_moves, dead_letters, one, positions
from tests.fault.loop.points import Points, Sales, partition_of_member
from tests.fault.loop.toys import NotingToy, lane_of, lanes_in, running, toy_reader
from tests.fault.report import record, sized
from tests.integration.kit.toy import HEARD
from tests.integration.kit.toy import record as toy_record
from tests.integration.kit.toy_kafka import PARTITIONS, produce, until

BATCH = 1_000
EXTRA_SECONDS_MAX = 1.5
LETTERS = "SELECT id FROM dead_letter WHERE state = 'open' ORDER BY at_offset"


class Stopwatch:
    """Runs from the moment a reader first tries a batch."""

    def __init__(self, reader: Reader[Any]) -> None:
        self.tries = 0
        self.began: float | None = None
        apply = reader.applier.apply

        async def timed(*arguments: Any, **named: Any) -> bool:
            self.tries += 1
            if self.began is None:
                self.began = monotonic()
            return await apply(*arguments, **named)

        reader.applier.apply = timed  # type: ignore[method-assign]

    def reset(self) -> None:
        self.tries, self.began = 0, None

    def seconds(self) -> float:
        assert self.began is not None
        return monotonic() - self.began


@pytest.mark.fault
@pytest.mark.alone
@pytest.mark.long
async def test_t_k22_what_only_the_database_rejects_is_found_among_a_thousand_and_nothing_else_is_touched(
    points: Points,
) -> None:
    """T-K22: 1, 2 and 10 purchases in a batch of 1000 have an order id that PostgreSQL refuses (22021). They alone are set aside.
    What would break it: a lane that gives up the batch, or tries each record by itself."""
    sales, dead = Sales(members=0), 0
    reader = points.reader()
    watch = Stopwatch(reader)

    async def batch_of(poisons: int, lane: int) -> float:
        """Seconds from the first try to the end of a batch with so many poisoned purchases, evenly spread."""
        bad = {place * BATCH // poisons + 37 for place in range(poisons)}
        members = [PARTITIONS * (sales.made + place) + lane for place in range(BATCH)]
        assert {partition_of_member(who) for who in members} == {lane}
        batch = [sales.poison(who) if place in bad else sales.next_of(who) for place, who in enumerate(members)]
        watch.reset()
        await produce(points.bootstrap, batch)
        await until(lambda: points.applied(sales.made), 60)
        return watch.seconds()

    async with running(reader):
        await batch_of(0, lane=0)  # the first batch of a process prepares its statements
        clean, told, worst = await batch_of(0, lane=1), [], 0.0
        for poisons in (1, 2, 10):
            extra = await batch_of(poisons, lane=poisons % PARTITIONS) - clean
            told.append(f"{poisons}: +{extra:.2f} s in {watch.tries} tries")
            worst, dead = max(worst, extra), dead + poisons
    problems = await points.problems(sales, dead_letters=dead)
    record(
        "T-K22", f"poison in {BATCH}: {', '.join(told)}, a clean batch {clean:.2f} s; {len(problems)} differences",
        "isolated; good neighbours applied; extra <= 1.5 s",
        not problems and worst <= EXTRA_SECONDS_MAX, seconds=worst,
    )  # fmt: skip
    assert problems == []
    assert worst <= EXTRA_SECONDS_MAX
    assert await dead_letters(points.database) == {"failed": dead}


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["unreadable", "unbearable"])
async def test_t_k23_more_poison_than_poison_explains_stops_the_lane(
    database: Database, bootstrap: str, kind: str
) -> None:
    """T-K23: every tenth record is bad: a defect of ours or of who says it. The lane stops and alarms, and dead letters do not flood.
    What would break it: a loop that goes on setting aside, because each record by itself is only poison."""
    bad = {"value": b"{"} if kind == "unreadable" else {"channel": "boom"}
    records = [toy_record(UUID(int=place + 1), 1, place, **(bad if place % 10 == 5 else {})) for place in range(BATCH)]
    reader, began = toy_reader(database, bootstrap), monotonic()

    async def stopped() -> bool:
        return len(lanes_in(reader, "halted")) == 1

    async with running(reader):
        await produce(bootstrap, records)
        await until(stopped, 60)
        await produce(bootstrap, lane_of(10, key=5_000, partition=1))
        await until(partial(_stands_at, database, 1, 10), 20)
        pages = reader.metrics.registry.get_sample_value("laurel_lane_halts_total", {"topic": HEARD})
        assert "more than 50 dead letters" in lanes_in(reader, "halted")[0]
    rows = sum((await dead_letters(database)).values())
    at = (await positions(database, HEARD))[0]
    applied = await one(database, "SELECT count(*) FROM tally WHERE times = 1")
    record(
        "T-K23", f"{kind}: lane stops at {at} of {BATCH}, {pages:.0f} page, {rows} dead letters",
        "lane stops, pages, <= 50 rows", rows <= DEAD_LETTERS_MAX and pages == 1, seconds=monotonic() - began,
    )  # fmt: skip
    assert rows == DEAD_LETTERS_MAX
    assert pages == 1
    assert applied == at - rows  # all good ones before it


async def _stands_at(database: Database, partition: int, offset: int) -> bool:
    return (await positions(database, HEARD)).get(partition) == offset


# Each save of the toy fails with the next code, until so many have failed; the sequence counts, whatever is rolled back.
STORM = (
    "CREATE SEQUENCE storm",
    """CREATE FUNCTION storm() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE place bigint := nextval('storm'); BEGIN
         IF place <= {errors} THEN
           RAISE EXCEPTION 'storm %', place USING ERRCODE = (ARRAY['08006', '40P01', '55P03'])[1 + place % 3];
         END IF;
         RETURN NULL;
       END $$""",
    "CREATE TRIGGER storm AFTER UPDATE ON tally FOR EACH STATEMENT EXECUTE FUNCTION storm()",
)


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(30, marks=pytest.mark.fault),
        pytest.param(334, marks=[pytest.mark.fault, pytest.mark.long]),
        pytest.param(sized(1_000), id="1,000", marks=[pytest.mark.long, pytest.mark.nightly]),
    ],
)
async def test_t_k24_a_storm_of_infrastructure_errors_leaves_no_dead_letter(
    database: Database, bootstrap: str, monkeypatch: pytest.MonkeyPatch, each: int
) -> None:
    """T-K24: lost connections, deadlocks, locks not to be had, again and again; and then it is over.
    What would break it: an error that is sorted by how often it came, or by its class alone."""
    monkeypatch.setattr(failures, "CONTENTION_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(reading, "DATABASE_PAUSE_SECONDS_MAX", 0.002)
    monkeypatch.setattr(reading, "POLL_SECONDS", 0.01)
    async with database.transaction() as tx:
        for statement in STORM:
            await tx.run(text(statement.replace("{errors}", str(3 * each))))
    toy, began = NotingToy(), monotonic()
    await produce(bootstrap, lane_of(BATCH))
    async with running(toy_reader(database, bootstrap, toy)):
        await until(partial(_stands_at, database, 0, BATCH), 600)
    raised = min(3 * each, await one(database, "SELECT last_value FROM storm"))
    dead = await one(database, "SELECT count(*) FROM dead_letter")
    times = await one(database, "SELECT times FROM tally")
    record(
        "T-K24", f"{raised:,} errors: {dead} dead letters, {times:,} of {BATCH:,} records applied once",
        "dead letters 0", dead == 0 and times == BATCH, seconds=monotonic() - began,
    )  # fmt: skip
    assert raised == 3 * each
    assert dead == 0
    assert times == BATCH
    assert await broken_moves(database) == []


def bug(orders: set[str]) -> Callable[..., None]:
    """A version of points-svc that cannot rate these orders."""
    rate = rate_activities.RATED[PurchaseRecorded]

    def broken(account: Any, data: PurchaseRecorded, *more: Any) -> None:
        if data.order_id in orders:
            raise ZeroDivisionError("a bug of ours")
        rate(account, data, *more)

    return broken


async def replay_all(points: Points, letters: DeadLetters[Any]) -> tuple[int, int]:
    """Replay until nothing is open: how many actions that was, and how many letters were applied."""
    actions = applied = 0
    while (found := await points_letters(points)) is not None:
        report = await letters.replay(found, "the operator")
        assert report.stopped_at is None
        actions += report.replayed
        applied += report.replayed
    return actions, applied


async def points_letters(points: Points) -> int | None:
    """The first letter that is open."""
    async with points.database.reading() as tx:
        found: int | None = (await tx.run(text(f"{LETTERS} LIMIT 1"))).scalar_one_or_none()
        return found


@pytest.mark.fault
async def test_t_k25_a_mended_bug_is_replayed_once_and_never_twice(
    points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-K25: points-svc cannot rate 8 orders; they and what the same members did later are set aside. The bug is mended, all is replayed,
    and replayed again; and once more with the letters' own memory taken away, so that only the members' numbers stand against it.
    What would break it: an effect of a replay that is not tied to the member's number, an action that leaves no note."""
    began, sales = monotonic(), Sales(members=40)
    records = sales.some(400)
    broken_orders = {f"o{place}" for place in range(100, 260, 21)}  # of 8 members
    with monkeypatch.context() as patch:
        patch.setitem(rate_activities.RATED, PurchaseRecorded, bug(broken_orders))
        reader = points.reader()
        async with running(reader):
            await produce(points.bootstrap, records)
            await until(lambda: points.applied(400), 60)
        letters = DeadLetters(reader.applier)
        counted = await dead_letters(points.database)
        first = await points_letters(points)
        assert first is not None
        assert (await letters.replay(first, "the hasty one")).stopped_at == first
    count, actions = sum(counted.values()), 1
    done, applied = await replay_all(points, letters)
    actions += done
    assert applied == count
    problems = await points.problems(sales, dead_letters=count)
    ids = [letter["id"] for letter in await letters.find(limit=1_000)]
    again = [await letters.replay(letter_id) for letter_id in ids]
    actions += len(again)
    duplicates = sum(report.duplicates for report in again)
    assert sum(report.replayed for report in again) == 0
    async with points.database.transaction() as tx:
        await tx.run(text("UPDATE dead_letter SET state = 'open'"))
    done, _ = await replay_all(points, letters)
    actions += done
    problems += await points.problems(sales, dead_letters=count)
    noted = await one(points.database, "SELECT count(*) FROM dead_letter_action")
    record(
        "T-K25", f"{count} letters: {applied} applied once, then {duplicates} duplicates, then {done} without effect;"
        f" {noted} notes of {actions} actions; {len(problems)} differences",
        "applied once; second replay all duplicate; audit rows = actions",
        not problems and duplicates == count and noted == actions, seconds=monotonic() - began,
    )  # fmt: skip
    assert problems == []
    assert counted["failed"] == len(broken_orders)
    assert counted["behind_a_dead_letter"] > 0
    assert duplicates == count
    assert noted == actions
