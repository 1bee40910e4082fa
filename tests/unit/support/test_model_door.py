"""The door of the independent model (domain.md 2.2): once, whose, numbered, waiting; and the closed day (2.3)."""

from __future__ import annotations

from tests.support.model_door import Report
from tests.support.model_programme import reference_programme
from tests.support.model_world import World
from tests.support.reports import joined_report, purchase_report, refund_report, review_report

DAY = "2025-03-01T10:00:00+08:00"
LATER = "2025-03-02T10:00:00+08:00"
ANNA = {"kind": "card", "value": "anna"}


def order(event_id: str = "e1", value: str = "anna", order_id: str = "o1", *lines: int, source: str = "till") -> Report:
    """A purchase of 60.00 + 40.00, unless lines are given."""
    return purchase_report(source, event_id, DAY, value, order_id, lines or (6000, 4000))


def statuses(world: World, *reports: Report) -> list[str]:
    """What became of each."""
    return [world.tell(each).status for each in reports]


def test_the_same_order_with_another_amount_is_a_conflict_and_changes_nothing() -> None:
    world = World(reference_programme())
    assert statuses(world, order(), order("e2", "anna", "o1", 6000, 4001)) == ["accepted", "conflict"]
    assert world.member(ANNA).net_points() == {"o1": 100}


def test_the_same_order_under_another_member_is_a_duplicate_that_enrols_nobody() -> None:
    world = World(reference_programme())
    assert statuses(world, order(), order("e2", "bea")) == ["accepted", "duplicate"]
    assert len(world.members) == 1


def test_a_refused_report_uses_up_no_key() -> None:
    world = World(reference_programme())
    bad = order()
    bad["data"]["amount_minor"] = 1
    assert statuses(world, bad, order()) == ["refused", "accepted"]


def test_a_refund_waits_for_its_order_and_what_exceeds_it_is_a_dead_letter() -> None:
    world = World(reference_programme())
    first = refund_report("till", "r1", LATER, "o1", "r1", 7000)
    second = refund_report("till", "r2", LATER, "o1", "r2", 7000)
    third = refund_report("till", "r3", LATER, "o1", "r3", [("2", 1, 3000)])
    assert statuses(world, first, second, third) == ["waiting"] * 3
    outcome = world.tell(order())
    assert [each.status for each in outcome.released] == ["accepted", "dead_letter", "accepted"]
    assert [event.seq for _, event in outcome.numbered] == [1, 2, 3]
    assert world.member(ANNA).orders["o1"].left_minor == 0


def test_a_refund_belongs_to_the_member_of_its_order_whatever_it_carries() -> None:
    world = World(reference_programme())
    refund = refund_report("till", "r1", LATER, "o1", "r1", 1000, "bea")
    assert statuses(world, order(), order("e2", "bea", "o2"), refund) == ["accepted"] * 3
    assert world.member(ANNA).net_points() == {"o1": 90}


def test_a_refund_above_what_is_left_or_of_an_unknown_line_is_refused() -> None:
    world = World(reference_programme())
    world.tell(order())
    reports = [
        refund_report("till", "r1", LATER, "o1", "r1", 10001),
        refund_report("till", "r2", LATER, "o1", "r2", [("1", 1, 6001)]),
        refund_report("till", "r3", LATER, "o1", "r3", [("9", 1, 1)]),
        refund_report("till", "r4", LATER, "o1", "r4", 5000),
        refund_report("till", "r5", LATER, "o1", "r5", [("1", 1, 6000)]),  # of the line there is, of the order not
    ]
    assert statuses(world, *reports) == ["refused", "refused", "refused", "accepted", "refused"]


def test_a_refund_reported_twice_counts_once_and_with_another_amount_is_a_conflict() -> None:
    world = World(reference_programme())
    reports = [refund_report("till", name, LATER, "o1", "r1", what) for name, what in (("a", 10), ("b", 10), ("c", 11))]
    assert statuses(world, order(), *reports) == ["accepted", "accepted", "duplicate", "conflict"]


def test_a_review_waits_for_an_order_of_the_member_and_counts_once_per_sku() -> None:
    world = World(reference_programme())
    early = review_report("app", "v1", LATER, "anna", "v1", "o1", "sku-1")
    again = review_report("app", "v2", LATER, "anna", "v2", "o1", "sku-1")
    other = review_report("app", "v3", LATER, "bea", "v3", "o1", "sku-2")
    assert statuses(world, early, order(), again, other) == ["waiting", "accepted", "duplicate", "waiting"]
    assert [lot.granted for lot in world.member(ANNA).lots] == [100, 20]


def test_an_unknown_subject_is_refused() -> None:
    world = World(reference_programme())
    assert world.tell({**order(), "subject": "nobody"}).status == "refused"


def test_an_unknown_identifier_enrols_a_provisional_member_until_it_is_registered() -> None:
    world = World(reference_programme())
    spend: Report = {"command": "spend", "identifier": ANNA, "points": 10}
    register: Report = {"command": "register", "identifier": ANNA, "time": LATER}
    assert statuses(world, order(), spend, register, spend) == ["accepted", "refused", "accepted", "accepted"]
    assert world.tell(register).status == "duplicate"


def test_an_activity_is_joined_once_by_each_member() -> None:
    world = World(reference_programme())
    reports = [joined_report("app", f"j{n}", DAY, who, "quiz") for n, who in enumerate(("anna", "anna", "bea"))]
    assert statuses(world, *reports) == ["accepted", "duplicate", "accepted"]


def test_a_day_closed_again_or_earlier_is_ignored_and_moves_only_members_there_are() -> None:
    world = World(reference_programme())
    close: Report = {"command": "day.close", "as_of": "2026-03-02T00:00:00+08:00"}
    earlier: Report = {"command": "day.close", "as_of": "2026-03-01T00:00:00+08:00"}
    world.tell(order("e1", "anna", "o1", 20000))
    assert statuses(world, close, close, earlier) == ["accepted", "ignored", "ignored"]
    world.tell(order("e2", "bea", "o2"))
    assert world.member({"kind": "card", "value": "bea"}).clock != world.member(ANNA).clock
