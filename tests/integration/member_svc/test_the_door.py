"""The door on a real PostgreSQL: once, whose, in which order (domain.md 2.2)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from member_svc.domain.rulebook import NoProgramme
from tests.integration.member_svc.world import World, named, verdicts


async def test_an_accepted_purchase_is_numbered_kept_and_said(world: World) -> None:
    (outcome,) = await world.take(world.purchase("o-1", 1200, 300))
    assert (outcome.outcome, outcome.member_seq) == ("accepted", 1)
    said = [event for event in await world.said() if event.subject is not None]
    assert [(event.subject, event.memberseq, event.programmeversion) for event in said] == [(outcome.member_id, 1, 1)]
    assert str(said[0].localday) == "2018-01-09"
    assert await world.value("SELECT count(*) FROM activity") == 1
    assert await world.value("SELECT left_minor FROM purchase_order") == 1500


async def test_no_identifier_leaves_the_door(world: World) -> None:
    await world.take(world.purchase("o-1", phone="+1 (202) 555-0147"), world.sign_in("+12025550147"))
    for table in ("outbox", "activity"):
        bodies = await world.rows(f"SELECT body FROM {table}")
        assert bodies
        assert not [row for row in bodies if b"555" in row.body or b"identifier" in row.body]
    assert await world.value("SELECT count(*) FROM member") == 1  # both spellings are one phone


async def test_an_unknown_identifier_enrols_a_provisional_member_at_the_time_of_the_activity(world: World) -> None:
    await world.take(world.sign_in("7", time="2017-03-01T10:00:00-05:00"))
    (row,) = await world.rows("SELECT state, enrolled_at FROM member")
    assert (row.state, row.enrolled_at.isoformat()) == ("provisional", "2017-03-01T15:00:00+00:00")
    (status,) = await world.rows("SELECT state, tier FROM member_status")
    assert tuple(status) == ("provisional", "regular")


async def test_the_same_report_again_is_a_duplicate_and_nothing_happens(world: World) -> None:
    first = world.purchase("o-1")
    assert verdicts(await world.take(first)) == ["accepted"]
    assert verdicts(await world.take(first, first)) == ["duplicate", "duplicate"]
    assert await world.value("SELECT last_seq FROM member") == 1


async def test_the_same_receipt_from_till_and_web_is_one_purchase(world: World) -> None:
    """P8: other id, source, time and channel."""
    till = world.purchase("o-1", 500)
    web = world.purchase("o-1", 500, source="web", time="2018-01-09T13:00:00Z", data={"channel": "online"})
    assert verdicts(await world.take(till, web)) == ["accepted", "duplicate"]
    assert await world.value("SELECT count(*) FROM dead_letter") == 0


async def test_other_content_under_a_used_key_is_a_conflict_and_a_dead_letter(world: World) -> None:
    await world.take(world.purchase("o-1", 500, id="e"))
    outcomes = await world.take(world.purchase("o-1", 600), world.purchase("o-2", 500, id="e"))
    assert verdicts(outcomes) == ["conflict:content_differs"] * 2
    assert await world.value("SELECT count(*) FROM dead_letter WHERE reason = 'content_differs'") == 2
    assert verdicts(await world.take(world.purchase("o-2", 500))) == ["accepted"]  # it used up no key


async def test_a_second_sign_in_on_one_local_day_is_a_duplicate(world: World) -> None:
    """P7 and P12: 23:59 and 00:01 are two days in New York; another device on one day is not."""
    outcomes = await world.take(
        world.sign_in(time="2018-01-09T23:59:00-05:00"),
        world.sign_in(time="2018-01-10T00:01:00-05:00"),
        world.sign_in(time="2018-01-10T00:02:00-05:00"),
    )
    assert verdicts(outcomes) == ["accepted", "accepted", "duplicate"]
    assert verdicts(await world.take(world.sign_in(time="2018-01-10T05:30:00Z"))) == ["duplicate"]


async def test_activities_with_keys_that_take_a_member_count_once_per_member(world: World) -> None:
    joined = [world.report("activity.joined", {"activity_id": "quiz"} | named(phone)) for phone in "112"]
    survey = [world.report("survey.answered", {"survey_id": "q", "score": score} | named("1")) for score in (9, 9, 2)]
    assert verdicts(await world.take(*joined)) == ["accepted", "duplicate", "accepted"]
    assert verdicts(await world.take(*survey)) == ["accepted", "duplicate", "conflict:content_differs"]
    shared = [
        world.report("product.shared", {"share_id": "x", "sku": "s", "network": "w"} | named(phone)) for phone in "12"
    ]
    assert verdicts(await world.take(*shared)) == ["accepted", "duplicate"]
    filed = [world.report("complaint.filed", {"complaint_id": "c", "kind": kind} | named("1")) for kind in "ab"]
    assert verdicts(await world.take(*filed)) == ["accepted", "conflict:content_differs"]


async def test_the_subject_wins_and_a_foreign_identifier_is_refused(world: World) -> None:
    await world.take(world.sign_in("1"), world.sign_in("2"))
    one = str(await world.member_of("1"))
    outcomes = await world.take(
        world.purchase("o-1", subject=one),
        world.purchase("o-2", subject=one, phone=None),
        world.purchase("o-3", subject=one, phone="2"),
        world.purchase("o-4", subject=str(uuid4())),
        world.purchase("o-5", phone=None),
    )
    assert verdicts(outcomes) == [
        "accepted",
        "accepted",
        "refused:identifier_of_another_member",
        "refused:unknown_member",
        "refused:no_member",
    ]
    assert {outcome.member_id for outcome in outcomes[:2]} == {await world.member_of("1")}


async def test_an_erased_member_is_refused(world: World) -> None:
    await world.take(world.sign_in("1"))
    one = str(await world.member_of("1"))
    async with world.database.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE member SET state = 'erased'")
    assert verdicts(await world.take(world.purchase("o-1", subject=one, phone=None))) == ["refused:erased_member"]


async def test_what_is_not_accepted_uses_up_no_key_and_enrols_nobody(world: World) -> None:
    refused = world.purchase("o-1", subject=str(uuid4()), phone="9")
    conflict = world.purchase("o-0", 5, phone="8")
    await world.take(world.purchase("o-0", 500))
    keys, names = await world.value("SELECT count(*) FROM claim"), await world.value("SELECT count(*) FROM identifier")
    outcomes = await world.take(refused, conflict, world.refund("never", "r-1", 5), world.review("never", phone="7"))
    assert [outcome.outcome for outcome in outcomes] == ["refused", "conflict", "waiting", "waiting"]
    assert await world.value("SELECT count(*) FROM claim WHERE activity IS NOT NULL") == keys
    assert await world.value("SELECT count(*) FROM claim WHERE activity IS NULL") == 1  # the order that is waited for
    assert await world.value("SELECT count(*) FROM identifier") == names
    assert await world.value("SELECT count(*) FROM member") == 1
    assert verdicts(await world.take(world.purchase("o-1"))) == ["accepted"]


async def test_a_refused_twin_leaves_the_key_to_the_next_one(world: World) -> None:
    refused = world.purchase("o-1", subject=str(uuid4()))
    outcomes = await world.take(refused, world.purchase("o-1"))
    assert [outcome.outcome for outcome in outcomes] == ["refused", "accepted"]
    (holder,) = await world.rows("SELECT c.activity FROM claim c JOIN purchase_order o ON o.order_key = c.key")
    assert await world.value("SELECT count(*) FROM claim WHERE key = :id", id=holder.activity) == 1
    assert await world.value("SELECT count(*) FROM claim") == 2


async def test_the_same_order_under_another_member_is_a_duplicate_and_a_hint(world: World) -> None:
    await world.take(world.purchase("o-1", phone="1"), world.sign_in("2"))
    outcomes = await world.take(world.purchase("o-1", phone="2"), world.purchase("o-1", phone="3"))
    assert verdicts(outcomes) == ["duplicate", "duplicate"]
    hints = await world.rows("SELECT member_id, other_id, value FROM merge_hint ORDER BY value")
    one, two = await world.member_of("1"), await world.member_of("2")
    assert [tuple(hint) for hint in hints] == [(one, two, "2"), (one, None, "3")]
    assert await world.value("SELECT count(*) FROM member") == 2


async def test_from_the_future_is_refused_by_the_business_clock(world: World) -> None:
    outcomes = await world.take(
        world.sign_in("1", time="2018-01-10T12:05:00Z"), world.sign_in("2", time="2018-01-10T12:05:01Z")
    )
    assert verdicts(outcomes) == ["accepted", "refused:from_the_future"]


async def test_nothing_is_taken_while_no_programme_is_in_force(bare_world: World) -> None:
    with pytest.raises(NoProgramme):
        await bare_world.take(bare_world.sign_in())


async def test_an_activity_is_stamped_with_the_version_in_force_at_its_time(world: World) -> None:
    switch = world.now.replace(day=10, hour=13)
    await world.put_in_force(2, switch, zone="Asia/Shanghai")
    world.now = world.now.replace(day=12)
    await world.take(
        world.sign_in(time="2018-01-10T12:59:59Z"), world.sign_in(time="2018-01-10T20:00:00Z"), world.sign_in(phone="2")
    )
    said = [(e.programmeversion, str(e.localday)) for e in await world.said() if e.subject is not None]
    assert said == [(1, "2018-01-10"), (2, "2018-01-11"), (1, "2018-01-09")]
