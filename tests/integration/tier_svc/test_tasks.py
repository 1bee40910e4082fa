"""Growth tasks in the service: the same whatever the batches, the judge's own figures, and what a member is told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from laurel_contracts.activities import ActivityJoined, ReviewPosted
from laurel_kit.hearing import RawRecord
from tests.integration.tier_svc.counter import counter_of
from tests.integration.tier_svc.histories import History
from tests.integration.tier_svc.test_batch_cuts import every_metric
from tests.integration.tier_svc.world import Log, NewWorld, programme_of, purchase, refund
from tests.unit.tier_svc.domain.ladders import reference_document
from tests.unit.tier_svc.domain.replay import replayed
from tier_svc.domain.tasks import done_with
from tier_svc.handlers.say_again import say_members_again
from tier_svc.store.shelf import compiled

ANNA, NOBODY = UUID(int=2), UUID(int=9)
REWARDS = "laurel.task-reward.changed.v1"
NOON = datetime(2026, 5, 4, 4, tzinfo=UTC)  # 12:00 in Shanghai
TASKS: list[dict[str, Any]] = [
    {"id": "three-a-month", "name": "每月三单", "done_by": "purchase", "count": 3, "per": "month", "growth": 120},
    {"id": "big", "done_by": "purchase", "least_minor": 5_000, "per": "week", "growth": 60, "points": 25},
    {"id": "first-review", "done_by": "review", "growth": 50},
    {"id": "busy", "done_by": "sign_in", "count": 2, "within_days": 20, "growth": 15, "points": 5},
    {"id": "profile", "done_by": "join", "which": "profile-complete", "growth": 20, "text": "Tell us your name"},
]


def with_tasks(words: dict[str, Any]) -> dict[str, Any]:
    return words | {"tasks": TASKS}


@pytest.mark.parametrize("seed", [11, pytest.param(12, marks=pytest.mark.long)])
async def test_tasks_are_done_once_however_the_log_is_cut(new_world: NewWorld, seed: int) -> None:
    """INVARIANT: late purchases, refunds whole and in part, and periods that begin and end: the same efforts, buckets, standings and facts
    with every cut, and those of the judge alone. Efforts of a period that were not loaded, or loaded without what the same batch had
    changed, would break it."""
    words = with_tasks(every_metric())
    log = History(words, seed=seed, members=8, events=400, days=120, partitions=2).log
    cuts: dict[str, Iterable[list[RawRecord]]] = {f"by {size}": log.cut(size) for size in (1, 13, 1_000)}
    cuts["at random"] = log.cut_at_random(seed)
    dumps, saids = {}, {}
    for cut, transactions in cuts.items():
        world = await new_world(words)
        await world.drink_in(transactions)
        dumps[cut] = await world.dump()
        saids[cut] = sorted((row.event_id, row.body) for row in [*await world.said(), *await world.said(REWARDS)])
    for cut, dump in dumps.items():
        for table, rows in dumps["by 1"].items():
            assert dump[table] == rows, f"{table} differs when cut {cut}"
        assert saids[cut] == saids["by 1"], f"cut {cut} says something else"
    dump = dumps["by 1"]
    assert {row["task"] for row in dump["task_effort"]} == {"three-a-month", "big", "first-review", "busy"}
    assert {row["counts"] for row in dump["task_effort"]} == {True, False}
    streams = replayed(log.records, compiled(programme_of(words)))
    given = 0
    for row in dump["member"]:
        stream = streams[row["member_id"]]
        assert [row["spend_total"], row["largest_order"], row["growth_total"], *row["windows"]] == stream.sums.values
        days = [day["growth"] for day in dump["member_day"] if day["member_id"] == row["member_id"]]
        assert sum(days) == row["growth_total"]
        assert stream.efforts is not None
        given += sum(growth for _, growth in stream.efforts.given(10**7))
        periods = {(each.task, each.period) for each in stream.efforts.to_add()}
        assert sum(
            done_with(e for e in stream.efforts.to_add() if (e.task, e.period) == one) is not None for one in periods
        )
        # What was said of points is numbered without a gap, each goes on from the one before, and the last is what stands.
        said = [each for each in dump["task_reward"] if each["member_id"] == row["member_id"]]
        assert [each["number"] for each in said] == list(range(1, len(said) + 1))
        worth: dict[tuple[str, int], int] = {}
        for each in said:
            key = (each["task"], each["period"].toordinal())
            assert each["before"] == worth.get(key, 0) != each["points"]
            worth[key] = each["points"]
        for one in periods:
            done = done_with(e for e in stream.efforts.to_add() if (e.task, e.period) == one)
            assert worth.get(one, 0) == (0 if done is None else done.effort.points)
    assert given > 500
    assert {each["points"] for each in dump["task_reward"]} == {0, 25, 5}


async def test_a_member_is_told_what_is_done_what_is_missing_and_until_when(new_world: NewWorld) -> None:
    words = with_tasks(reference_document())
    world, log = await new_world(words), Log()
    log.activate(words)
    for n, days in enumerate((40, 39, 38, 3, 2)):
        log.tell(ANNA, purchase(f"o{n}", 6_000), NOON - timedelta(days=days))
    log.tell(ANNA, ReviewPosted(review_id="r", order_id="o1", sku="s", rating=5), NOON - timedelta(days=1))
    log.tell(ANNA, ActivityJoined(activity_id="quiz"), NOON)
    log.tell(ANNA, refund("o4", "f", 6_000), NOON)
    await world.drink(log, 3)
    async with counter_of(world, NOON) as counter:
        told = await counter.get(f"/v1/members/{ANNA}/tasks")
        offered = await counter.get("/v1/tasks")
        await counter.get(f"/v1/members/{NOBODY}/tasks", 404)
    items = {item["task"]: item for item in told["items"]}
    shown = {
        name: (item["have"], item["missing"], item["since"], item["by"], item["done"] is not None)
        for name, item in items.items()
    }
    assert shown == {
        # 2 and 1 May; the one of 2 May came back
        "three-a-month": (1, 2, "2026-05-01", "2026-05-31", False),
        "big": (0, 1, "2026-05-04", "2026-05-10", False),
        "first-review": (1, 0, None, None, True),
        "busy": (0, 2, None, None, False),
        "profile": (0, 1, None, None, False),
    }
    assert items["three-a-month"]["counted"] == [{"activity": 4, "day": "2026-05-01"}]
    assert items["first-review"]["why"] == "done on 2026-05-03 with activity 6: 1 were asked for; 50 growth"
    assert items["profile"]["text"] == "Tell us your name"
    done = [(each["task"], each["since"], each["day"], each["growth"]) for each in told["done"]]
    assert done == [
        ("first-review", None, "2026-05-03", 50),
        ("big", "2026-04-27", "2026-05-01", 60),
        ("three-a-month", "2026-03-01", "2026-03-27", 120),
        ("big", "2026-03-23", "2026-03-25", 60),
    ]
    assert told["growth"] == 290
    (row,) = (await world.dump())["member"]
    # 60 of each order but the one that came back, 10 for the review
    assert row["growth_total"] == 4 * 60 + 10 + told["growth"]
    assert offered["items"][0]["asks"] == "3 × purchase, once per month"


async def test_growth_by_tasks_moves_a_standing_and_a_refund_takes_it_back(new_world: NewWorld) -> None:
    words = with_tasks(reference_document())
    words["tiers"]["ladder"][1]["reach"] = [{"metric": "growth_total", "at_least": 120}]
    words["tiers"]["ladder"][1]["keep"] = []
    world, log = await new_world(words), Log()
    log.activate(words)
    for n in range(3):
        log.tell(ANNA, purchase(f"o{n}", 99), NOON + timedelta(days=n))
    await world.drink(log, 1)
    log.tell(ANNA, refund("o1", "f", 99), NOON + timedelta(days=4))
    await world.drink_in([[log.records[0][-1]]])
    facts = [msgspec.json.decode(row.body)["data"] for row in await world.said()]
    assert [(fact["kind"], fact["computed_to"], fact["metrics"]["growth_total"]) for fact in facts] == [
        ("raised", "silver", 120),
        ("lowered", "regular", 0),
    ]


async def test_points_for_a_task_are_said_with_their_cause_taken_back_by_a_refund_and_said_again(
    new_world: NewWorld,
) -> None:
    """INVARIANT: what a task is worth is said when it changes and only then, and the same bytes are said again. Points said once per
    activity, or not taken back with the order that had completed the task, would break it."""
    task = {"id": "two", "done_by": "purchase", "count": 2, "per": "month", "points": 30}
    words = reference_document() | {"tasks": [task]}
    world, log = await new_world(words), Log()
    log.activate(words)
    for n in range(3):
        log.tell(ANNA, purchase(f"o{n}", 99), NOON + timedelta(days=n))
    log.tell(ANNA, refund("o0", "f0", 99), NOON + timedelta(days=3))  # the third order takes its place: nothing changes
    log.tell(ANNA, refund("o1", "f1", 99), NOON + timedelta(days=4))
    log.tell(ANNA, purchase("o3", 99), NOON + timedelta(days=5))
    await world.drink(log, 2)
    rows = await world.said(REWARDS)
    said = [msgspec.json.decode(row.body)["data"] for row in rows]
    told = [(each["number"], each["points_before"], each["points"], each["cause"]) for each in said]
    assert told == [(1, 0, 30, "activity 2"), (2, 30, 0, "activity 5"), (3, 0, 30, "activity 6")]
    assert [each.get("done_with") for each in said] == [2, None, 6]
    assert {row.key for row in rows} == {row.number for row in rows} == {None}
    assert said[1]["why"].startswith("task two is done no more")
    async with world.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
    async with world.database.transaction() as tx:
        await say_members_again(UUID(int=0), world.open_store(tx))
    assert [bytes(row.body) for row in await world.said(REWARDS)] == [bytes(row.body) for row in rows]


async def test_a_task_that_rewards_nothing_is_refused(new_world: NewWorld) -> None:
    words = reference_document() | {"version": 2, "tasks": [{"id": "idle", "done_by": "join"}]}
    world = await new_world(reference_document())
    with pytest.raises(Exception, match="idle rewards nothing"):
        await world.load(words)


async def test_a_task_keeps_what_it_is_done_by(new_world: NewWorld) -> None:
    """INVARIANT: whether a task is done does not depend on the order of arrival.

    What would break it: an order does it by one version, a review is then not kept by the next one, and the order is refunded: the task
    is undone, although it would be done had the review come first."""
    by_order = reference_document() | {"tasks": [{"id": "first", "done_by": "purchase", "growth": 50}]}
    without = reference_document() | {"version": 2}
    by_review = reference_document() | {"version": 3, "tasks": [{"id": "first", "done_by": "review", "growth": 50}]}
    world = await new_world(by_order, without)
    with pytest.raises(Exception, match="first is done by purchase in an earlier version"):
        await world.load(by_review)
    await world.load(by_order | {"version": 4})


async def test_a_programme_without_tasks_pays_no_statement_for_them(new_world: NewWorld) -> None:
    """The hot path: nothing is read or written for tasks and benefits where the programme has none and nobody is erased."""
    world, log = await new_world(reference_document()), Log()
    log.activate(reference_document())
    for n in range(5):
        log.tell(ANNA, purchase(f"o{n}", 6_000), NOON + timedelta(days=n))
    log.tell(ANNA, refund("o0", "f", 6_000), NOON + timedelta(days=9))
    async with world.database.transaction() as tx:
        await tx.run(text("DROP TABLE task_effort, task_reward, profile, benefit_use, benefit_stock"))
    await world.drink(log, 2)
    (row,) = await world.rows("SELECT last_seq FROM member")
    assert row.last_seq == 6
