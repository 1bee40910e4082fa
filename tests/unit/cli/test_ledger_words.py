"""Every entry has an answer to "why so many points?": inputs, each factor, the result, rule and version."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from laurel_cli.ledger_words import Lens, entry_in_words, formula

LENS = Lens(
    "CNY", 2, ZoneInfo("Asia/Shanghai"), {"silver": "silver 银卡", "gold": "gold 金卡"}, {"big-basket": "Big basket"}
)


def why(**changes: Any) -> dict[str, Any]:
    return {
        "rule": "purchase", "version": 1, "amount_minor": 9_999, "parts": [{"left_minor": 9_999, "rate": "1"}],
        "tier": "silver", "ordinal": 1, "multiplier": "1.2", "minor_units": 100, "points": 119, **changes,
    }  # fmt: skip


def entry(reason: dict[str, Any], kind: str = "earned", points: int = 119) -> dict[str, Any]:
    return {"kind": kind, "points": points, "order_id": "o-1", "why": reason}


def test_a_purchase_shows_amount_rate_multiplier_and_where_it_was_rounded() -> None:
    """P2 of domain.md 3.6."""
    words = entry_in_words(entry(why()), LENS)
    assert (
        words
        == "order o-1 of 99.99 CNY: 99.99 × 1 × 1.2 (silver 银卡) = 119.988, rounded down 119 [programme version 1]"
    )


def test_what_comes_out_whole_is_not_called_rounded() -> None:
    reason = why(parts=[{"left_minor": 10_000, "rate": "1"}], points=120)
    assert formula(reason, LENS) == "100.00 × 1 × 1.2 (silver 银卡) = 120"


def test_parts_with_rates_of_their_own_excluded_ones_and_a_cap_are_told() -> None:
    parts = [
        {"left_minor": 5_000, "rate": "1"},
        {"left_minor": 1_000, "rate": "2.5"},
        {"left_minor": 3_999, "rate": "0", "excluded": True},
    ]
    reason = why(parts=parts, points=80, points_max_per_order=80)
    assert formula(reason, LENS) == (
        "(50.00 × 1 + 10.00 × 2.5) × 1.2 (silver 银卡) = 90, at most 80 an order: 80 (39.99 do not qualify)"
    )


def test_an_unallocated_refund_leaves_its_share_of_every_line() -> None:
    reason = why(
        rule="refund", refund_id="r1", refunded_minor=3_333, points_before=119, unallocated_minor=3_333, points=79
    )
    words = entry_in_words(entry(reason, "taken_back", -40), LENS)
    assert words.startswith("order o-1, 33.33 CNY of it refunded by now (refund r1): it had 119; what is left earns ")
    assert "99.99 × 1 × 66.66 ÷ 99.99 × 1.2 (silver 银卡) = 79.992, rounded down 79" in words


def test_a_correction_names_the_standing_that_it_follows() -> None:
    """P4 of domain.md 3.6."""
    reason = why(
        rule="rated again", parts=[{"left_minor": 10_000, "rate": "1"}], points=120, tier_before="regular", points_before=100,
        standing="raised", standing_cause="activity 1", holds_after=1,
    )  # fmt: skip
    assert entry_in_words(entry(reason, "rated_again", 20), LENS) == (
        "order o-1 is rated at silver 银卡 instead of regular, because standing 1 (raised by activity 1) holds for it: "
        "it had 100; now 100.00 × 1 × 1.2 (silver 银卡) = 120 [programme version 1]"
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ({"rule": "campaign", "version": 2, "campaign_id": "big-basket", "award_cause": "activity 7", "points": 50,
          "because": "order_left_minor >= 10000 (is 10942); tier in [silver, gold] (is gold)"},
         "campaign Big basket gives 50 for activity 7: order left >= 100.00 (is 109.42); tier in [silver, gold] (is gold) "
         "[programme version 2]"),
        ({"rule": "sign_in", "version": 1, "day": "2026-05-03", "points_per_day": 5, "run_days": 7, "streaks_paid_now": 1,
          "points_per_streak": 20, "points": 25}, "sign-in of 2026-05-03: 5 a day, and 1 × 20 for a run of 7 days [programme version 1]"),
        ({"rule": "sign_in", "version": 1, "day": "2026-05-03", "cap": "1 a day", "points": 0},
         "sign-in of 2026-05-03: no more than 1 a day [programme version 1]"),
        ({"rule": "review", "version": 1, "day": "2026-05-03", "photos": 2, "number_of_the_day": 4, "max_per_day": 3, "points": 0},
         "review with a photo, number 4 of 2026-05-03 (at most 3 a day): 0 [programme version 1]"),
        ({"rule": "expiry", "version": 1, "as_of": "2026-02-01T16:00:00Z"},
         "what was not spent by 2 Feb 2026 has expired [programme version 1]"),
        ({"rule": "spending", "key": "k", "points": 60, "order": "soonest expiry first", "reason": "tea"},
         "60 points spent for tea, those first that expire soonest"),
        ({"rule": "redemption", "version": 1, "reward_id": "mug", "reward": "A mug", "points": 1200, "per_member": 2, "had": 1,
          "per_period": 1, "period": "week", "had_in_period": 0},
         "1,200 points for reward mug (A mug), number 2 of at most 2, number 1 of at most 1 a week, those first that expire soonest "
         "[programme version 1]"),
        ({"rule": "cancellation", "version": 1, "reward_id": "mug", "points": 1200, "redeemed_at": "2026-05-03T16:30:00Z",
          "cancelled_by": "mei", "reason": "sold out"},
         "the 1,200 points of reward mug redeemed 4 May 2026 00:30 come back, cancelled by mei: sold out [programme version 1]"),
        ({"rule": "goodwill", "version": 3, "asked_by": "staff"}, "goodwill: asked by staff [programme version 3]"),
    ],
)  # fmt: skip
def test_each_rule_has_its_sentence_and_an_unknown_one_shows_what_it_says(reason: dict[str, Any], words: str) -> None:
    assert entry_in_words(entry(reason), LENS) == words


def test_a_services_own_reason_is_shown_with_money_instead_of_minor_units() -> None:
    assert LENS.reason("diamond is reached: spend_in_days(365) 300009 ≥ 300000") == (
        "diamond is reached: spend in 365 days 3,000.09 ≥ 3,000.00"
    )
    assert LENS.reason("silver is kept: orders_in_days(30) 4 ≥ 3") == "silver is kept: orders_in_days(30) 4 ≥ 3"
    assert LENS.reason("largest_order 20000 ≥ 20000") == "largest order 200.00 ≥ 200.00"


def test_times_are_those_of_the_programmes_zone() -> None:
    assert LENS.minute("2026-05-03T16:30:00Z") == "4 May 2026 00:30"
    assert LENS.day(None) == "–"


def moved(rule: str, points: int, **more: Any) -> str:
    reason = {
        "rule": rule, "version": 1, "points": 100, "expired_before": "2026-03-31T16:00:00Z",
        "expires_at": "2026-06-30T16:00:00Z", **more,
    }  # fmt: skip
    return entry_in_words(entry(reason, "extended", points), LENS)


def test_an_extension_says_from_when_to_when_why_and_by_whom() -> None:
    why_so = {"reason": "lost in the post", "actor": "staff-7"}
    assert moved("extension", 100, **why_so) == (
        "100 points last until 1 Jul 2026 00:00 instead of 1 Apr 2026 00:00: lost in the post (by staff-7) [programme version 1]"
    )
    assert moved("extension", -100, **why_so).startswith("100 points that would have expired on 1 Apr 2026 move on: ")


def test_what_slides_says_that_a_purchase_did_it() -> None:
    assert moved("sliding", 100).endswith("1 Apr 2026 00:00, because a purchase earned points [programme version 1]")


def test_a_cap_says_how_far_it_had_been_filled() -> None:
    caps = [{"per": "month", "at_most": 50, "kind": "clip", "so_far": 30}]
    reason = {"rule": "join", "version": 1, "activity_id": "quiz", "points": 20, "points_before_caps": 30, "caps": caps}
    words = entry_in_words(entry(reason, "earned", 20), LENS)
    assert "it would have been 30, but at most 50 a month (30 so far): 20" in words


def test_what_was_done_by_hand_names_who_and_why() -> None:
    alone = {
        "rule": "adjustment",
        "version": 1,
        "points": -50,
        "reason": "typo",
        "proposed_by": "anna",
        "posted_by": "anna",
    }
    words = entry_in_words(entry(alone, "adjusted", -50), LENS)
    assert words == "corrected by -50 by hand (anna): typo [programme version 1]"
    two = entry_in_words(entry(alone | {"points": 20_000, "posted_by": "boris"}, "adjusted", 20_000), LENS)
    assert two.startswith("corrected by +20,000 by hand (anna and boris): typo")
    reversal = {"rule": "reversal", "points": -10, "wanted": -30, "reversed_by": "boris", "reason": "wrong member"}
    assert entry_in_words(entry(reversal, "adjusted", -10), LENS) == (
        "a correction by hand is reversed (boris): -10 of -30; the rest had been spent, because wrong member"
    )


def test_rules_that_added_to_a_rate_are_named() -> None:
    extra = [{"rule": "weekend", "rate": "0.5", "priority": 1, "stack_group": "fun", "lines": ["1", "2"]}]
    words = entry_in_words(entry(why(extra=extra)), LENS)
    assert "; in these rates: weekend 0.5 a unit on 2 lines [programme version 1]" in words


def test_points_between_members_say_from_whom_to_whom_and_why_they_came_back() -> None:
    out = {"rule": "transfer", "points": 30, "to_member_id": "m2", "reason": "the kettle"}
    assert entry_in_words(entry(out), LENS) == (
        "30 points given to member m2 for the kettle, those first that expire soonest"
    )
    come = {"rule": "transfer", "points": 1_030, "from_member_id": "m1"}
    assert entry_in_words(entry(come), LENS) == (
        "1,030 points from member m1, which expire when they would have expired there"
    )
    back = {
        "rule": "transfer returned",
        "points": 10,
        "points_sent": 30,
        "to_member_id": "m2",
        "because": "member_frozen",
    }
    assert entry_in_words(entry(back), LENS) == (
        "10 of 30 points back from member m2, who could not take them: member frozen"
    )


def test_bonuses_say_for_whom_and_how_often_this_month() -> None:
    reason = {
        "rule": "share bonus", "version": 1, "by_member_id": "m2", "share_id": "s1", "month": "2025-03",
        "number_of_the_month": 2, "max_per_month": 5, "points": 50,
    }  # fmt: skip
    assert entry_in_words(entry(reason), LENS) == (
        "share s1 was followed by member m2, number 2 of 2025-03 (at most 5 a month): 50 [programme version 1]"
    )
    reason |= {"rule": "referral bonus", "points": 200}
    del reason["share_id"]
    assert entry_in_words(entry(reason), LENS).startswith("you brought member m2, number 2 of 2025-03")
    undone = {"rule": "share bonus undone", "points": 50, "because": "the purchase is refunded whole"}
    assert entry_in_words(entry(undone), LENS) == "50 taken back, because the purchase is refunded whole"
    brought = {
        "rule": "referral", "version": 1, "referrer_id": "m1", "order_id": "o-1", "refund_window_days": 14,
        "due": "2025-03-15T04:00:00Z", "points": 100,
    }  # fmt: skip
    assert entry_in_words(entry(brought), LENS) == (
        "brought by member m1: order o-1 has outlived its 14 days on 15 Mar 2025: 100 [programme version 1]"
    )
