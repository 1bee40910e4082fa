"""Points as money (domain.md 3.5): exact, rounded down, never more than their share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laurel_contracts.programme import CheckoutRule
from points_svc.domain import checkout
from points_svc.domain.rules import Rules, rules_of
from tests.unit.points_svc.script import programme

BASE = rules_of(programme())


def rules(per_major: int = 100, share: int = 30, least: int = 1, exponent: int = 2) -> Rules:
    rule = CheckoutRule(points_per_major_unit=per_major, max_share_percent=share, min_points=least)
    return replace(BASE, checkout=rule, minor_units=10**exponent)


ANY_RULES = st.builds(
    rules, st.integers(1, 2_000), st.integers(0, 100), st.integers(0, 500), st.sampled_from([0, 2, 3, 4])
)


@pytest.mark.parametrize(
    ("order", "available", "per_major", "points", "worth"),
    [
        (10_000, 100_000, 100, 3_000, 3_000),  # the reference: 100 points are 1.00, 30 % of 100.00
        (10_000, 500, 100, 500, 500),
        (9_999, 100_000, 100, 2_999, 2_999),  # 29.997 is 29.99
        (3, 100, 100, 0, 0),
        (10_000, 100_000, 1, 30, 3_000),  # a point is 1.00
        (10_150, 100_000, 1, 30, 3_000),  # 30.45 are 30 points: the 31st would exceed it
        (10_000, 999, 1_000, 990, 99),  # 1000 points are 1.00: the last nine of 999 buy nothing and stay
    ],
)
def test_the_most_that_may_be_used(order: int, available: int, per_major: int, points: int, worth: int) -> None:
    found = checkout.quote(order, 0, available, rules(per_major))
    assert (found.points, found.worth_minor) == (points, worth)


def test_below_the_minimum_nothing_is_used() -> None:
    assert checkout.quote(10_000, 0, 99, rules(least=100)).points == 0
    refused = checkout.refusal(99, 10_000, 0, rules(least=100))
    assert refused is not None
    assert refused.kind == "checkout_below_minimum"


@given(ANY_RULES, st.integers(1, 10**12), st.lists(st.integers(0, 10**12), min_size=1, max_size=6))
def test_however_a_payment_is_cut_points_never_buy_more_than_their_share(
    rule: Rules, order: int, wallets: list[int]
) -> None:
    """Rounding up anywhere, or judging each hold alone, would break this."""
    used = worth = 0
    for available in wallets:
        found = checkout.quote(order, used, available, rule)
        assert found.points <= available
        if found.points:
            assert checkout.refusal(found.points, order, used, rule) is None
        used += found.points
        worth += found.worth_minor
    assert worth * 100 <= order * rule.checkout.max_share_percent
    assert checkout.worth_minor(used, rule) * 100 <= order * rule.checkout.max_share_percent


@given(ANY_RULES, st.integers(1, 10**9), st.integers(0, 10**9), st.integers(1, 10**12))
def test_what_is_granted_is_within_the_share_and_one_point_less_of_a_quote_is_worth_less(
    rule: Rules, order: int, already: int, points: int
) -> None:
    if checkout.refusal(points, order, already, rule) is None:
        worth = checkout.worth_minor(points + already, rule)
        assert worth * 100 <= order * rule.checkout.max_share_percent
    found = checkout.quote(order, 0, points, rule)
    if found.points:
        assert checkout.worth_minor(found.points - 1, rule) < found.worth_minor


@given(ANY_RULES, st.integers(1, 10**9))
def test_with_points_enough_the_share_is_used_as_far_as_whole_points_reach(rule: Rules, order: int) -> None:
    by_share = checkout.quote(order, 0, 10**15, rule).points_by_share
    share = checkout.share_minor(order, rule)
    step = -(-rule.minor_units // rule.checkout.points_per_major_unit)
    assert share - step < checkout.worth_minor(by_share, rule) <= share
