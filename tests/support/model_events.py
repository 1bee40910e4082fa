"""What a member's stream consists of (domain.md 2.1), as the independent model sees it: numbered and timed facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.support.model_calendar import local_day
from tests.support.model_programme import Programme


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order: money really paid, in minor units (domain.md 2.1)."""

    line_id: str
    sku: str
    category: str
    quantity: int
    amount_minor: int


@dataclass(frozen=True)
class Event:
    """Anything numbered in a member's stream: `seq` = 1, 2, 3 …; `time` = when it happened."""

    seq: int
    time: datetime


@dataclass(frozen=True)
class Purchase(Event):
    """An order of the member."""

    order_id: str
    lines: Sequence[Line]
    share_id: str | None = None


@dataclass(frozen=True)
class Refund(Event):
    """A refund: amounts per line in minor units, or one unallocated amount (then `lines` is empty)."""

    refund_id: str
    order_id: str
    lines: tuple[tuple[str, int], ...] = ()
    amount_minor: int = 0


@dataclass(frozen=True)
class SignIn(Event):
    """The one sign-in of a local day."""


@dataclass(frozen=True)
class Review(Event):
    """The one review of an order's sku; `photos` is a count."""

    review_id: str
    photos: int = 0


@dataclass(frozen=True)
class Joined(Event):
    """An activity joined: an event, a quiz, a store visit."""

    activity_id: str


@dataclass(frozen=True)
class Other(Event):
    """An activity that earns nothing by itself: `kind` is shared, complaint or survey."""

    kind: str
    share_id: str | None = None


@dataclass(frozen=True)
class Registered(Event):
    """The decision that a provisional member is a member now (domain.md 2.2): no activity, but it moves the clock. `referrer`: who brought
    him, by the model's own name."""

    referrer: str | None = None


def kind_of(event: Event) -> str:
    """A short name of the kind of event, as the tier metrics count it."""
    return event.kind if isinstance(event, Other) else type(event).__name__.lower()


@dataclass
class Order:
    """An order and what refunds have left of it (domain.md 3.1, 3.3.1)."""

    purchase: Purchase
    programme: Programme
    line_refunded: dict[str, int] = field(default_factory=dict)
    unallocated: int = 0  # U: refunded without lines, minor units
    qualifying_minor: int = 0  # rounded down, as tier metrics take it (domain.md 4); kept up to date by refund()
    left_minor: int = 0
    day: date = date.min

    def __post_init__(self) -> None:
        self.seq = self.purchase.seq
        self.time = self.purchase.time
        self.day = local_day(self.purchase.time, self.programme.zone)
        self.amount_minor = sum(line.amount_minor for line in self.purchase.lines)
        self._measure()

    def line_left(self, line: Line) -> int:
        """What line refunds left of a line, in minor units."""
        return line.amount_minor - self.line_refunded.get(line.line_id, 0)

    def share_left(self) -> Fraction:
        """(L − U) ÷ L: what an unallocated refund leaves of every line (domain.md 3.3.1)."""
        total = sum(self.line_left(line) for line in self.purchase.lines)
        return Fraction(total - self.unallocated, total) if total else Fraction(1)

    def refund(self, refund: Refund) -> None:
        """Take a refund off the order; the door has seen that it is not above what is left."""
        for line_id, amount in refund.lines:
            self.line_refunded[line_id] = self.line_refunded.get(line_id, 0) + amount
        if not refund.lines:
            self.unallocated += refund.amount_minor
        self._measure()

    def _measure(self) -> None:
        lines = self.purchase.lines
        self.left_minor = sum(self.line_left(line) for line in lines) - self.unallocated
        counting = sum(self.line_left(line) for line in lines if line.category not in self.programme.not_qualifying)
        share = self.share_left() if self.unallocated else 1
        self.qualifying_minor = int(counting * share)  # int() of something >= 0 rounds down

    def points(self, multiplier: Fraction) -> int:
        """Points of what is left: rounded down once, at the end (domain.md 3.1)."""
        by_category: dict[str, int] = {}
        for line in self.purchase.lines:
            if line.category not in self.programme.not_qualifying:
                by_category[line.category] = by_category.get(line.category, 0) + self.line_left(line)
        rated = sum((left * self.programme.rate(category) for category, left in by_category.items()), Fraction(0))
        points = int(rated * self.share_left() * multiplier / self.programme.minor_units)
        most = self.programme.max_points_per_order
        return points if most is None else min(points, most)

    def counts(self) -> bool:
        """An order refunded to 0 no longer counts, one recorded as 0 does (domain.md 4)."""
        return self.left_minor > 0 or self.amount_minor == 0


def on_day(event: Event, zone: ZoneInfo) -> date:
    """The local day of an event."""
    return local_day(event.time, zone)
