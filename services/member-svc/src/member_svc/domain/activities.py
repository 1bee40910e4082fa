"""What a channel reports, as the door's rules see it. The one thing not to break: the contract's shapes satisfy these
protocols as they are, so nothing is converted on the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

PURCHASE = "laurel.purchase.recorded.v1"
REFUND = "laurel.purchase.refunded.v1"
CONFIRMED = "laurel.order.confirmed.v1"
SIGN_IN = "laurel.member.signed-in.v1"
REVIEW = "laurel.review.posted.v1"
SHARE = "laurel.product.shared.v1"
JOINED = "laurel.activity.joined.v1"
COMPLAINT = "laurel.complaint.filed.v1"
SURVEY = "laurel.survey.answered.v1"

# The ids in each, by which it is one and the same, or is about one and the same.
IDS: dict[str, tuple[str, ...]] = {
    PURCHASE: ("order_id",),
    REFUND: ("order_id", "refund_id"),
    CONFIRMED: ("order_id",),
    SIGN_IN: (),
    REVIEW: ("order_id", "review_id"),
    SHARE: ("share_id",),
    JOINED: ("activity_id",),
    COMPLAINT: ("complaint_id",),
    SURVEY: ("survey_id",),
}


# What is about an order that somebody else has reported, and waits for it.
ABOUT_AN_ORDER = (REFUND, REVIEW, CONFIRMED)


class OrderLine(Protocol):
    """One line of an order; amounts in minor units."""

    @property
    def line_id(self) -> str: ...
    @property
    def sku(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def amount_minor(self) -> int: ...


class Purchase(Protocol):
    """A sale."""

    @property
    def order_id(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def lines(self) -> Sequence[OrderLine]: ...
    @property
    def amount_minor(self) -> int: ...


class RefundLine(Protocol):
    """What came back of one line."""

    @property
    def line_id(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def amount_minor(self) -> int: ...


class Refund(Protocol):
    """Money given back: by lines, or as one unallocated amount."""

    @property
    def refund_id(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def lines(self) -> Sequence[RefundLine]: ...
    @property
    def amount_minor(self) -> int | None: ...


class Review(Protocol):
    """A review of something bought, named by its line or its sku."""

    @property
    def order_id(self) -> str: ...
    @property
    def line_id(self) -> str | None: ...
    @property
    def sku(self) -> str | None: ...
