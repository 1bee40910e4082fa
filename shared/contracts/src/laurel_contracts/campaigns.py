"""What campaign-svc says on `campaigns`, numbered per member."""

from __future__ import annotations

import uuid
from typing import Literal

from laurel_contracts.envelope import Data, Instant, Points, ShortText


class AwardGranted(Data, frozen=True, kw_only=True):
    """A campaign grants something. `at` is the time of the activity that it dates from (a points award's lot expires by it)."""

    award_id: uuid.UUID
    campaign_id: ShortText
    kind: Literal["points", "coupon"]
    points: Points = 0
    coupon: ShortText | None = None  # which coupon of the programme
    cause: ShortText  # "activity 17" or "standing 3"
    cause_number: int  # member_seq or ordinal
    order_id: ShortText | None = None
    at: Instant
    why: str = ""


class AwardTakenBack(Data, frozen=True, kw_only=True):
    """An award that would not have been given: a refund undid its reason. Said at most once per award."""

    award_id: uuid.UUID
    campaign_id: ShortText
    kind: Literal["points", "coupon"]
    points: Points = 0
    cause: ShortText
    cause_number: int
    order_id: ShortText | None = None
    at: Instant
    why: str = ""


class CampaignEmptied(Data, frozen=True, kw_only=True):
    """A campaign's budget is used up; about no member."""

    campaign_id: ShortText
    budget: int
