"""Limits, awards of several items, facts that refunds move, and orders line by line."""

from __future__ import annotations

from typing import Any

import pytest

from campaign_svc.domain.deciding import Settled, Settling
from campaign_svc.domain.orders import new_order
from laurel_contracts.activities import MemberSignedIn, RefundLine
from laurel_contracts.decisions import MemberRegistered
from laurel_contracts.envelope import derived_id
from tests.unit.campaign_svc.programmes import campaign, leaf, with_campaigns
from tests.unit.campaign_svc.streams import ALICE, Life, purchase


def test_per_member_counts_grants_not_items() -> None:
    what: list[dict[str, Any]] = [{"kind": "points", "points": 5}, {"kind": "coupon", "coupon": "c"}]
    life = Life(with_campaigns(campaign(what=what, limits={"per_member": 2})))
    for order in "abc":
        life.buy(order, 100)
    assert [(a.number, a.item, a.kind) for a in life.granted] == [
        (1, 0, "points"), (1, 1, "coupon"), (2, 0, "points"), (2, 1, "coupon"),
    ]  # fmt: skip
    assert len({a.award_id for a in life.granted}) == 4


def test_per_member_and_tier_counts_each_tier_for_itself() -> None:
    life = Life(with_campaigns(campaign(limits={"per_member_and_tier": 1})))
    life.buy("a", 100)
    life.buy("b", 100)
    life.stand(1, "silver", after=2)
    life.buy("c", 100)
    life.buy("d", 100)
    assert life.awards == [("one", "activity 1"), ("one", "activity 3")]


def test_an_award_that_is_not_taken_back_stays_after_a_whole_refund() -> None:
    life = Life(with_campaigns(campaign(who=leaf("order_left_minor", ">", 0), taken_back=False)))
    life.buy("a", 100)
    life.refund("a", 100)
    assert life.awards == [("one", "activity 1")]


def test_a_category_campaign_follows_refunds_line_by_line() -> None:
    life = Life(with_campaigns(campaign(who=leaf("category_left_minor(c1)", ">=", 300))))
    life.buy("a", 1_000, 400)
    life.refund("a", lines={"0": 1_000})
    assert life.awards == [("one", "activity 1")]
    life.refund("a", lines={"1": 101})
    assert life.awards == []


def test_an_unallocated_refund_lowers_every_category_in_proportion() -> None:
    life = Life(with_campaigns(campaign(who=leaf("category_left_minor(c1)", ">=", 300))))
    life.buy("a", 600, 400)
    life.refund("a", 250)  # 400 × 750 ÷ 1000 = 300
    assert life.awards == [("one", "activity 1")]
    life.refund("a", 1)
    assert life.awards == []


def test_lines_are_kept_only_where_a_condition_asks_for_categories() -> None:
    plain, asking = Life(), Life(with_campaigns(campaign(who=leaf("category_left_minor(c0)", ">", 0))))
    for life in (plain, asking):
        life.buy("a", 5, 6)
    without, with_lines = plain.orders[ALICE, "a"].order, asking.orders[ALICE, "a"].order
    assert without is not None
    assert without.lines is None
    assert with_lines is not None
    assert [line.left_minor for line in with_lines.lines or ()] == [5, 6]


def test_other_activities_fire_campaigns_of_their_own() -> None:
    life = Life(
        with_campaigns(
            campaign("app", leaf("channel", "==", "app"), when="laurel.member.signed-in.v1"),
            campaign("welcome", leaf("referred", "==", False), when="laurel.member.registered.v1"),
        )
    )
    life.tell("laurel.member.registered.v1", MemberRegistered())
    life.tell("laurel.member.signed-in.v1", MemberSignedIn(channel="web"))
    life.tell("laurel.member.signed-in.v1", MemberSignedIn(channel="app"))
    assert life.awards == [("welcome", "activity 1"), ("app", "activity 3")]


def test_member_day_is_a_campaign_on_the_local_day_of_the_month() -> None:
    life = Life(with_campaigns(campaign(who=leaf("local_day_of_month", "==", 1))))
    life.buy("a", 1)
    assert life.awards == [("one", "activity 1")]


def test_orders_are_counted_by_number_this_one_included() -> None:
    life = Life(with_campaigns(campaign(who=leaf("orders_count", "==", 2))))
    for order in "abc":
        life.buy(order, 1)
    assert life.awards == [("one", "activity 2")]


def test_a_type_that_nobody_declared_passes_and_counts() -> None:
    life = Life()
    life.tell("laurel.something.new.v9", None)
    assert life.member.last_seq == 1


def settle_with_budget(life: Life, orders: int, used: int, budget: int = 3) -> Settled:
    """`orders` purchases in one batch, with so much of the budget used already."""
    from campaign_svc.domain.deciding import Foresight
    from laurel_contracts.envelope import Event
    from tests.unit.campaign_svc.streams import START

    foresight = Foresight(life.rules, {})
    for number in range(1, orders + 1):
        event = Event(
            id=str(number), source="t", type="laurel.purchase.recorded.v1", time=START, programmeversion=1,
            data=purchase(str(number), 1),
        )  # fmt: skip
        foresight.go_along(life.member, number, event)
    first = Settling({}, {}, {ALICE: 0}, derived_id).settle(foresight.steps)
    assert first.budgets_asked == {"one": budget}
    return Settling({}, {}, {ALICE: 0}, derived_id, {"one": used}).settle(foresight.steps)


class TestBudget:
    @pytest.mark.parametrize(("used", "granted", "emptied"), [(0, [1, 2, 3], 1), (2, [1], 1), (3, [], 0), (4, [], 0)])
    def test_it_goes_to_the_first_in_the_batch_and_says_once_that_it_is_empty(
        self, used: int, granted: list[int], emptied: int
    ) -> None:
        settled = settle_with_budget(Life(with_campaigns(campaign(limits={"budget": 3}))), orders=5, used=used)
        assert [award.number for award in settled.granted] == granted
        assert len(settled.emptied) == emptied
        assert settled.used.get("one", 0) == len(granted)
        refused = [outcomes["one"] for _, outcomes in settled.outcomes if outcomes["one"] != "granted"]
        assert refused == ["budget:3"] * (5 - len(granted))

    def test_what_the_budget_refuses_uses_up_no_other_limit(self) -> None:
        life = Life(with_campaigns(campaign(limits={"budget": 3, "per_member": 1})))
        settled = settle_with_budget(life, orders=2, used=3)
        assert [outcomes["one"] for _, outcomes in settled.outcomes] == ["budget:3", "budget:3"]

    def test_what_another_limit_refuses_uses_up_no_budget(self) -> None:
        life = Life(with_campaigns(campaign(limits={"budget": 3, "per_member": 1})))
        assert settle_with_budget(life, orders=5, used=0).used == {"one": 1}


class TestOrders:
    def test_a_refund_above_what_is_left_is_refused(self) -> None:
        order = new_order("a", 100, None)
        order.refund((), 60)
        with pytest.raises(ValueError, match="exceeds the 40"):
            order.refund((), 41)

    def test_lines_and_amounts_together_never_leave_more_than_the_order(self) -> None:
        order = new_order("a", 1_000, purchase("a", 333, 667).lines)
        order.refund((RefundLine(line_id="0", quantity=1, amount_minor=100),), None)
        order.refund((), 450)
        assert order.left_minor == 450
        assert order.category_left_minor("c0") == 233 * 450 // 900
        assert order.category_left_minor("c0") + order.category_left_minor("c1") <= 450
        assert order.untouched().category_left_minor("c0") == 333
