"""What refunds leave of an order, as tier metrics count it (domain.md 3.3.1, 4)."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from laurel_contracts.activities import RefundLine
from tier_svc.domain.orders import Order

NOON = datetime(2025, 3, 1, 4, tzinfo=UTC)


def order(qualifying: int, gift_card: int) -> Order:
    """An order of one line that qualifies and one gift card, line `g`."""
    total = qualifying + gift_card
    return Order(1, "o", NOON, 739_311, NOON, total, total, qualifying, 0, ("g",))


def test_a_third_of_all_is_a_third_of_what_qualifies_rounded_down() -> None:
    bought = order(10_000, 5_000)
    bought.refund((), 5_001)
    assert bought.counted == 10_000 * 9_999 // 15_000 == 6_666


def test_a_refund_of_the_gift_card_alone_changes_nothing_that_counts() -> None:
    bought = order(10_000, 5_000)
    bought.refund((RefundLine(line_id="g", quantity=1, amount_minor=5_000),), None)
    assert (bought.counted, bought.counts) == (10_000, True)


def test_an_order_of_nothing_counts_and_one_refunded_to_nothing_does_not() -> None:
    assert order(0, 0).counts
    bought = order(100, 0)
    bought.refund((), 100)
    assert (bought.counted, bought.counts) == (0, False)


@given(
    qualifying=st.integers(0, 10_000), gift=st.integers(0, 10_000), parts=st.lists(st.integers(1, 3_000), max_size=12)
)
def test_only_the_sum_of_unallocated_refunds_matters(qualifying: int, gift: int, parts: list[int]) -> None:
    """INVARIANT: refunds are taken together, never one rounding after another.

    Rounding each refund by itself would make the split of a refund matter."""
    bought, total = order(qualifying, gift), 0
    for part in parts:
        if total + part <= qualifying + gift:
            total += part
            bought.refund((), part)
    left = qualifying + gift - total
    exact = Fraction(qualifying * left, qualifying + gift) if qualifying + gift else Fraction(0)
    assert bought.counted == int(exact)
