"""What one member's activities earn another (domain.md 3.2: shares and referrals), as the independent model of the whole sees it: without
any lag, each bonus lies with its receiver the moment it is earned. The one thing not to break: `said_to` tells who was given something or
lost something by another's doing, because a test must let that arrive before it goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.model import Member
from tests.support.model_calendar import end_of_lot, local_day
from tests.support.model_events import Event, Order, Other, Purchase, Refund, Registered
from tests.support.model_points import Lot
from tests.support.model_programme import Programme


@dataclass(frozen=True)
class Carried:
    """A purchase that carries a share."""

    buyer: str
    order: Order


@dataclass
class Crossings:
    """Feed it each numbered event before and after its own member has taken it, and each closed day after all members have."""

    programme: Programme
    members: dict[str, Member]
    referrers: dict[str, str] = field(default_factory=dict)  # of whom nobody has been paid for yet
    brought_by: dict[str, str] = field(default_factory=dict)  # of whoever once named a referrer
    shares: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    carrying: dict[str, list[Carried]] = field(default_factory=dict)
    followed: dict[str, Carried] = field(default_factory=dict)
    given: dict[str, tuple[Lot, int] | None] = field(
        default_factory=dict
    )  # by share; None: the month's cap left nothing
    undone: set[str] = field(default_factory=set)
    months: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # bonuses by receiver, kind and local month
    said_to: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def before(self, name: str, event: Event) -> None:
        """The clock moves first: a purchase may have grown old by it before anything else happens."""
        member = self.members[name]
        self._ripen(name, max(member.clock or event.time, event.time))

    def after(self, name: str, event: Event) -> None:
        """What follows from an event that its member has taken."""
        clock = self.members[name].clock
        assert clock is not None
        if isinstance(event, Registered) and event.referrer is not None and event.referrer != name:
            self.brought_by[name] = self.referrers[name] = event.referrer  # a member is registered once
        if isinstance(event, Purchase) and event.share_id is not None:
            order = self.members[name].orders[event.order_id]
            if order.amount_minor:
                self.carrying.setdefault(event.share_id, []).append(Carried(name, order))
                self._follow(event.share_id)
        if isinstance(event, Other) and event.share_id is not None:
            self.shares[event.share_id] = (name, event.time)
            self._follow(event.share_id)
        if isinstance(event, Refund):
            self._undo_those_of(event.order_id)
        self._ripen(name, clock)

    def day_closed(self) -> None:
        """Every member's clock has moved."""
        for name in list(self.referrers):
            clock = self.members[name].clock
            if clock is not None:
                self._ripen(name, clock)

    def _ripen(self, name: str, clock: datetime) -> None:
        """A referral is paid once, when a purchase of which anything is left is old enough; both lots date from that clock."""
        window = timedelta(days=self.programme.refund_window_days)
        if name not in self.referrers:
            return
        if not any(one.left_minor and one.time + window <= clock for one in self.members[name].orders.values()):
            return
        self._post(name, f"friend:{name}", self.programme.friend_points, clock)
        self.seen["referral"] += 1
        self._give(self.referrers.pop(name), "referral", name, clock)

    def _follow(self, share_id: str) -> None:
        """Once per share: of one buyer the purchase with the lowest number, of several buyers the earliest of these."""
        if share_id not in self.shares or share_id in self.followed:
            return
        sharer, at = self.shares[share_id]
        first: dict[str, Carried] = {}
        for one in self.carrying.get(share_id, []):
            if one.buyer != sharer and at - one.order.time <= timedelta(days=self.programme.share_waiting_days):
                first.setdefault(one.buyer, one)
        if not first:
            return
        one = self.followed[share_id] = min(
            first.values(), key=lambda each: (each.order.time, each.order.purchase.order_id)
        )
        self.seen["followed"] += 1
        self.given[share_id] = self._give(sharer, "share", share_id, one.order.time)
        self._undo_those_of(one.order.purchase.order_id)

    def _give(self, name: str, kind: str, what: str, at: datetime) -> tuple[Lot, int] | None:
        programme = self.programme
        points, most = (
            (programme.referrer_points, programme.referrals_a_month)
            if kind == "referral"
            else (programme.share_points, programme.shares_a_month)
        )
        month = (name, kind, f"{local_day(at, programme.zone):%Y-%m}")
        self.said_to.append(name)
        if self.months[month] >= most:
            self.seen["capped"] += 1
            return None
        self.months[month] += 1
        return self._post(name, f"{kind}:{what}", points, at), points

    def _undo_those_of(self, order_id: str) -> None:
        """Refunded whole, the purchase that followed a share takes the bonus back."""
        for share_id, one in self.followed.items():
            if one.order.purchase.order_id != order_id or one.order.left_minor or share_id in self.undone:
                continue
            self.undone.add(share_id)
            sharer = self.shares[share_id][0]
            self.said_to.append(sharer)
            given, clock = self.given[share_id], self.members[sharer].clock
            if given is not None and clock is not None:
                self.seen["undone"] += 1
                self.members[sharer].ledger.take_back(given[0], given[1], clock, f"share {share_id}")

    def _post(self, name: str, lot_id: str, points: int, at: datetime) -> Lot:
        ledger, programme = self.members[name].ledger, self.programme
        ends = end_of_lot(at, programme.lot_months, programme.zone)
        lot = Lot(lot_id, len(ledger.lots) + 1, at, at, ends)
        ledger.post(lot, points, lot_id)
        return lot
