"""T1–T11 of domain.md 4, word for word, and the sentences around them."""

from __future__ import annotations

import pytest

from tests.unit.tier_svc.domain.ladders import Told, reference_document, rules_of

RULES = rules_of(reference_document())


@pytest.fixture
def member() -> Told:
    return Told(RULES)


def t3(member: Told) -> tuple[str, str]:
    """400.00 on 1 March and 600.00 on 2 March of the same year."""
    return member.buys("2025-03-01 12:00", 40_000), member.buys("2025-03-02 12:00", 60_000)


def t8(member: Told) -> None:
    """T3, day.closed 4 March of the next year (silver), then 500.00 that happened on 1 March 10:00 arrives."""
    t3(member)
    member.day_closes("2026-03-04")
    assert member.tier == "silver"
    member.buys("2026-03-01 10:00", 50_000)


def test_t1_one_order_of_200_makes_silver(member: Told) -> None:
    member.buys("2025-03-01", 20_000)
    assert member.tier == "silver"


def test_t2_three_times_150_stays_regular_and_50_more_makes_silver(member: Told) -> None:
    tiers = []
    for day, amount in (("01", 15_000), ("02", 15_000), ("03", 15_000), ("04", 5_000)):
        member.buys(f"2025-03-{day}", amount)
        tiers.append(member.tier)
    assert tiers == ["regular", "regular", "regular", "silver"]


def test_t3_400_and_600_make_silver_then_gold(member: Told) -> None:
    member.buys("2025-03-01 12:00", 40_000)
    assert member.tier == "silver"
    member.buys("2025-03-02 12:00", 60_000)
    assert member.tier == "gold"
    assert member.until == "2026-03-02"


def test_t4_gold_is_not_kept_but_silver_is(member: Told) -> None:
    t3(member)
    member.day_closes("2026-03-02")
    assert (member.tier, member.until) == ("silver", "2027-03-02")
    lapsed = member.stream.facts[-1]
    assert lapsed.kind == "lapsed"
    assert lapsed.metrics["spend_in_days(365)"] == 60_000
    assert lapsed.holds_after == 2
    assert lapsed.standing.since == lapsed.at == RULES.calendar.start_of(member.at("2026-03-02").date())


def test_t5_after_the_lapse_the_counters_have_started_anew(member: Told) -> None:
    t3(member)
    member.day_closes("2026-03-02")
    member.buys("2026-03-05", 30_000)
    assert (member.tier, member.until) == ("silver", "2027-03-02")
    spend_total, largest_order, _, *windows = member.stream.sums.values
    assert (spend_total, largest_order, windows) == (30_000, 30_000, [30_000])


def test_t6_a_refund_of_the_order_drops_to_regular_at_once(member: Told) -> None:
    order = member.buys("2025-03-01", 20_000)
    member.refunds("2025-03-02", order, 20_000)
    assert member.tier == "regular"
    assert member.kinds == ["raised", "lowered"]
    assert member.stream.facts[-1].holds_after == 2


def test_t7_a_small_refund_does_not_undo_what_the_period_was_decided_by(member: Told) -> None:
    t3(member)
    last = member.buys("2026-03-01 12:00", 100)
    member.day_closes("2026-12-01")
    assert member.tier == "silver"
    member.refunds("2026-12-01 10:00", last, 1)
    assert member.tier == "silver"
    assert member.kinds[-1] == "lapsed"


def test_t8_an_end_is_judged_again_for_a_late_order(member: Told) -> None:
    t8(member)
    assert (member.tier, member.until) == ("gold", "2027-03-02")
    corrected = member.stream.facts[-1]
    assert (corrected.kind, corrected.holds_after, corrected.tier_from, corrected.tier_to) == (
        "corrected",
        3,
        "silver",
        "gold",
    )
    # The late order was rated by the standing that held for its number: the lapse to silver, said before it.
    assert [(fact.kind, fact.holds_after) for fact in member.stream.facts[-2:]] == [("lapsed", 2), ("corrected", 3)]


def test_t9_more_than_168_hours_late_judges_no_end_again(member: Told) -> None:
    t3(member)
    member.day_closes("2026-03-20")
    member.buys("2026-03-01 10:00", 50_000)
    assert member.tier == "silver"
    assert "corrected" not in member.kinds


def test_t10_one_more_late_cent_leaves_gold(member: Told) -> None:
    t8(member)
    member.buys("2026-03-01 11:00", 1)
    assert (member.tier, member.until) == ("gold", "2027-03-02")


def test_t11_an_end_judged_again_counts_all_that_is_known(member: Told) -> None:
    t3(member)
    member.day_closes("2026-03-07")
    member.buys("2026-02-27 10:00", 50_000)
    assert member.tier == "silver"
    member.buys("2026-03-01 11:00", 1)
    assert (member.tier, member.until) == ("gold", "2027-03-02")


def test_reaching_the_present_tier_again_changes_nothing(member: Told) -> None:
    member.buys("2025-03-01", 20_000)
    until = member.until
    member.buys("2025-04-01", 20_000)
    assert (member.kinds, member.until) == (["raised"], until)


def test_a_rise_skips_steps_in_one_fact(member: Told) -> None:
    member.buys("2025-03-01", 600_000)
    fact = member.stream.facts[0]
    assert (fact.kind, fact.tier_from, fact.tier_to, fact.holds_after) == ("raised", "regular", "diamond", 1)
    assert fact.rule == "diamond is reached: spend_total 600000 ≥ 500000"


def test_several_ends_are_judged_one_after_another_on_the_way(member: Told) -> None:
    t3(member)
    member.buys("2028-06-01", 100)
    assert member.tier == "regular"
    assert [(fact.kind, fact.tier_to, fact.holds_after) for fact in member.stream.facts[2:]] == [
        ("lapsed", "silver", 2),
        ("lapsed", "regular", 2),
    ]


def test_a_kept_period_says_so_and_lasts_as_long_as_the_first(member: Told) -> None:
    t3(member)
    member.buys("2026-01-05", 100_000)
    member.day_closes("2026-03-02")
    assert (member.kinds[-1], member.tier, member.until) == ("kept", "gold", "2027-03-02")
    assert member.stream.standing.held_since == member.at("2025-03-02").date()


def test_the_leap_day_is_clipped() -> None:
    member = Told(RULES)
    member.buys("2024-02-29 10:00", 20_000)
    assert member.until == "2025-02-28"


def test_a_purchase_at_the_end_itself_comes_after_it(member: Told) -> None:
    t3(member)
    member.buys("2026-03-02 00:00", 100_000)
    assert [(fact.kind, fact.holds_after) for fact in member.stream.facts[-2:]] == [("lapsed", 2), ("raised", 3)]
    assert member.tier == "gold"


def test_an_order_refunded_before_it_arrives_late_does_not_raise(member: Told) -> None:
    first, _ = t3(member)
    member.refunds("2025-03-03", first, 40_000)
    assert member.tier == "silver"
    member.buys("2025-03-01 09:00", 39_999)
    assert member.tier == "silver"
    member.buys("2025-03-01 09:30", 1)
    assert member.tier == "gold"


def test_what_does_not_qualify_counts_in_no_metric(member: Told) -> None:
    member.buys("2025-03-01", 90_000, category="gift-card")
    assert member.tier == "regular"
    assert member.stream.sums.values[:3] == [0, 0, 0]


def test_a_refund_without_lines_is_spread_over_what_is_left(member: Told) -> None:
    order = member.buys("2025-03-01", 20_000)
    member.refunds("2025-03-01 13:00", order, 1, by_line=False)
    assert member.stream.orders[order].counted == 19_999
    assert member.tier == "regular"


def test_a_refund_moves_the_clock_and_judges_the_ends_on_the_way_first(member: Told) -> None:
    _, second = t3(member)
    member.refunds("2026-03-02 08:00", second, 60_000)
    assert [(fact.kind, fact.holds_after, fact.tier_to) for fact in member.stream.facts[2:]] == [
        ("lapsed", 2, "silver")
    ]
    # Its own judgement: by (b), as of 1 March with the counters before the lapse, 400.00 of one order still reach silver.
    assert member.tier == "silver"


def test_a_day_that_was_closed_before_the_stream_began_moves_nobody(member: Told) -> None:
    member.stream.born_as_of = member.closed = member.at("2025-06-01")
    member.buys("2025-03-01", 20_000)
    member.buys("2025-03-02", 100)
    assert member.stream.clock == member.at("2025-03-02")
