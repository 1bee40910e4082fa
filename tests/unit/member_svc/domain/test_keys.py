"""What makes a report one and the same (domain.md 2.1). These hashes are stored for ever."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laurel_contracts.activities import (
    ActivityJoined,
    ComplaintFiled,
    MemberSignedIn,
    OrderLine,
    ProductShared,
    ReviewPosted,
    SurveyAnswered,
)
from member_svc.domain import keys
from member_svc.domain.activities import COMPLAINT, JOINED, PURCHASE, REFUND, REVIEW, SHARE, SIGN_IN, SURVEY

from .shapes import ANN, BEN, purchase_data, refund_data

DAY = date(2018, 1, 9)


def test_the_hashes_never_change() -> None:
    """Seen once, written down: a change here orphans every key that is stored."""
    assert keys.id_key("pos/1", "e-1").hex() == "ad167fdaa893cb22e0711dbc2d06fd63"
    assert keys.order_key("o-1").hex() == "22a3c1497d58f142accb0583aa979337"
    assert keys.content(PURCHASE, purchase_data("o-1", 500)).hex() == "d54d70bb6e095063f6daa0346b01e737"


def test_an_order_is_one_key_for_its_purchase_and_for_what_waits_for_it() -> None:
    assert keys.business_key(PURCHASE, purchase_data("o-1")) == keys.order_key("o-1")


@pytest.mark.parametrize(
    ("activity_type", "data", "differs"),
    [
        (REFUND, refund_data("r-1", 5), [refund_data("r-2", 5), refund_data("r-1", 5, "o-2")]),
        (
            SHARE,
            ProductShared(share_id="x", sku="s", network="w"),
            [ProductShared(share_id="y", sku="s", network="w")],
        ),
        (COMPLAINT, ComplaintFiled(complaint_id="x", kind="k"), [ComplaintFiled(complaint_id="y", kind="k")]),
    ],
)
def test_a_business_key_is_the_business_id(activity_type: str, data: Any, differs: list[Any]) -> None:
    key = keys.business_key(activity_type, data)
    assert key is not None
    assert all(keys.business_key(activity_type, other) != key for other in differs)


@pytest.mark.parametrize(
    ("activity_type", "data"),
    [
        (SIGN_IN, MemberSignedIn(channel="app")),
        (JOINED, ActivityJoined(activity_id="x")),
        (SURVEY, SurveyAnswered(survey_id="x", score=3)),
    ],
)
def test_some_keys_take_the_member(activity_type: str, data: Any) -> None:
    assert keys.business_key(activity_type, data) is None
    assert keys.member_key(activity_type, data, ANN, DAY) != keys.member_key(activity_type, data, BEN, DAY)


def test_a_sign_in_is_one_per_day_whatever_the_channel() -> None:
    one = keys.member_key(SIGN_IN, MemberSignedIn(channel="app"), ANN, DAY)
    assert one == keys.member_key(SIGN_IN, MemberSignedIn(channel="web", device="d"), ANN, DAY)
    assert one != keys.member_key(SIGN_IN, MemberSignedIn(channel="app"), ANN, date(2018, 1, 10))


def test_a_review_is_one_per_member_order_and_sku() -> None:
    assert len({keys.review_key(m, o, s) for m in (ANN, BEN) for o in "ab" for s in "xy"}) == 8
    review = ReviewPosted(review_id="r", order_id="o", sku="s", rating=1)
    assert keys.business_key(REVIEW, review) is None


def test_channel_store_and_the_order_of_lines_are_not_compared() -> None:
    purchase = purchase_data("o-1", 500, 300)
    turned = purchase_data("o-1", 500, 300, lines=purchase.lines[::-1], channel="online", store_id="9", points_used=5)
    assert keys.content(PURCHASE, purchase) == keys.content(PURCHASE, turned)


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "EUR"},
        {"amount_minor": 501},
        {"lines": (OrderLine(line_id="l2", sku="s1", quantity=2, amount_minor=500),)},
        {"lines": (OrderLine(line_id="l1", sku="s2", quantity=2, amount_minor=500),)},
        {"lines": (OrderLine(line_id="l1", sku="s1", quantity=1, amount_minor=500),)},
        {"lines": (OrderLine(line_id="l1", sku="s1", quantity=2, amount_minor=499),)},
        {"lines": (OrderLine(line_id="l1", sku="s1", category="c", quantity=2, amount_minor=500),)},
    ],
)
def test_currency_amount_and_each_line_are_compared(change: dict[str, Any]) -> None:
    assert keys.content(PURCHASE, purchase_data("o-1", 500)) != keys.content(
        PURCHASE, purchase_data("o-1", 500, **change)
    )


def test_a_category_that_is_left_out_is_unknown() -> None:
    named = OrderLine(line_id="l1", sku="s1", category="unknown", quantity=2, amount_minor=500)
    assert keys.content(PURCHASE, purchase_data("o-1", 500)) == keys.content(PURCHASE, purchase_data(lines=(named,)))


def test_a_refund_by_lines_is_the_same_with_or_without_their_sum() -> None:
    without = refund_data("r-1", None, l1=(1, 5), l2=(1, 6))
    turned = refund_data("r-1", 11, l2=(1, 6), l1=(1, 5))
    assert keys.content(REFUND, without) == keys.content(REFUND, turned)
    assert keys.content(REFUND, without) != keys.content(REFUND, refund_data("r-1", 11))


def test_a_survey_compares_its_score_and_a_complaint_its_kind() -> None:
    assert keys.content(SURVEY, SurveyAnswered(survey_id="x", score=3)) != keys.content(
        SURVEY, SurveyAnswered(survey_id="x", score=4)
    )
    assert keys.content(COMPLAINT, ComplaintFiled(complaint_id="x", kind="a")) != keys.content(
        COMPLAINT, ComplaintFiled(complaint_id="x", kind="b")
    )


plain = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


@given(st.lists(plain, max_size=4), st.lists(plain, max_size=4))
def test_different_parts_give_different_hashes(one: list[str], other: list[str]) -> None:
    assert (keys.hashed("k", *one) == keys.hashed("k", *other)) == (one == other)
