"""Stored value as slowly and plainly as it can be written: every single minor unit is a grain of its own and lies somewhere. The model of
ADR 0016 for the tests; it knows nothing of the product: no entries, no ladder, no parts, its own calendar (Asia/Shanghai, UTC+8)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.unit.points_svc.grains import day_after

FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
FREE, OUT, FORFEITED, OVER = "free", "out", "forfeited", "over"  # or ("held", n), ("spent", n)
Place = str | tuple[str, int]


@dataclass
class Grain:
    """One minor unit. `top_up`: with which it came; None: it came back after its end and belongs to none."""

    paid: bool
    top_up: int | None
    since: datetime
    until: datetime
    order: int
    place: Place = FREE


@dataclass
class Hold:
    """Grains in the order in which they were taken; `spent`: those that paid, in that order, less what has come back."""

    grains: list[Grain]
    until: datetime
    state: str = "held"
    spent: list[Grain] = field(default_factory=list)


class Purse:
    """One member's money."""

    def __init__(self, *, paid_first: bool = True, bonus_days: int | None = None, forfeits: bool = True) -> None:
        self.paid_first, self.bonus_days, self.forfeits = paid_first, bonus_days, forfeits
        self.grains: list[Grain] = []
        self.holds: list[Hold] = []
        self.top_ups = 0
        self.orders = 0

    # What is read

    def free(self, now: datetime, *, paid: bool) -> int:
        """What can be spent: what a hold that was given up has set free after its end cannot, and is over at the next look."""
        return sum(grain.place == FREE and grain.paid == paid and grain.until > now for grain in self.grains)

    @property
    def held(self) -> int:
        return sum(grain.place[0] == "held" for grain in self.grains if isinstance(grain.place, tuple))

    def by_end(self) -> Counter[tuple[bool, datetime]]:
        """How many free grains of either kind last how long."""
        return Counter((grain.paid, grain.until) for grain in self.grains if grain.place == FREE)

    def in_all(self, place: str) -> int:
        return sum(grain.place == place for grain in self.grains)

    def left_of(self, number: int) -> int:
        return len(self.holds[number].spent)

    def _in_turn(self) -> list[Grain]:
        free = [grain for grain in self.grains if grain.place == FREE]
        return sorted(free, key=lambda g: (g.paid != self.paid_first, g.until, g.since, g.order))

    # What happens

    def look(self, now: datetime) -> None:
        """Time has passed: holds that are over give back, then bonuses that are over are gone."""
        for hold in self.holds:
            if hold.state == "held" and hold.until <= now:
                self._free(hold, "expired")
        for grain in self.grains:
            if grain.place == FREE and grain.until <= now:
                grain.place = OVER

    def top_up(self, paid: int, bonus: int, now: datetime) -> str:
        if bonus > paid:
            return "bonus_too_large"
        self.top_ups += 1
        until = FOR_EVER if self.bonus_days is None else day_after(now, self.bonus_days + 1)
        self.orders += 1
        self.grains += [Grain(True, self.top_ups, now, FOR_EVER, self.orders) for _ in range(paid)]
        self.grains += [Grain(False, self.top_ups, now, until, self.orders) for _ in range(bonus)]
        return "done"

    def hold(self, amount: int, now: datetime, lasts: timedelta) -> str:
        free = self._in_turn()
        if amount > len(free):
            return "insufficient_value"
        for grain in free[:amount]:
            grain.place = ("held", len(self.holds))
        self.holds.append(Hold(free[:amount], now + lasts))
        return "done"

    def capture(self, number: int, amount: int | None) -> str:
        hold = self.holds[number]
        wanted = len(hold.grains) if amount is None else amount
        if hold.state != "held":
            return f"hold_{hold.state}"
        if wanted > len(hold.grains):
            return "capture_exceeds_hold"
        hold.spent = hold.grains[:wanted]
        for grain in hold.spent:
            grain.place = ("spent", number)
        for grain in hold.grains[wanted:]:
            grain.place = FREE
        hold.state = "captured"
        return "done"

    def pay(self, amount: int, now: datetime) -> str:
        done = self.hold(amount, now, timedelta())
        return self.capture(len(self.holds) - 1, None) if done == "done" else done

    def void(self, number: int) -> str:
        hold = self.holds[number]
        if hold.state != "held":
            return f"hold_{hold.state}"
        self._free(hold, "voided")
        return "done"

    def refund(self, number: int, amount: int | None, now: datetime) -> str:
        hold = self.holds[number]
        if hold.state != "captured":
            return "payment_not_made"
        wanted = len(hold.spent) if amount is None else amount
        if not 0 < wanted <= len(hold.spent):
            return "refund_exceeds_payment"
        back = [hold.spent.pop() for _ in range(wanted)]
        goes = self._goes_of_what_is_back(back)
        for grain in back:
            if not grain.paid and goes[grain.top_up]:
                goes[grain.top_up] -= 1
                grain.place = FORFEITED
                continue
            grain.place = FREE
            if grain.until <= now:
                self.orders += 1
                grain.until, grain.top_up, grain.order = day_after(now, 31), None, self.orders
        return "done"

    def cash_out(self, amount: int | None) -> str:
        paid = sorted((g for g in self.grains if g.paid and g.place == FREE), key=lambda g: (g.since, g.order))
        wanted = len(paid) if amount is None else amount
        if not 0 < wanted <= len(paid):
            return "insufficient_value"
        going: list[Grain] = []
        for top_up, taken in Counter(grain.top_up for grain in paid[:wanted]).items():
            there = [g for g in self.grains if g.top_up == top_up and (g.place == FREE or g.place[0] == "held")]
            given = [grain for grain in there if not grain.paid]
            goes = -(-len(given) * taken // (len(there) - len(given))) if self.forfeits else 0
            free = [grain for grain in given if grain.place == FREE]
            if goes > len(free):
                return "bonus_held"
            going += free[:goes]
        for grain in paid[:wanted]:
            grain.place = OUT
        for grain in going:
            grain.place = FORFEITED
        return "done"

    def _goes_of_what_is_back(self, back: list[Grain]) -> Counter[int | None]:
        """By top-up: the same part of the bonus as of what was paid in is out."""
        goes: Counter[int | None] = Counter()
        for top_up, bonus in Counter(grain.top_up for grain in back if not grain.paid).items():
            paid = [grain for grain in self.grains if grain.paid and grain.top_up == top_up]
            if paid and self.forfeits:
                goes[top_up] = -(-bonus * sum(grain.place == OUT for grain in paid) // len(paid))
        return goes

    def _free(self, hold: Hold, state: str) -> None:
        for grain in hold.grains:
            grain.place = FREE
        hold.state = state
