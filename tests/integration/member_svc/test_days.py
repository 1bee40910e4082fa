"""The end of a day is a record (domain.md 2.3): by command, by the clock, and never while history is imported."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from member_svc.domain import refusals
from member_svc.domain.refusals import Refused
from member_svc.handlers.close_days import Closed, close_day, close_next_day
from member_svc.handlers.hold_days import begin_import, drop_dead_leases, end_import, renew_import
from tests.integration.member_svc.world import PARTITIONS, World


async def close(world: World, when: datetime | date) -> Closed:
    return await world.change(lambda store: close_day(when, store))


async def closed_by_clock(world: World) -> list[str]:
    days = []
    while (closed := await world.change(close_next_day)) is not None:
        days.append(closed.as_of.isoformat())
    return days


async def test_a_closed_day_is_one_record_in_every_partition(world: World) -> None:
    closed = await close(world, date(2018, 1, 9))
    assert closed == Closed(datetime(2018, 1, 9, 5, tzinfo=UTC), PARTITIONS)
    rows = await world.rows("SELECT partition, key, number FROM outbox WHERE type = 'laurel.day.closed.v1' ORDER BY id")
    assert [tuple(row) for row in rows] == [(partition, None, None) for partition in range(PARTITIONS)]
    said = [event for event in await world.said() if event.type == "laurel.day.closed.v1"]
    assert {event.data["as_of"] for event in said} == {"2018-01-09T05:00:00Z"}
    assert {event.programmeversion for event in said} == {1}
    assert len({event.id for event in said}) == PARTITIONS


async def test_the_same_day_again_changes_nothing(world: World) -> None:
    instant = datetime.fromisoformat("2018-01-09T00:00:00-05:00")
    assert (await close(world, instant)).records == PARTITIONS
    assert (await close(world, instant)).records == 0
    assert await world.value("SELECT count(*) FROM outbox WHERE type = 'laurel.day.closed.v1'") == PARTITIONS


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("2018-01-11T00:00:00-05:00", refusals.AHEAD_OF_THE_CLOCK),
        ("2018-01-09T00:00:00+00:00", refusals.NO_DAY_BEGINS),
        ("2018-01-05T00:00:00-05:00", refusals.DAY_PASSED),
    ],
)
async def test_a_command_is_refused_with_its_reason(world: World, when: str, reason: str) -> None:
    await close(world, date(2018, 1, 8))
    with pytest.raises(Refused) as refused:
        await close(world, datetime.fromisoformat(when))
    assert refused.value.reason == reason


async def test_the_clock_closes_a_day_six_hours_after_its_end(world: World) -> None:
    world.now = datetime(2018, 1, 10, 10, 59, tzinfo=UTC)  # 05:59 in New York: the 9th is not closed yet
    assert await closed_by_clock(world) == ["2018-01-09T05:00:00+00:00"]
    world.now = datetime(2018, 1, 10, 11, 0, tzinfo=UTC)
    assert await closed_by_clock(world) == ["2018-01-10T05:00:00+00:00"]
    assert await closed_by_clock(world) == []


async def test_every_missed_day_is_closed_in_order_after_a_stop(world: World) -> None:
    await close(world, date(2018, 1, 7))
    assert await closed_by_clock(world) == [f"2018-01-{day:02}T05:00:00+00:00" for day in (8, 9, 10)]


async def test_after_more_than_forty_days_only_the_latest_is_closed(world: World) -> None:
    await close(world, date(2017, 11, 1))
    assert await closed_by_clock(world) == ["2018-01-10T05:00:00+00:00"]


async def test_while_history_is_imported_no_day_closes(world: World) -> None:
    lease_id, _ = await world.change(lambda store: begin_import("history", 60, store))
    with pytest.raises(Refused) as refused:
        await close(world, date(2018, 1, 9))
    assert (refused.value.reason, refused.value.facts) == (refusals.IMPORT_RUNS, {"imports": ["history"]})
    assert await closed_by_clock(world) == []
    await world.change(lambda store: renew_import(lease_id, store))
    await world.change(lambda store: end_import(lease_id, store))
    assert (await close(world, date(2018, 1, 9))).records == PARTITIONS


async def test_a_lease_that_is_not_renewed_dies(world: World) -> None:
    lease_id, until = await world.change(lambda store: begin_import("history", 60, store))
    assert until - datetime.now(UTC) < timedelta(seconds=61)  # the machine's clock, not the business clock
    async with world.database.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE import_lease SET alive_until = clock_timestamp()")
    with pytest.raises(Refused):
        await world.change(lambda store: renew_import(lease_id, store))
    assert (await close(world, date(2018, 1, 9))).records == PARTITIONS
    assert await world.change(drop_dead_leases) == 1
