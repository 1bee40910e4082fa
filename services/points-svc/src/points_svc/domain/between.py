"""What goes between two members, as each one's own books have it. The one thing not to break: what is under way ends once, at the receiver
or back at the sender."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

# States of a handover at its sender.
UNDER_WAY = "under_way"
RETURNED = "returned"


@dataclass(slots=True)
class Handover:
    """Points on their way to another member, as the sender's books have it. `parts`: the (lot, points) they were taken from; `seq`: the
    entry that did it. It ends here only where it is handed back; the receiver's books know whether it was taken."""

    handover_id: UUID
    receiver_id: UUID
    seq: int
    points: int
    reason: str | None
    made_at: datetime
    parts: tuple[tuple[int, int], ...]
    state: str = UNDER_WAY
    ended_at: datetime | None = None
    is_new: bool = False
    is_changed: bool = False


@dataclass(slots=True)
class Arrival:
    """A handover as the receiver's books have it: taken, or why not (`because`)."""

    handover_id: UUID
    points: int
    at: datetime
    because: str | None = None


@dataclass(slots=True)
class Bonus:
    """What another member's activities have earned this one (domain.md 3.2): decided once, undone at most once. `month`: its first day."""

    bonus_id: UUID
    kind: str
    month: date | None
    points: int
    lot: int | None
    undone: bool = False
    is_changed: bool = False


@dataclass(slots=True)
class Referral:
    """Of a new member whose referrer has not been paid yet. `ripening`: purchases of which anything is left, as (when they will have
    outlived their refund window, order, programme version); those that were old before are gone."""

    referrer_id: UUID
    ripening: list[tuple[datetime, str, int]] = field(default_factory=list)

    @property
    def due(self) -> datetime | None:
        """When the next of them has."""
        return min((due for due, _, _ in self.ripening), default=None)


@dataclass(frozen=True, slots=True)
class Matured:
    """A referral that has just been paid to the new member, and is to be told to who referred him."""

    referrer_id: UUID
    at: datetime
    day: date
    version: int


@dataclass(slots=True)
class Share:
    """A share, as the directory has it. `sharer_id` None: it is known by purchases alone so far; `order_id`: the purchase that followed."""

    share_id: str
    sharer_id: UUID | None = None
    shared_at: datetime | None = None
    waiting_days: int | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Carrying:
    """A purchase above 0 that carries a share; `number` is the buyer's. `refunded_at`: when nothing of it was left any more."""

    share_id: str
    order_id: str
    member_id: UUID
    number: int
    at: datetime
    day: date
    version: int
    refunded_at: datetime | None = None
