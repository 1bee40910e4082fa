"""Points as money (domain.md 3.5)."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laurel_contracts.programme import CheckoutRule
from points_svc.domain import checkout
from points_svc.domain.rules import Rules, rules_of
from tests.unit.points_svc.script import programme


def rules(per_major: int = 100, percent: int = 30, least: int = 1, exponent: int = 2) -> Rules:
    document = programme()
    rule = CheckoutRule(points_per_major_unit=per_major, max_share_percent=percent, min_points=least)
    points = msgspec.structs.replace(document.points, checkout=rule)
    return rules_of(msgspec.structs.replace(document, exponent=exponent, points=points))


@pytest.mark.parametrize(
    ("order", "available", "points", "worth"),
    [
        (10_000, 100_000, 3_000, 3_000),  # 30 % of 100.00
        (10_000, 200, 200, 200),  # what there is
        (99, 100_000, 29, 29),  # 29.7 cents are 29
        (3, 100_000, 0, 0),  # less than a cent
        (0, 100_000, 0, 0),
        (10_000, 0, 0, 0),
    ],
)
def test_the_reference_programme_a_point_pays_a_cent(order: int, available: int, points: int, worth: int) -> None:
    offer = checkout.quote(order, available, rules())
    assert (offer.points_max, offer.worth_minor) == (points, worth)


def test_a_quote_takes_no_point_for_nothing_and_offers_nothing_below_the_minimum() -> None:
    assert checkout.quote(10_000, 1_999, rules(per_major=1_000)) == checkout.Quote(1, 1_990, 199)
    assert checkout.quote(10_000, 49, rules(least=50)) == checkout.Quote(50, 0, 0)
    assert checkout.quote(10_000, 50, rules(least=50)) == checkout.Quote(50, 50, 50)


@given(
    order=st.integers(0, 10**12), available=st.integers(0, 10**12), per_major=st.integers(1, 10**6), percent=st.integers(0, 100),
    least=st.integers(1, 1_000), exponent=st.integers(0, 4),
)  # fmt: skip
def test_points_never_pay_more_than_the_share_nor_more_than_they_are_worth(
    order: int, available: int, per_major: int, percent: int, least: int, exponent: int
) -> None:
    """Would break it: rounding anything up, or a limit on points where it should be one on money."""
    by = rules(per_major, percent, least, exponent)
    offer = checkout.quote(order, available, by)
    exact = Fraction(offer.points_max * 10**exponent, per_major)
    assert offer.points_max <= available
    assert offer.worth_minor <= exact <= Fraction(order * percent, 100)
    if offer.points_max:
        assert checkout.refusal(offer.points_max, order, by) is None
        assert exact < offer.worth_minor + max(Fraction(1), Fraction(10**exponent, per_major))
    else:
        assert offer.worth_minor == 0


@given(points=st.integers(1, 10**9), order=st.integers(0, 10**12), per_major=st.integers(1, 10**6))
def test_what_is_refused_is_what_pays_more_than_the_share(points: int, order: int, per_major: int) -> None:
    by = rules(per_major)
    refused = checkout.refusal(points, order, by)
    assert (refused is None) == (points * 100 // per_major <= order * 30 // 100)


@given(st.lists(st.integers(1, 10**6), max_size=20), st.integers(1, 10**6))
def test_splitting_a_payment_pays_no_more_than_paying_at_once(parts: list[int], per_major: int) -> None:
    by = rules(per_major)
    assert sum(checkout.worth_minor(part, by) for part in parts) <= checkout.worth_minor(sum(parts), by)
