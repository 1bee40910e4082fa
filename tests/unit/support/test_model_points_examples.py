"""P1–P12 of domain.md 3.6 against the independent model. Amounts in minor units (fen)."""

from __future__ import annotations

from tests.support.model_programme import reference_programme
from tests.support.model_world import World
from tests.support.reports import purchase_report, sign_in_report
from tests.support.stories import Story


def taken_back(story: Story) -> list[int]:
    """What each refund took back."""
    return [-entry.points for entry in story.member.ledger.entries if entry.kind == "taken_back"]


def test_p1_a_regular_earns_99_points_for_99_99() -> None:
    story = Story()
    story.buys("a", 9999, at="2025-03-01 10:00")
    assert story.points("a") == 99


def test_p2_a_silver_earns_119_points_for_99_99() -> None:
    story = Story()
    story.buys("lift", 20000, at="2025-03-01 10:00")
    story.buys("a", 9999, at="2025-03-02 10:00")
    assert story.points("a") == 119


def test_p3_the_order_that_lifts_earns_at_the_old_tier_and_the_next_at_the_new_one() -> None:
    story = Story()
    story.buys("a", 25000, at="2025-03-01 10:00")
    story.buys("b", 10000, at="2025-03-01 11:00")
    assert story.member.net_points() == {"a": 250, "b": 120}
    assert story.member.tier_name == "silver"


def test_p4_points_read_off_the_final_facts_are_those_after_catching_up() -> None:
    # The model has no lag: what it rates at once is what a stopped tier-svc must lead to after it has caught up.
    story = Story()
    story.buys("a", 25000, at="2025-03-01 10:00")
    story.buys("b", 10000, at="2025-03-01 11:00")
    rated_at_once = sum(rating.now for rating in story.member.earning.ratings.values())
    assert sum(story.member.net_points().values()) == rated_at_once == 370


def test_p5_three_refunds_of_a_third_take_back_33_each() -> None:
    story = Story()
    story.buys("a", 9999, at="2025-03-01 10:00")
    left = []
    for hour in (11, 12, 13):
        story.refunds("a", 3333, at=f"2025-03-01 {hour}:00")
        left.append(story.points("a"))
    assert left == [66, 33, 0]
    assert taken_back(story) == [33, 33, 33]


def test_p6_points_spent_before_a_refund_become_debt_that_the_next_award_repays() -> None:
    story = Story()
    story.buys("a", 9999, at="2025-03-01 10:00")
    assert story.spends(60).refused is None
    story.refunds("a", 9999, at="2025-03-02 10:00")
    assert (taken_back(story), story.member.debt) == ([39], 60)
    assert story.spends(1).refused == "debt"
    story.buys("b", 10000, at="2025-03-03 10:00")
    assert (story.points("b"), story.member.debt, story.member.available) == (100, 0, 40)


def test_p7_sign_ins_on_both_sides_of_midnight_are_a_streak_of_two() -> None:
    story = Story()
    story.signs_in("2025-03-01 23:59")
    story.signs_in("2025-03-02 00:01")
    assert [lot.granted for lot in story.member.lots] == [5, 5]
    assert story.member.earning.streak(story.instant("2025-03-02 12:00").date()) == 2


def test_p8_the_same_receipt_from_the_till_and_the_web_is_one_award() -> None:
    world = World(reference_programme())
    first = purchase_report("pos/store-1", "e1", "2025-03-01T10:00:00+08:00", "card-1", "o1", (9999,))
    again = purchase_report("web", "e2", "2025-03-01T10:05:00+08:00", "card-1", "o1", (9999,), channel="online")
    assert [world.tell(first).status, world.tell(again).status] == ["accepted", "duplicate"]
    assert world.member({"kind": "card", "value": "card-1"}).net_points() == {"o1": 99}


def test_p9_points_of_the_31st_of_january_expire_on_the_1st_of_february_a_year_on() -> None:
    story = Story()
    story.buys("a", 10000, at="2025-01-31 12:00")
    assert story.member.lots[0].expires_at == story.instant("2026-02-01 00:00")


def test_p10_a_lot_expires_by_the_month_of_the_programmes_zone() -> None:
    story = Story(reference_programme("USD", "America/New_York"))
    story.buys("a", 10000, at="2025-02-01T02:00:00+00:00")
    assert story.member.lots[0].expires_at == story.instant("2026-02-01T00:00:00-05:00")


def test_p11_a_refund_after_expiry_leaves_no_debt_whether_the_day_was_closed_or_not() -> None:
    for closed in (False, True):
        story = Story()
        story.buys("a", 10000, at="2025-01-31 12:00")
        if closed:
            story.closes("2026-02-02")
        story.refunds("a", 10000, at="2026-02-03 12:00")
        assert (story.points("a"), story.member.debt, story.member.ledger.balance) == (0, 0, 0)
        story.closes("2026-02-04")
        assert (story.member.debt, story.member.ledger.balance, story.member.lots[0].expired) == (0, 0, 0)


def test_p12_a_second_sign_in_on_one_day_is_a_duplicate() -> None:
    world = World(reference_programme())
    first = sign_in_report("app", "e1", "2025-03-01T10:00:00+08:00", "card-1")
    again = sign_in_report("web", "e2", "2025-03-01T20:00:00+08:00", "card-1")
    assert [world.tell(first).status, world.tell(again).status] == ["accepted", "duplicate"]
