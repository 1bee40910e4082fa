"""T1–T11 of domain.md 4 against the independent model. Amounts in minor units (fen)."""

from __future__ import annotations

from tests.support.stories import Story


def t3() -> Story:
    """400.00 on 1 March and 600.00 on 2 March of the same year."""
    story = Story()
    story.buys("a", 40000, at="2025-03-01 10:00")
    story.buys("b", 60000, at="2025-03-02 10:00")
    return story


def t8() -> Story:
    """T3, the 4th of March a year on is closed, then 500.00 of the 1st arrives."""
    story = t3()
    story.closes("2026-03-04")
    assert story.member.tier_name == "silver"
    story.buys("late", 50000, at="2026-03-01 10:00")
    return story


def test_t1_one_order_of_200_makes_a_silver() -> None:
    story = Story()
    story.buys("a", 20000, at="2025-03-01 10:00")
    assert story.member.tier_name == "silver"
    fact = story.member.facts[0]
    assert (fact.ordinal, fact.holds_after, fact.kind) == (1, 1, "raised")


def test_t2_silver_comes_when_the_orders_add_up_to_500() -> None:
    story = Story()
    tiers = []
    for number, amount in enumerate((15000, 15000, 15000, 5000), 1):
        story.buys(str(number), amount, at=f"2025-03-0{number} 10:00")
        tiers.append(story.member.tier_name)
    assert tiers == ["regular", "regular", "regular", "silver"]


def test_t3_a_thousand_within_365_days_makes_a_gold() -> None:
    story = t3()
    assert story.tiers() == ["silver", "gold"]
    assert story.until() == "2026-03-02"


def test_t4_gold_that_is_not_kept_lapses_to_the_tier_that_is() -> None:
    story = t3()
    story.closes("2026-03-02")
    assert (story.member.tier_name, story.until()) == ("silver", "2027-03-02")
    assert story.kinds() == ["raised", "raised", "lapsed"]
    fact = story.member.facts[-1]
    assert (fact.holds_after, fact.since) == (2, story.instant("2026-03-02 00:00"))


def test_t5_spending_counts_anew_after_a_lapse() -> None:
    story = t3()
    story.closes("2026-03-02")
    story.buys("c", 30000, at="2026-03-05 10:00")
    assert (story.member.tier_name, story.until()) == ("silver", "2027-03-02")
    assert len(story.member.facts) == 3


def test_t6_a_refund_of_the_order_that_lifted_drops_at_once() -> None:
    story = Story()
    story.buys("a", 20000, at="2025-03-01 10:00")
    story.refunds("a", 20000, at="2025-03-03 10:00")
    assert (story.tiers(), story.kinds(), story.until()) == (["silver", "regular"], ["raised", "lowered"], "never")


def test_t7_a_tier_stays_if_it_was_kept_on_the_day_its_period_was_decided() -> None:
    story = t3()
    story.buys("c", 100, at="2026-03-01 10:00")
    story.closes("2026-12-01")
    assert story.member.tier_name == "silver"
    story.refunds("c", 1, at="2026-12-02 10:00")
    assert story.member.tier_name == "silver"
    assert story.kinds() == ["raised", "raised", "lapsed"]


def test_t8_a_late_order_has_the_end_judged_again_and_is_itself_rated_as_before() -> None:
    story = t8()
    assert (story.member.tier_name, story.until()) == ("gold", "2027-03-02")
    fact = story.member.facts[-1]
    assert (fact.kind, fact.holds_after) == ("corrected", 3)
    assert story.points("late") == 600  # at silver, × 1.2


def test_t9_an_order_more_than_168_hours_late_judges_no_end_again() -> None:
    story = t3()
    story.closes("2026-03-20")
    story.buys("late", 50000, at="2026-03-01 10:00")
    assert (story.member.tier_name, story.kinds()) == ("silver", ["raised", "raised", "lapsed"])


def test_t10_what_came_late_still_counts_when_the_end_is_judged_once_more() -> None:
    story = t8()
    story.buys("later", 1, at="2026-03-01 11:00")
    assert (story.member.tier_name, story.kinds()[-1]) == ("gold", "corrected")
    assert len(story.member.facts) == 4  # nothing differs, so no second correction


def test_t11_an_end_judged_again_knows_what_came_too_late_to_have_it_judged() -> None:
    story = t3()
    story.closes("2026-03-07")
    story.buys("too-late", 50000, at="2026-02-27 10:00")
    assert story.member.tier_name == "silver"
    story.buys("late", 1, at="2026-03-01 11:00")
    assert story.member.tier_name == "gold"
