"""The ledger of the independent model beyond the worked examples: order of taking, expiry, what comes back, caps, campaigns."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.support.model_programme import reference_programme, with_campaigns
from tests.support.stories import Story


def balanced(story: Story) -> bool:
    """The entries add up to the balance."""
    ledger = story.member.ledger
    return sum(entry.points for entry in ledger.entries) == ledger.balance


def test_spending_takes_the_lots_that_expire_soonest() -> None:
    story = Story()
    story.buys("new", 10000, at="2025-03-01 10:00")
    story.buys("old", 10000, at="2025-02-20 10:00")  # came late, expires sooner
    spending = story.spends(150)
    assert [(piece.lot.lot_id, piece.points) for piece in spending.pieces] == [("order:old", 100), ("order:new", 50)]
    assert story.spends(51).refused == "not_enough"


def test_a_lot_cannot_be_spent_from_its_end_on_though_no_day_was_closed() -> None:
    story = Story()
    story.buys("a", 10000, at="2025-01-31 12:00")
    assert story.spends(10, at="2026-01-31 23:59:59").refused is None
    assert story.spends(10, at="2026-02-01 00:00").refused == "not_enough"


def test_a_closed_day_expires_what_is_left_of_a_lot() -> None:
    story = Story()
    story.buys("a", 10000, at="2025-01-31 12:00")
    story.spends(30)
    story.closes("2026-02-01")
    lot = story.member.lots[0]
    assert (lot.remaining, lot.expired, story.member.ledger.balance) == (0, 70, 0)
    assert balanced(story)


def test_a_lot_earned_after_its_end_repays_debt_and_expires_at_the_next_closed_day() -> None:
    story = Story()
    story.buys("a", 10000, at="2025-06-01 12:00")
    story.spends(100)
    story.closes("2026-02-10")
    story.refunds("a", 10000, at="2026-02-10 12:00")
    assert story.member.debt == 100
    story.buys("very-late", 15000, at="2025-01-05 12:00")  # over since 2026-02-01
    assert (story.member.debt, story.member.ledger.balance, story.member.available) == (0, 50, 0)
    story.closes("2026-02-11")
    assert (story.member.ledger.balance, story.member.ledger.lot("order:very-late").expired) == (0, 50)
    assert balanced(story)


def test_a_refund_takes_its_own_lot_first_then_the_soonest_then_owes() -> None:
    story = Story()
    story.buys("first", 5000, at="2025-01-10 12:00")
    story.buys("second", 10000, at="2025-02-10 12:00")
    story.buys("third", 3000, at="2025-03-10 12:00")
    story.spends(120)  # 50 of first, 70 of second
    story.refunds("second", 10000, at="2025-03-11 12:00")
    assert {lot.lot_id: lot.remaining for lot in story.member.lots} == {
        "order:first": 0,
        "order:second": 0,
        "order:third": 0,
    }
    assert (story.member.debt, balanced(story)) == (40, True)


def test_an_unallocated_refund_takes_from_every_line_as_an_exact_fraction() -> None:
    programme = replace(reference_programme(), rates={"wine": Fraction(3)}, not_qualifying=frozenset({"gift-card"}))
    story = Story(programme)
    story.buys("a", 10000, at="2025-03-01 10:00", category="wine")
    story.buys("b", 5000, 5000, at="2025-03-01 11:00")
    story.refunds("b", 2000, at="2025-03-01 12:00", line="1")
    story.refunds("b", 1, at="2025-03-01 13:00")
    assert (story.points("a"), story.points("b")) == (300, 79)
    story.buys("cards", 90000, at="2025-03-01 14:00", category="gift-card")
    assert (story.points("cards"), story.member.tier_name) == (0, "regular")


def test_points_spent_on_a_refunded_order_come_back_in_proportion() -> None:
    story = Story()
    story.buys("a", 10000, at="2025-01-10 12:00")
    story.buys("b", 10000, at="2025-02-10 12:00")
    story.spends(150, order_id="c")
    story.buys("c", 3000, at="2025-02-11 12:00")
    story.refunds("c", 1000, at="2025-02-12 12:00")  # a third of 150 comes back: 50 of b, the last spent
    assert (story.member.ledger.lot("order:b").remaining, story.member.ledger.lot("order:a").remaining) == (100, 0)
    story.refunds("c", 2000, at="2025-02-13 12:00")
    assert (story.member.ledger.balance, story.member.debt, balanced(story)) == (200, 0, True)


def test_points_that_come_back_after_their_end_last_until_the_31st_local_day_after() -> None:
    story = Story()
    story.buys("a", 10000, at="2025-01-10 12:00")
    story.spends(100, order_id="c")
    story.buys("c", 3000, at="2025-01-11 12:00")
    story.refunds("c", 3000, at="2026-02-05 12:00")
    lot = story.member.lots[-1]
    assert (lot.remaining, lot.expires_at) == (100, story.instant("2026-03-08 00:00"))


def test_every_full_week_of_sign_ins_pays_20_more_and_a_late_one_pays_what_it_joins() -> None:
    story = Story()
    for day in (1, 2, 3, 5, 6, 7):
        story.signs_in(f"2025-03-0{day} 10:00")
    story.signs_in("2025-03-04 10:00")  # late: joins two runs of three into one of seven
    assert [lot.granted for lot in story.member.lots] == [5, 5, 5, 5, 5, 5, 25]


def test_a_fourth_review_on_a_local_day_earns_nothing() -> None:
    story = Story()
    for number in range(4):
        story.reviews(f"r{number}", at="2025-03-01 10:00", photos=number % 2)
    story.reviews("r5", at="2025-03-02 10:00")
    assert [lot.granted for lot in story.member.lots] == [20, 30, 20, 20]


def test_an_activity_joined_earns_30_and_a_complaint_nothing() -> None:
    story = Story()
    story.joins("quiz", at="2025-03-01 10:00")
    story.does("complaint", at="2025-03-01 11:00")
    story.does("survey", at="2025-03-01 12:00")
    assert [(lot.lot_id, lot.granted) for lot in story.member.lots] == [("joined:quiz", 30)]
    assert story.member.clock == story.instant("2025-03-01 12:00")


def test_a_provisional_member_earns_but_cannot_spend_until_registered() -> None:
    story = Story(provisional=True)
    story.buys("a", 10000, at="2025-03-01 10:00")
    assert story.spends(10).refused == "provisional"
    story.registers("2025-03-01 11:00")
    assert story.spends(10).refused is None


def test_first_purchase_and_big_basket_are_lots_of_their_own_and_are_taken_back() -> None:
    story = Story(with_campaigns(reference_programme()))
    story.buys("free", 0, at="2025-03-01 09:00")
    story.buys("a", 25000, at="2025-03-01 10:00")
    story.buys("b", 10000, at="2025-03-01 11:00")
    assert story.member.awards() == {"first-purchase:a": 100, "big-basket:b": 50}
    story.refunds("b", 1, at="2025-03-02 10:00")
    story.refunds("a", 25000, at="2025-03-03 10:00")
    assert story.member.awards() == {"first-purchase:a": 0, "big-basket:b": 0}
    story.buys("c", 10000, at="2025-03-04 10:00")
    assert "first-purchase:c" not in story.member.awards()
    assert balanced(story)


def test_an_upgrade_gift_comes_once_per_tier_for_ever() -> None:
    story = Story(with_campaigns(reference_programme()))
    story.buys("a", 20000, at="2025-03-01 10:00")
    story.refunds("a", 20000, at="2025-03-02 10:00")
    story.buys("b", 20000, at="2025-03-03 10:00")
    assert story.kinds() == ["raised", "lowered", "raised"]
    assert story.member.upgrade_coupons() == ["silver"]


@pytest.mark.parametrize("split", [(9999,), (1, 9998), (5000, 4999), (3333, 3333, 3333)])
def test_all_refunds_together_take_back_exactly_what_the_order_earned(split: tuple[int, ...]) -> None:
    story = Story()
    story.buys("a", 6000, 3999, at="2025-03-01 10:00")
    for hour, amount in enumerate(split, 11):
        story.refunds("a", amount, at=f"2025-03-01 {hour}:00")
    assert (story.points("a"), story.member.ledger.balance, story.member.debt) == (0, 0, 0)
