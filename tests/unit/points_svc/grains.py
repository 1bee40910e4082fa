"""One account as slowly and plainly as it can be written: every single point is a grain of its own and lies somewhere. It is the model of
domain.md 3.3 to 3.5 for the tests and knows nothing of the product: no ladder, no entries, no parts, its own calendar.

The reference programme at the lowest tier: one point per whole 1.00; Asia/Shanghai, which is UTC+8 all year; lots live for one month."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

EIGHT_HOURS = timedelta(hours=8)

FREE, SPENT, EXPIRED, GONE = "free", "spent", "expired", "gone"  # or the number of a hold


def month_after_next(at: datetime) -> datetime:
    """Lots of a month end with the month after it."""
    local = at.astimezone(UTC) + EIGHT_HOURS
    months = local.year * 12 + local.month - 1 + 2
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC) - EIGHT_HOURS


def day_after(at: datetime, days: int) -> datetime:
    """The start of the local day so many days on."""
    local = at.astimezone(UTC) + EIGHT_HOURS
    return datetime(local.year, local.month, local.day, tzinfo=UTC) + timedelta(days=days) - EIGHT_HOURS


@dataclass
class Lot:
    """Where each of its points is."""

    number: int
    earned_at: datetime
    expires_at: datetime
    grains: list[str | int] = field(default_factory=list)
    swept: bool = False


@dataclass
class Order:
    """What a purchase is worth by what is left of it, and which grains were spent on it, in that order."""

    lot: Lot
    amount: int
    refunded: int = 0
    spent: list[Lot] = field(default_factory=list)
    spent_in_all: int = 0
    returned: int = 0

    @property
    def net(self) -> int:
        return (self.amount - self.refunded) // 100


@dataclass
class Hold:
    """Grains set apart, in the order in which they were taken."""

    grains: list[tuple[Lot, int]]
    order: str | None
    ends: datetime
    state: str = "held"


class Grains:
    """One member."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.orders: dict[str, Order] = {}
        self.holds: list[Hold] = []
        self.debt = 0
        self.clock = self.closed = datetime(1, 1, 1, tzinfo=UTC)

    # What is read

    def count(self, *places: str | int) -> int:
        return sum(grain in places for lot in self.lots for grain in lot.grains)

    @property
    def held(self) -> int:
        return sum(isinstance(grain, int) for lot in self.lots for grain in lot.grains)

    @property
    def posted(self) -> int:
        return self.count(FREE) + self.held

    def available(self, now: datetime) -> int:
        return 0 if self.debt else len(self._spendable(now))

    def by_end(self, place: str) -> Counter[tuple[datetime, datetime]]:
        """How many points lie there, by the end of their lots."""
        return Counter((lot.expires_at, lot.earned_at) for lot in self.lots for grain in lot.grains if grain == place)

    def in_turn(self) -> list[Lot]:
        return sorted(self.lots, key=lambda lot: (lot.expires_at, lot.earned_at, lot.number))

    def _spendable(self, now: datetime) -> list[tuple[Lot, int]]:
        return [
            (lot, n) for lot in self.in_turn() if now < lot.expires_at for n, grain in enumerate(lot.grains) if grain == FREE
        ]  # fmt: skip

    # What happens in the stream

    def buy(self, number: int, order: str, amount: int, at: datetime) -> None:
        self.clock = max(self.clock, at)
        lot = Lot(number, at, month_after_next(at))
        self.lots.append(lot)
        self.orders[order] = Order(lot, amount)
        for _ in range(amount // 100):
            lot.grains.append(GONE)
            self._comes_into(lot, len(lot.grains) - 1)

    def refund(self, number: int, order_id: str, amount: int, at: datetime) -> None:
        self.clock = max(self.clock, at)
        order = self.orders[order_id]
        before = order.net
        order.refunded += amount
        for _ in range(before - order.net):
            self._take_one(order.lot)
        due = order.spent_in_all * order.refunded // order.amount if order.amount else 0
        new: dict[int, Lot] = {}
        while order.returned < due:
            order.returned += 1
            lot = order.spent.pop()
            if lot.expires_at <= self.clock:
                late = Lot(number * 1000 + len(new), lot.earned_at, day_after(at, 31))
                lot = new.setdefault(lot.number, late)
                if lot is late:
                    self.lots.append(lot)
                lot.grains.append(GONE)
                self._comes_into(lot, len(lot.grains) - 1)
            else:
                self._comes_into(lot, lot.grains.index(SPENT))

    def close_day(self, as_of: datetime) -> None:
        if as_of <= self.closed:
            return
        self.closed, self.clock = as_of, max(self.clock, as_of)
        for lot in self.lots:
            if lot.expires_at <= as_of:
                lot.swept = True
                lot.grains = [EXPIRED if grain == FREE else grain for grain in lot.grains]

    # What happens at the till

    def hold(self, points: int, now: datetime, lasts: timedelta, order: str | None) -> str:
        there = self._spendable(now)
        if self.debt:
            return "in_debt"
        if points > len(there):
            return "insufficient_points"
        self.holds.append(Hold(there[:points], order, now + lasts))
        for lot, n in there[:points]:
            lot.grains[n] = len(self.holds)
        return "held"

    def capture(self, number: int, points: int | None, now: datetime, order: str | None) -> str:
        hold = self.holds[number - 1]
        wanted = len(hold.grains) if points is None else points
        if (state := self.state(number, now)) != "held":
            return f"hold_{state}"
        if wanted > len(hold.grains):
            return "capture_exceeds_hold"
        if order is not None and hold.order is not None and order != hold.order:
            return "order_differs"
        paid_for = order or hold.order
        for lot, n in hold.grains[:wanted]:
            lot.grains[n] = SPENT
            if paid_for in self.orders:
                self.orders[paid_for].spent.append(lot)
                self.orders[paid_for].spent_in_all += 1
        for lot, n in hold.grains[wanted:]:
            self._comes_into(lot, n)
        hold.state = "captured"
        return "captured"

    def void(self, number: int, now: datetime) -> str:
        if (state := self.state(number, now)) != "held":
            return f"hold_{state}"
        self._release(number, "voided")
        return "voided"

    def sweep(self, now: datetime) -> int:
        over = [n for n, hold in enumerate(self.holds, 1) if hold.state == "held" and hold.ends <= now]
        for number in sorted(over, key=lambda n: (self.holds[n - 1].ends, n)):
            self._release(number, "expired")
        return len(over)

    def state(self, number: int, now: datetime) -> str:
        hold = self.holds[number - 1]
        return "expired" if hold.state == "held" and now >= hold.ends else hold.state

    def _release(self, number: int, state: str) -> None:
        for lot, n in self.holds[number - 1].grains:
            self._comes_into(lot, n)
        self.holds[number - 1].state = state

    def _comes_into(self, lot: Lot, n: int) -> None:
        """A point comes into its lot: it repays what is owed; else it is gone with its lot, or free."""
        if self.debt:
            self.debt -= 1
            lot.grains[n] = GONE
        else:
            lot.grains[n] = EXPIRED if lot.swept else FREE

    def _take_one(self, own: Lot) -> None:
        """A point is taken back: of the own lot, left or expired; then of those that end soonest and are not over; else it is owed."""
        others = [lot for lot in self.in_turn() if lot.expires_at > self.clock]
        for lot, place in [(own, FREE), (own, EXPIRED), *((lot, FREE) for lot in others)]:
            if place in lot.grains:
                lot.grains[lot.grains.index(place)] = GONE
                return
        self.debt += 1
