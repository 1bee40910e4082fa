"""What points-svc says to itself on `handovers` because a transaction touches members of one partition only: points on their way to another
member, and bonuses that one member's activities earn another. Keyed by the receiving member, not numbered: each is taken once by its id."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

import msgspec

from laurel_contracts.envelope import Data, Instant, Points, ShortText

BonusKind = Literal["referral", "share"]


class HandedLot(Data, frozen=True, kw_only=True):
    """Points of one lot; they keep its expiry, because a transfer prolongs nothing."""

    points: Points
    earned_at: Instant
    expires_at: Instant


class PointsHandedOver(Data, frozen=True, kw_only=True):
    """Points have left `sender_id` and stand in clearing until the receiver has taken them or has handed them back."""

    handover_id: uuid.UUID
    sender_id: uuid.UUID
    points: Points
    parts: Annotated[tuple[HandedLot, ...], msgspec.Meta(min_length=1)]


class PointsHandedBack(Data, frozen=True, kw_only=True):
    """The receiver could not take them: they go back into the lots they came from. Keyed by who had sent them."""

    handover_id: uuid.UUID
    receiver_id: uuid.UUID
    points: Points
    because: ShortText  # member_unknown, member_frozen, balance_too_large


class BonusDue(Data, frozen=True, kw_only=True):
    """What another member has done earns the receiver a bonus (domain.md 3.2). The receiver's own books decide how much: the caps count
    there, on the month of the event's `localday`, under its `programmeversion`."""

    bonus_id: uuid.UUID
    kind: BonusKind
    by_member_id: uuid.UUID
    share_id: ShortText | None = None


class BonusUndone(Data, frozen=True, kw_only=True):
    """What earned the bonus has been undone: it is taken back, once, also where it comes before the bonus itself."""

    bonus_id: uuid.UUID
    kind: BonusKind
