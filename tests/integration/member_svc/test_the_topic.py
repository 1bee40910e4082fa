"""Reports on `channel-activities`: the same door; nobody hears the answer, so what is refused becomes a dead letter."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from laurel_kit.applying import Applier
from laurel_kit.dead_letters import DeadLetters
from laurel_kit.hearing import Hold, RawRecord
from member_svc.consumer import CHANNELS, LISTENS_TO
from member_svc.handlers.expire_waiting import expire_waiting
from member_svc.handlers.open_source import open_source
from tests.integration.member_svc.world import World


def applier_of(world: World) -> Applier[Any]:
    return Applier(
        world.database, group="member-svc", listens_to=LISTENS_TO, open_store=world.open_store, holes_allowed={CHANNELS}
    )


def records(*reports: dict[str, Any] | bytes, at: int = 0) -> list[RawRecord]:
    return [
        RawRecord(
            CHANNELS, 0, at + n, b"anything", report if isinstance(report, bytes) else json.dumps(report).encode()
        )
        for n, report in enumerate(reports)
    ]


async def test_bad_reports_become_dead_letters_and_the_good_ones_beside_them_are_taken(world: World) -> None:
    big = world.purchase("o-9", data={"note": "x" * 300_000})
    invalid = world.purchase("o-8")
    invalid["data"]["lines"][0]["amount_minor"] = 10.0
    good = world.purchase("o-1", 500)
    await applier_of(world).apply(
        records(
            b"\x00\xff not json",
            invalid,
            good,
            good,
            world.purchase("o-1", 600),
            big,
            world.sign_in(time="2019-01-01T00:00:00Z"),
            world.report("coffee.spilt", {}),
            world.refund("o-1", "r-1", 501),
            world.refund("o-2", "r-1", 501),
            world.sign_in(),
        )
    )
    dead = await world.rows("SELECT at_offset, reason, detail FROM dead_letter ORDER BY at_offset")
    assert [(row.at_offset, row.reason) for row in dead] == [
        (0, "undecodable"),
        (1, "invalid"),
        (4, "content_differs"),
        (5, "too_large"),
        (6, "from_the_future"),
        (7, "unknown_type"),
        (8, "above_what_is_left"),
    ]
    assert "$.data.lines[0].amount_minor" in dead[1].detail
    assert [event.type for event in await world.said() if event.subject] == [
        "laurel.purchase.recorded.v1",
        "laurel.member.signed-in.v1",
    ]
    assert await world.value("SELECT count(*) FROM waiting") == 1
    assert await world.value("SELECT next_offset FROM consumer_cursor WHERE topic = :topic", topic=CHANNELS) == 11


async def test_dead_letters_are_announced_without_their_content(world: World) -> None:
    await applier_of(world).apply(records(world.sign_in("555", time="2019-01-01T00:00:00Z")))
    (row,) = await world.rows("SELECT body FROM outbox WHERE topic = 'channel-activities.dead-letter'")
    assert b"from_the_future" in row.body
    assert b"555" not in row.body


async def test_the_lane_holds_while_no_programme_is_in_force(bare_world: World) -> None:
    with pytest.raises(Hold):
        await applier_of(bare_world).apply(records(bare_world.sign_in()))
    assert await bare_world.value("SELECT count(*) FROM activity") == 0


async def test_both_entrances_are_one_door(world: World) -> None:
    report = world.purchase("o-1", 500)
    await world.take(report)
    await applier_of(world).apply(records(report, world.purchase("o-1", 500)))
    assert await world.value("SELECT count(*) FROM activity") == 1
    assert await world.value("SELECT count(*) FROM dead_letter") == 0


async def test_a_broken_source_is_shut_and_the_others_go_on(world: World) -> None:
    applier = applier_of(world)
    bad = [world.sign_in(source="broken", time="2019-01-01T00:00:00Z") for _ in range(51)]
    await applier.apply(records(*bad))
    good = [world.sign_in("1", source="broken"), world.sign_in("2")]
    await applier.apply(records(*good, at=51))
    dead = await world.rows("SELECT reason, count(*) AS times FROM dead_letter GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in dead] == [("from_the_future", 51), ("source_shut", 1)]
    assert await world.value("SELECT count(*) FROM activity") == 1
    await world.change(lambda store: open_source("broken", store))
    letter = await world.value("SELECT id FROM dead_letter WHERE reason = 'source_shut'")
    assert (await DeadLetters(applier).replay(letter)).replayed == 1
    assert await world.value("SELECT count(*) FROM activity") == 2


async def test_five_percent_of_a_thousand_are_borne(world: World) -> None:
    for batch in range(4):
        reports = [
            world.sign_in(f"{batch}-{n}", time="2019-01-01T00:00:00Z" if n % 20 == 0 else "2018-01-09T00:00:00Z")
            for n in range(500)
        ]
        await applier_of(world).apply(records(*reports, at=500 * batch))
    (row,) = await world.rows("SELECT source, reports, bad, shut_at FROM channel_source")
    assert tuple(row) == ("pos/1", 1000, 50, None)


async def test_refusals_of_the_business_shut_nobody(world: World) -> None:
    await applier_of(world).apply(records(*(world.purchase(f"o-{n}", phone=None) for n in range(100))))
    assert await world.value("SELECT bad FROM channel_source") == 0


async def test_a_dead_letter_is_reported_again_and_gets_the_next_number(world: World) -> None:
    """Also one that stood at no offset: its order came after thirty days."""
    await world.take(world.refund("o-1", "r-1", 100))
    world.now += timedelta(days=30)
    await world.change(expire_waiting)
    await world.take(world.purchase("o-1", 500))
    letter = await world.value("SELECT id FROM dead_letter")
    assert (await DeadLetters(applier_of(world)).replay(letter)).replayed == 1
    assert [event.memberseq for event in await world.said() if event.subject] == [1, 2]


async def test_a_conflict_that_is_replayed_stays_one_dead_letter(world: World) -> None:
    await world.take(world.purchase("o-1", 500), world.purchase("o-1", 600))
    letter = await world.value("SELECT id FROM dead_letter")
    report = await DeadLetters(applier_of(world)).replay(letter)
    assert (report.replayed, report.stopped_at) == (0, letter)
    assert [tuple(row) for row in await world.rows("SELECT attempts, state FROM dead_letter")] == [(2, "open")]


async def test_what_a_channel_keys_its_records_by_is_not_said_with_a_dead_letter(world: World) -> None:
    """A channel may take the phone for its key, and identifiers stand on no other topic."""
    (bad,) = records(world.report("coffee.spilt", {}))
    await applier_of(world).apply([RawRecord(CHANNELS, 0, 0, b"13800138000", bad.value)])
    (said,) = await world.rows("SELECT key, body FROM outbox WHERE topic = 'channel-activities.dead-letter'")
    assert said.key is None
    assert b"13800138000" not in said.body
