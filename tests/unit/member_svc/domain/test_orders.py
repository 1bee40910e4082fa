"""What refunds leave of an order (domain.md 2.2.2): together never more than it had, nor of a line more than the line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laurel_contracts.activities import PurchaseRefunded, ReviewPosted
from member_svc.domain.orders import Order

from .shapes import ANN, purchase_data, refund_data


def order(*amounts: int) -> Order:
    purchase = purchase_data("o-1", *amounts)
    return Order(b"key", ANN, 1, purchase, purchase.amount_minor)


def test_by_amount_and_by_line_draw_on_the_same_money() -> None:
    one = order(500, 300)
    one.take_off(refund_data("r", 700))
    refusal = one.refusal_of(refund_data("r", None, l1=(1, 101)))
    assert refusal is not None
    assert refusal.reason == "above_what_is_left"
    assert one.refusal_of(refund_data("r", None, l1=(1, 100))) is None


def test_an_order_of_nothing_can_be_given_back_once_for_nothing() -> None:
    assert order(0).refusal_of(refund_data("r", 0)) is None
    assert order(0).refusal_of(refund_data("r", 1)) is not None


refunds = st.one_of(
    st.integers(0, 400).map(lambda amount: refund_data("r", amount)),
    st.tuples(st.sampled_from(["l1", "l2", "l3"]), st.integers(0, 3), st.integers(0, 400)).map(
        lambda line: refund_data("r", None, "o-1", **{line[0]: (line[1], line[2])})
    ),
)


@given(st.lists(refunds, max_size=20))
def test_no_split_of_refunds_takes_more_than_there_is(attempts: list[PurchaseRefunded]) -> None:
    one = order(500, 300)
    for attempt in attempts:
        if one.refusal_of(attempt) is None:
            one.take_off(attempt)
    assert 0 <= one.left_minor <= 800
    for line in one.purchase.lines:
        pieces, amount = one.refunded.get(line.line_id, (0, 0))
        assert pieces <= line.quantity
        assert amount <= line.amount_minor


def test_a_review_means_the_sku_of_its_line() -> None:
    one = order(500, 300)

    def sku(**what: Any) -> str | None:
        return one.sku_reviewed(ReviewPosted(review_id="r", order_id="o-1", rating=5, **what))

    assert [sku(sku="s2"), sku(line_id="l2"), sku(line_id="l2", sku="s2")] == ["s2"] * 3
    assert [sku(sku="s9"), sku(line_id="l9"), sku(line_id="l1", sku="s2")] == [None] * 3
