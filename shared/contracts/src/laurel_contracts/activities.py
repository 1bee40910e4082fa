"""What a channel reports about a member (domain.md 2.1). Amounts are integer minor units of the programme's currency, really paid."""

from __future__ import annotations

from typing import Annotated, Generic, Literal

import msgspec
from typing_extensions import TypeVar

from laurel_contracts.envelope import AmountMinor, Data, Points, Quantity, ShortText

LINES_MAX = 2_000  # lines of one order; a weekly shop has some 300


class DecidingLine(Data, frozen=True, kw_only=True):
    """As much of a line as points, tiers and campaigns are decided by. Most of an event is its lines, and what is not read of them costs
    next to nothing (ADR 0021)."""

    line_id: ShortText
    category: ShortText = "unknown"
    amount_minor: AmountMinor


class OrderLine(DecidingLine, frozen=True, kw_only=True):
    """One line of an order; `amount_minor` is what was really paid for it. An unknown category is `unknown`, which qualifies."""

    sku: ShortText
    quantity: Quantity


L_co = TypeVar("L_co", bound=DecidingLine, covariant=True, default=DecidingLine)


# Who reads a purchase and says no more reads lines to decide by; whole ones are read as PurchaseRecorded[OrderLine].
class PurchaseRecorded(Data, Generic[L_co], frozen=True, kw_only=True):
    """A sale. One per `order_id` in the whole programme; `amount_minor` is the sum of the lines (the door refuses other sums)."""

    order_id: ShortText
    channel: Literal["store", "online"]
    store_id: ShortText | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    lines: Annotated[tuple[L_co, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    amount_minor: AmountMinor
    points_used: Points | None = None
    coupon_codes: tuple[ShortText, ...] = ()
    share_id: ShortText | None = None


class RefundLine(Data, frozen=True, kw_only=True):
    """What came back of one line."""

    line_id: ShortText
    quantity: Quantity
    amount_minor: AmountMinor


class PurchaseRefunded(Data, frozen=True, kw_only=True):
    """Money given back on an order: by lines, or as one unallocated amount; one per (`order_id`, `refund_id`)."""

    refund_id: ShortText
    order_id: ShortText
    lines: Annotated[tuple[RefundLine, ...], msgspec.Meta(max_length=LINES_MAX)] = ()
    amount_minor: AmountMinor | None = None  # with lines: None or their sum


class OrderConfirmed(Data, frozen=True, kw_only=True):
    """The buyer has what he bought: delivered, or its receipt confirmed; one per `order_id`. Points that wait for it can be spent then."""

    order_id: ShortText


class MemberSignedIn(Data, frozen=True, kw_only=True):
    """A sign-in; one per member and programme-local day."""

    channel: ShortText
    device: ShortText | None = None


class ReviewPosted(Data, frozen=True, kw_only=True):
    """A review of something bought; one per member, order and sku. `line_id` or `sku` names the thing."""

    review_id: ShortText
    order_id: ShortText
    line_id: ShortText | None = None
    sku: ShortText | None = None
    rating: Annotated[int, msgspec.Meta(ge=1, le=5)]
    photos: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class ProductShared(Data, frozen=True, kw_only=True):
    """A share; one per `share_id`."""

    share_id: ShortText
    sku: ShortText
    network: ShortText


class ActivityJoined(Data, frozen=True, kw_only=True):
    """An event, a quiz, a store visit; one per member and `activity_id`."""

    activity_id: ShortText


class ComplaintFiled(Data, frozen=True, kw_only=True):
    """A complaint or a violation; one per `complaint_id`."""

    complaint_id: ShortText
    kind: ShortText


class SurveyAnswered(Data, frozen=True, kw_only=True):
    """A survey's answer; one per member and survey."""

    survey_id: ShortText
    score: Annotated[int, msgspec.Meta(ge=0, le=10)]
