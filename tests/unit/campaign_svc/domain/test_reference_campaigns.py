"""The three campaigns that domain.md 5 spells out: first purchase, big basket, upgrade gift."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaign_svc.domain.deciding import UnknownOrder
from campaign_svc.domain.standings import Standing
from tests.unit.campaign_svc.streams import START, Life


class TestFirstPurchase:
    def test_the_first_order_above_0_gives_100_points_dated_by_its_activity(self) -> None:
        life = Life()
        life.buy("a", 1)
        (award,) = life.granted
        assert (award.campaign_id, award.kind, award.points, award.order_id) == ("first-purchase", "points", 100, "a")
        assert award.at == START + timedelta(hours=1)

    def test_an_order_of_0_is_not_the_first_purchase(self) -> None:
        life = Life()
        life.buy("free", 0)
        life.buy("paid", 500)
        assert life.awards == [("first-purchase", "activity 2")]

    def test_it_is_given_once_for_ever(self) -> None:
        life = Life()
        for order in "abc":
            life.buy(order, 500)
        assert life.awards == [("first-purchase", "activity 1")]
        assert life.orders[life.member.member_id, "b"].outcomes == {"first-purchase": "per_member:1"}

    def test_a_partial_refund_leaves_it(self) -> None:
        life = Life()
        life.buy("a", 500)
        life.refund("a", 499)
        assert life.awards == [("first-purchase", "activity 1")]

    @pytest.mark.parametrize("split", [[500], [200, 300], [1, 498, 1]])
    def test_it_is_taken_back_when_nothing_is_left_however_that_came(self, split: list[int]) -> None:
        life = Life()
        life.buy("a", 500)
        for amount in split:
            life.refund("a", amount)
        assert life.awards == []
        assert [(t.by_number, t.award.order_id) for t in life.taken_back] == [(1 + len(split), "a")]

    def test_once_taken_back_it_is_not_given_to_a_later_order(self) -> None:
        life = Life()
        life.buy("a", 500)
        life.refund("a", 500)
        life.buy("b", 500)
        assert life.awards == []

    def test_a_refund_of_another_order_does_not_touch_it(self) -> None:
        life = Life()
        life.buy("a", 500)
        life.buy("b", 500)
        life.refund("b", 500)
        assert life.awards == [("first-purchase", "activity 1")]


class TestBigBasket:
    def test_a_regular_member_gets_none_whatever_the_amount(self) -> None:
        life = Life()
        life.buy("a", 1_000_000)
        assert [campaign for campaign, _ in life.awards] == ["first-purchase"]

    @pytest.mark.parametrize(("amount", "granted"), [(9_999, False), (10_000, True), (10_001, True)])
    def test_at_silver_the_threshold_is_100_00_of_the_whole_order(self, amount: int, granted: bool) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        life.buy("a", amount - 1_000, 1_000)
        assert (("big-basket", "activity 1") in life.awards) is granted

    @pytest.mark.parametrize("tier", ["silver", "gold", "diamond"])
    def test_every_tier_from_silver_up_gets_it(self, tier: str) -> None:
        life = Life()
        life.stand(1, tier, after=0)
        life.buy("a", 10_000)
        assert ("big-basket", "activity 1") in life.awards

    def test_a_refund_that_leaves_100_00_leaves_it_and_one_below_takes_it_back_once(self) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        life.buy("a", 12_000)
        life.refund("a", 2_000)
        assert ("big-basket", "activity 1") in life.awards
        life.refund("a", 1)
        life.refund("a", 1)
        taken = [(t.award.campaign_id, t.by_number) for t in life.taken_back]
        assert taken == [("big-basket", 3)]
        assert life.taken_back[0].why == "order_left_minor >= 10000 (is 9999)"

    def test_each_order_has_its_own(self) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        life.buy("a", 10_000)
        life.buy("b", 10_000)
        life.refund("a", lines={"0": 10_000})
        assert life.awards == [("upgrade-gift", "standing 1"), ("big-basket", "activity 2")]

    def test_the_order_that_lifts_to_silver_is_still_decided_at_regular(self) -> None:
        life = Life()
        life.stand(1, "silver", after=1)  # known before the order is decided, and holding after it
        life.buy("a", 20_000)
        life.buy("b", 20_000)
        assert life.awards == [
            ("first-purchase", "activity 1"), ("upgrade-gift", "standing 1"), ("big-basket", "activity 2"),
        ]  # fmt: skip

    def test_a_refund_judges_by_the_tier_of_the_rating_not_by_todays(self) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        life.buy("a", 20_000)
        life.stand(2, "regular", after=1, kind="lowered", before="silver")
        life.refund("a", 5_000)
        assert ("big-basket", "activity 1") in life.awards

    def test_the_highest_ordinal_decides_not_the_latest_place(self) -> None:
        life = Life()
        life.member.remember(Standing(2, 1, "raised", "silver", "gold", "gold", 1, START))
        life.member.remember(Standing(1, 0, "lowered", "silver", "regular", "regular", 1, START))
        life.buy("a", 10_000)
        assert ("big-basket", "activity 1") not in life.awards
        assert (life.member.tier, life.member.ordinal) == ("gold", 2)


class TestUpgradeGift:
    def test_a_rise_gives_a_coupon_caused_by_the_standing_fact(self) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        (award,) = life.granted
        assert (award.kind, award.coupon, award.cause, award.number, award.order_id, award.points) == (
            "coupon", "upgrade-gift", "standing", 1, None, 0,
        )  # fmt: skip

    def test_one_per_tier_for_ever(self) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        life.stand(2, "gold", after=0, before="silver")
        life.stand(3, "regular", after=0, kind="lowered", before="gold")
        life.stand(4, "silver", after=0)
        assert life.awards == [("upgrade-gift", "standing 1"), ("upgrade-gift", "standing 2")]

    @pytest.mark.parametrize("kind", ["kept", "lapsed", "lowered", "corrected", "overridden"])
    def test_nothing_but_a_rise_fires_it(self, kind: str) -> None:
        life = Life()
        life.stand(1, "gold", after=0, kind=kind)
        assert life.awards == []

    def test_a_refund_does_not_take_it_back(self) -> None:
        life = Life()
        life.buy("a", 20_000)
        life.stand(1, "silver", after=1)
        life.stand(2, "regular", after=2, kind="lowered", before="silver")
        life.refund("a", 20_000)
        assert life.awards == [("upgrade-gift", "standing 1")]

    def test_it_waits_until_the_position_has_passed_the_fact(self) -> None:
        life = Life()
        life.stand(1, "silver", after=2)
        assert life.awards == []
        life.buy("a", 100)
        assert life.awards == [("first-purchase", "activity 1")]
        life.buy("b", 100)
        assert life.awards == [("first-purchase", "activity 1"), ("upgrade-gift", "standing 1")]


def test_a_correction_is_in_force_although_it_fires_nothing() -> None:
    life = Life()
    life.stand(1, "silver", after=0, kind="corrected")
    life.buy("a", 10_000)
    assert life.awards == [("first-purchase", "activity 1"), ("big-basket", "activity 1")]


def test_what_is_said_about_a_member_is_numbered_without_gaps() -> None:
    life = Life()
    life.stand(1, "silver", after=0)
    life.buy("a", 10_000)
    life.refund("a", 10_000)
    numbers = [a.said_number for a in life.granted] + [t.said_number for t in life.taken_back]
    assert sorted(numbers) == [1, 2, 3, 4, 5]


def test_the_same_life_grants_the_same_ids() -> None:
    ids = []
    for _ in range(2):
        life = Life()
        life.stand(1, "silver", after=0)
        life.buy("a", 10_000)
        ids.append([award.award_id for award in life.granted])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_a_refund_of_an_unknown_order_is_set_aside() -> None:
    life = Life()
    with pytest.raises(UnknownOrder):
        life.refund("nowhere", 1)


class TestAStandingThatComesTooLate:
    """Only a dead letter in tier-svc can do this: the marks passed, and the facts came after its replay."""

    def test_what_it_would_have_granted_is_granted_for_the_old_cause(self) -> None:
        life = Life()
        life.buy("a", 10_000)
        life.buy("b", 10_000)
        life.rate_again(Standing(1, 1, "raised", "regular", "silver", "silver", 1, START))
        assert life.awards == [("first-purchase", "activity 1"), ("big-basket", "activity 2")]

    def test_what_it_would_not_have_granted_is_taken_back(self) -> None:
        life = Life()
        life.stand(1, "silver", after=0)
        life.buy("a", 10_000)
        life.rate_again(Standing(2, 0, "lowered", "silver", "regular", "regular", 1, START))
        assert [(t.award.campaign_id, t.by_cause, t.by_number) for t in life.taken_back] == [
            ("big-basket", "standing", 2)
        ]

    def test_an_older_fact_changes_nothing(self) -> None:
        life = Life()
        life.stand(2, "silver", after=0)
        life.buy("a", 10_000)
        before = life.awards
        life.rate_again(Standing(1, 0, "lowered", "silver", "regular", "regular", 1, START))
        assert life.awards == before
