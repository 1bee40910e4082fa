"""What happens to one member, written down once and played twice: against the pure domain here, against a real PostgreSQL in
tests/integration/points_svc."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from laurel_contracts.activities import (
    ActivityJoined,
    MemberSignedIn,
    OrderConfirmed,
    OrderLine,
    PurchaseRecorded,
    PurchaseRefunded,
    RefundLine,
    ReviewPosted,
)
from laurel_contracts.decisions import MemberFrozen, MemberRegistered
from laurel_contracts.programme import Programme, parse

REFERENCE = Path(__file__).parents[3] / "deploy" / "program" / "reference.yaml"
SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")


def programme(
    zone: ZoneInfo = SHANGHAI,
    version: int = 1,
    expiry: dict[str, Any] | None = None,
    caps: dict[str, Any] | None = None,
    **purchase: Any,
) -> Programme:
    """The reference programme without its campaigns; `purchase` and `expiry` replace parts of its rules about these, `caps` bound rules."""
    document = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    document |= {"zone": zone.key, "campaigns": [], "version": version}
    document["points"]["purchase"] |= purchase
    document["points"]["expiry"] |= expiry or {}
    for rule, bounds in (caps or {}).items():
        document["points"][rule]["caps"] = bounds
    return parse(document)


@dataclass(frozen=True)
class Activity:
    """Something numbered in the member's stream."""

    number: int
    at: datetime
    data: Any


@dataclass(frozen=True)
class Fact:
    """A standing fact: the tier holds for numbers above `after`."""

    ordinal: int
    after: int
    tier: str


@dataclass(frozen=True)
class DayEnd:
    """A day is closed: local midnight at the beginning of a day."""

    as_of: datetime


@dataclass(frozen=True)
class Spend:
    """A spending asked for over HTTP at business time `now`."""

    points: int
    now: datetime
    order_id: str | None = None


Step = Activity | Fact | DayEnd | Spend


@dataclass(frozen=True)
class Outcome:
    """What is compared. `lots`: (expires_at, remaining) of those that hold anything, in turn."""

    nets: dict[str, int]
    posted: int
    debt: int
    lots: tuple[tuple[datetime, int], ...]
    spendings: tuple[str, ...]  # "spent" or why not, in order

    @property
    def earned_net(self) -> int:
        return sum(self.nets.values())


@dataclass
class Script:
    """Steps in the order in which points-svc learns of them. Times move on by an hour where none is given."""

    zone: ZoneInfo = SHANGHAI
    programme: Programme = field(default_factory=programme)
    now: datetime = datetime(2025, 3, 3, 4, tzinfo=UTC)
    steps: list[Step] = field(default_factory=list)
    number: int = 0
    ordinal: int = 0

    def tell(self, data: Any, at: datetime | None = None) -> int:
        """An activity or decision; its number."""
        self.now = at or self.now + timedelta(hours=1)
        self.number += 1
        self.steps.append(Activity(self.number, self.now, data))
        return self.number

    def register(self) -> int:
        return self.tell(MemberRegistered())

    def freeze(self, frozen: bool) -> int:
        return self.tell(MemberFrozen(frozen=frozen, reason="lost card", actor="staff"))

    def buy(self, amount: int, order: str = "o1", at: datetime | None = None, **categories: int) -> int:
        """An order of one line, or of one line per category (named like it)."""
        lines = categories or {"food": amount}
        assert sum(lines.values()) == amount
        order_lines = tuple(
            OrderLine(line_id=name, sku=name, category=name.replace("_", "-"), quantity=1, amount_minor=minor)
            for name, minor in lines.items()
        )
        data = PurchaseRecorded(order_id=order, channel="store", currency="CNY", lines=order_lines, amount_minor=amount)
        return self.tell(data, at)

    def refund(self, order: str = "o1", amount: int | None = None, at: datetime | None = None, **lines: int) -> int:
        """Without lines: an unallocated amount."""
        refund_lines = tuple(RefundLine(line_id=name, quantity=1, amount_minor=minor) for name, minor in lines.items())
        refund_id = f"r{self.number + 1}"
        data = PurchaseRefunded(refund_id=refund_id, order_id=order, lines=refund_lines, amount_minor=amount)
        return self.tell(data, at)

    def confirm(self, order: str = "o1", at: datetime | None = None) -> int:
        return self.tell(OrderConfirmed(order_id=order), at)

    def sign_in(self, at: datetime) -> int:
        return self.tell(MemberSignedIn(channel="app"), at)

    def review(self, sku: str, at: datetime | None = None, photos: int = 0) -> int:
        data = ReviewPosted(review_id=f"v{self.number + 1}", order_id="o1", sku=sku, rating=5, photos=photos)
        return self.tell(data, at)

    def join(self, activity: str, at: datetime | None = None) -> int:
        return self.tell(ActivityJoined(activity_id=activity), at)

    def stand(self, tier: str, after: int | None = None) -> None:
        """Known now; holds after a number, the latest one if not given."""
        self.ordinal += 1
        self.steps.append(Fact(self.ordinal, self.number if after is None else after, tier))

    def close_day(self, day: date) -> None:
        """The day before `day` ends."""
        self.steps.append(DayEnd(datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)))

    def spend(self, points: int, order_id: str | None = None, now: datetime | None = None) -> None:
        self.steps.append(Spend(points, now or self.now, order_id))


def local(zone: ZoneInfo, *parts: int) -> datetime:
    """A local time as an instant."""
    return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type, misc]
