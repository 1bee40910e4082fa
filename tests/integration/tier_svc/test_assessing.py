"""What the handler promises around the judge: marks, numbers, versions, the past that is fetched when it is needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from laurel_contracts.activities import MemberSignedIn
from laurel_contracts.decisions import MemberRegistered
from laurel_kit.hearing import BrokenNumbers, Hold
from tests.integration.tier_svc.world import Log, NewWorld, World, purchase, refund
from tests.unit.tier_svc.domain.ladders import reference_document, short_document

ANNA, BORIS = UUID(int=2), UUID(int=5)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def facts(world: World, member: UUID = ANNA) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row.body)["data"] for row in await world.said() if row.key == member.bytes]


async def test_a_mark_stands_behind_the_facts_of_each_lane(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log(partitions=3)
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 20_000), at("2018-01-02T10:00"))
    log.tell(BORIS, purchase("b", 600_000), at("2018-01-02T10:00"))
    await world.drink(log)
    said = await world.rows(
        "SELECT partition, type, body FROM outbox WHERE type <> 'laurel.programme.loaded.v1' ORDER BY id"
    )
    last = {row.partition: row for row in said}
    assert {row.type for row in last.values()} == {"laurel.activities.assessed.v1"}
    marks = [msgspec.json.decode(row.body)["data"] for row in said if row.type == "laurel.activities.assessed.v1"]
    assert [(mark["topic"], mark["topic_id"], mark["partition"], mark["next_offset"]) for mark in marks] == [
        ("activities", "test", 0, 1),
        ("activities", "test", 1, 1),
        ("activities", "test", 2, 3),
    ]


async def test_a_mark_passes_a_record_that_could_not_be_read(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 20_000), at("2018-01-02T10:00"))
    broken = [log.records[0][0], replace(log.records[0][1], value=b"{")]
    for record in broken:
        await world.applier.apply([record])
    marks = await world.said("laurel.activities.assessed.v1")
    assert [msgspec.json.decode(row.body)["data"]["next_offset"] for row in marks] == [1, 2]


async def test_a_fact_says_why(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 15_000, 5_000), at("2018-01-02T10:00"))
    await world.drink(log)
    (row,) = await world.said()
    event = msgspec.json.decode(row.body)
    assert (event["subject"], event["memberseq"], event["programmeversion"], event["time"]) == (
        str(ANNA), 1, 1, "2018-01-02T10:00:00Z",
    )  # fmt: skip
    assert event["data"] == {
        "ordinal": 1, "holds_after": 1, "kind": "raised", "computed_from": "regular", "computed_to": "silver",
        "effective_from": "regular", "effective_to": "silver", "since": "2018-01-02T10:00:00Z", "until": "2019-01-01T16:00:00Z",
        "held_since": "2018-01-02", "cause": "activity 1", "rule": "silver is reached: largest_order 20000 ≥ 20000",
        "metrics": {"largest_order": 20_000, "spend_in_days(365)": 20_000, "spend_total": 20_000},
    }  # fmt: skip
    assert row.number == 1


async def test_a_record_that_comes_again_changes_nothing_and_a_gap_stops_the_lane(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 20_000), at("2018-01-02T10:00"))
    await world.drink(log)
    before = await world.dump()
    first = log.records[0][1]
    await world.applier.apply([replace(first, offset=2)])
    assert await world.dump() == before
    log.tell(ANNA, purchase("b", 1), at("2018-01-03T10:00"))
    log.tell(ANNA, purchase("c", 1), at("2018-01-03T11:00"))
    with pytest.raises(BrokenNumbers):
        await world.applier.apply([replace(log.records[0][3], offset=3)])
    assert await world.dump() == before


async def test_a_version_that_is_not_loaded_holds_the_lane(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.activate(short_document() | {"version": 2}, at("2018-02-01T00:00"))
    with pytest.raises(Hold, match="programme version 2 is not loaded"):
        await world.drink(log)
    await world.load(short_document() | {"version": 2})
    await world.drink(log)


async def test_another_document_than_the_activated_one_holds_the_lane(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(short_document())
    with pytest.raises(Hold, match="another document"):
        await world.drink(log)


async def test_activities_without_a_programme_hold_the_lane_but_decisions_do_not(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.tell(ANNA, MemberRegistered(), at("2018-01-02T10:00"))
    await world.drink(log)
    log.tell(ANNA, purchase("a", 20_000), at("2018-01-03T10:00"))
    with pytest.raises(Hold, match="no programme version is in force"):
        await world.applier.apply(log.records[0][1:])


async def test_a_refund_finds_its_order_in_an_earlier_batch(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 10_000, 20_000, categories=("gift-card", "grocery")), at("2018-01-02T10:00"))
    await world.drink(log, 1)
    log.tell(ANNA, refund("a", "f", 30, line=None), at("2018-01-03T10:00"))
    log.tell(ANNA, refund("a", "g", 70, line=None), at("2018-01-03T11:00"))
    for record in log.records[0][2:]:
        await world.applier.apply([record])
    assert [fact["kind"] for fact in await facts(world)] == ["raised", "lowered"]
    (row,) = (await world.dump())["purchase"]
    assert (row["left_minor"], row["left_qualifying_minor"], row["unallocated_minor"]) == (30_000, 20_000, 100)
    (day,) = (await world.dump())["member_day"]
    assert day["spend_minor"] == 20_000 * 29_900 // 30_000


async def test_a_refund_of_an_order_that_is_not_known_is_an_error_in_the_data(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, refund("nowhere", "f", 30), at("2018-01-03T10:00"))
    with pytest.raises(ValueError, match="not this member's"):
        await world.drink(log)


async def test_an_end_is_judged_by_the_version_in_force_at_it(new_world: NewWorld) -> None:
    strict, lax = short_document(), short_document() | {"version": 2}
    lax["tiers"]["ladder"][1]["keep"] = [{"metric": "spend_in_days", "days": 60, "at_least": 1}]
    world, log = await new_world(strict, lax), Log()
    log.activate(strict)
    log.tell(ANNA, purchase("a", 45_000), at("2018-01-10T00:00"))
    log.tell(ANNA, purchase("b", 2_500), at("2018-01-25T00:00"))
    log.activate(lax, at("2018-02-25T00:00"))
    log.close_day(at("2018-04-09T16:00"))
    await world.drink(log)
    # On 10 February version 1 keeps silver by the 25.00 in 30 days; on 10 March it would not any more, but version 2 does by 60 days.
    assert [(fact["kind"], fact["computed_to"]) for fact in await facts(world)] == [
        ("raised", "diamond"),
        ("lapsed", "silver"),
        ("kept", "silver"),
        ("lapsed", "regular"),
    ]
    assert [row["version"] for row in (await world.dump())["standing"]] == [1, 1, 2, 2]


async def test_the_windows_of_a_new_version_are_added_up_from_the_past(new_world: NewWorld) -> None:
    first, second = reference_document(), reference_document() | {"version": 2}
    second["tiers"]["ladder"][3]["reach"] = [{"metric": "orders_in_days", "days": 9, "at_least": 3}]
    second["tiers"]["ladder"][3]["keep"] = [{"metric": "active_days_in_days", "days": 90, "at_least": 3}]
    world, log = await new_world(first, second), Log()
    log.activate(first)
    log.activate(second, at("2018-01-20T00:00"))
    for day in (10, 15, 16, 24):
        log.tell(ANNA, purchase(f"o{day}", 100), at(f"2018-01-{day}T10:00"))
    await world.drink(log, 1)
    assert [(fact["kind"], fact["computed_to"], fact["metrics"]) for fact in await facts(world)] == []
    log.tell(ANNA, MemberSignedIn(channel="app"), at("2018-01-24T11:00"))
    log.tell(ANNA, purchase("o25", 100), at("2018-01-24T12:00"))
    for record in log.records[0][6:]:
        await world.applier.apply([record])
    # On 24 January the nine days hold the 16th and two of the 24th.
    (fact,) = await facts(world)
    assert (fact["computed_to"], fact["metrics"]["orders_in_days(9)"], fact["metrics"]["active_days_in_days(90)"]) == (
        "diamond",
        3,
        4,
    )
    row = (await world.dump())["member"][0]
    assert row["gauged_by"] == 2


async def test_a_day_closed_out_of_order_is_ignored_and_moves_nobody_born_after_it(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.close_day(at("2018-06-01T16:00"))
    log.close_day(at("2018-03-01T16:00"))
    log.tell(ANNA, purchase("a", 20_000), at("2018-01-02T10:00"))
    log.tell(ANNA, purchase("b", 100), at("2018-01-03T10:00"))
    await world.drink(log)
    dump = await world.dump()
    assert [row["as_of"] for row in dump["partition_day"]] == [at("2018-06-01T16:00")]
    assert dump["member"][0]["clock"] == at("2018-01-03T10:00")
    log.close_day(at("2018-06-02T16:00"))
    log.tell(ANNA, purchase("c", 100), at("2018-01-04T10:00"))
    await world.applier.apply(log.records[0][5:])
    dump = await world.dump()
    assert dump["member"][0]["clock"] == at("2018-06-02T16:00")
    assert dump["purchase"][-1]["clock"] == at("2018-06-02T16:00")


async def test_a_late_activity_that_crosses_an_end_is_judged_with_the_past(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("a", 40_000), at("2025-03-01T04:00"))
    log.tell(ANNA, purchase("b", 60_000), at("2025-03-02T04:00"))
    log.close_day(at("2026-03-03T16:00"))
    await world.drink(log, 1)
    assert (await world.dump())["member"][0]["tier"] == "silver"
    log.tell(ANNA, purchase("c", 50_000), at("2026-03-01T02:00"))
    await world.applier.apply(log.records[0][4:])
    dump = await world.dump()
    assert [row["kind"] for row in dump["standing"]] == ["raised", "raised", "lapsed", "corrected"]
    assert [(row["tier"], row["starts_at"]) for row in dump["tier_path"]] == [
        ("silver", at("2025-03-01T04:00")), ("gold", at("2025-03-02T04:00")),
    ]  # fmt: skip
    assert (dump["member"][0]["tier"], dump["member"][0]["until"]) == ("gold", at("2027-03-01T16:00"))
    assert [row["at"] for row in dump["period_end"]] == [at("2026-03-01T16:00")]


async def test_a_number_that_was_given_up_is_passed(new_world: NewWorld) -> None:
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    log.tell(ANNA, purchase("lost", 1), at("2018-01-02T10:00"))
    log.tell(ANNA, purchase("a", 20_000), at("2018-01-02T10:00") + timedelta(hours=1))
    await world.applier.apply(log.records[0][:1])
    async with world.database.transaction() as tx:
        await world.open_store(tx).streams.skip_number(ANNA, 1)
    await world.applier.apply([replace(log.records[0][2], offset=1)])
    assert [fact["holds_after"] for fact in await facts(world)] == [2]
    assert [(row["partition"], row["last_seq"]) for row in (await world.dump())["member"]] == [(0, 2)]
