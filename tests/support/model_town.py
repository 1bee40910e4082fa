"""A town of members who earn, spend, hold, give to each other, bring each other and buy by what others share, beside what is on its way
between them. Part of the independent model: it knows rules (domain.md 3) and no service, no batch, no partition but the closed day's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.model_calendar import end_of_lot, local_day, start_of_day
from tests.support.model_earning import RETURNED_DAYS
from tests.support.model_events import Line, Order, Purchase, Refund
from tests.support.model_holds import Hold, HoldingLedger, Parcel
from tests.support.model_points import Lot, Piece, Spending
from tests.support.model_programme import LOWEST, Programme

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
WAITS = timedelta(days=30)
WINDOW = timedelta(days=14)


@dataclass
class Resident:
    """One member."""

    name: int
    ledger: HoldingLedger = field(default_factory=HoldingLedger)
    orders: dict[str, Order] = field(default_factory=dict)
    net: dict[str, int] = field(default_factory=dict)
    facts: list[tuple[int, int]] = field(default_factory=list)  # (holds after, tier), by ordinal
    number: int = 0
    clock: datetime = LONG_AGO
    active: bool = False
    frozen: bool = False
    referrer: int | None = None
    paid: bool = False

    def tier_of(self, number: int) -> int:
        """Of the facts that hold after a lower number the one with the highest ordinal (domain.md 3.1)."""
        return next((tier for after, tier in reversed(self.facts) if after < number), LOWEST)


@dataclass(frozen=True)
class Bought:
    """A purchase that carries a share."""

    order_id: str
    buyer: int
    number: int
    time: datetime


@dataclass(frozen=True)
class Message:
    """On its way to a member: over (a transfer), back (what could not be taken), due or undone (a bonus)."""

    to: int
    parcels: tuple[Parcel, ...] = ()
    kind: str = ""  # of a bonus: referral, share
    at: datetime = LONG_AGO


@dataclass
class Gift:
    """A transfer, and whether it is over."""

    sender: int
    receiver: int
    pieces: list[Piece]
    state: str = "under_way"  # then arrived, refused, returned


@dataclass
class Town:
    """Tell it what happens, then carry what is said; read the residents."""

    programme: Programme
    referrer_points: int = 200
    friend_points: int = 100
    referrals_a_month: int = 10
    share_points: int = 50
    shares_a_month: int = 5
    people: dict[int, Resident] = field(default_factory=dict)
    closed: dict[int, datetime] = field(default_factory=dict)  # the last day by place
    messages: dict[tuple[str, str], Message] = field(default_factory=dict)  # by what it is and of what
    gifts: dict[str, Gift] = field(default_factory=dict)
    shares: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    carrying: dict[str, list[Bought]] = field(default_factory=dict)
    followed: dict[str, Bought] = field(default_factory=dict)
    bonuses: dict[str, tuple[Lot | None, int]] = field(default_factory=dict)  # given, or None: the cap left nothing
    undone: set[str] = field(default_factory=set)
    given: Counter[tuple[int, str, str]] = field(default_factory=Counter)

    def person(self, name: int) -> Resident:
        return self.people.setdefault(name, Resident(name))

    # What is told in a member's stream.

    def arrive(self, name: int, time: datetime) -> Resident:
        """The next number: the clock moves first, and a purchase may have grown old by it."""
        person = self.person(name)
        person.number += 1
        person.clock = max(person.clock, time)
        self._ripen(person)
        return person

    def register(self, name: int, time: datetime, referrer: int | None) -> None:
        person = self.arrive(name, time)
        person.active = True
        person.referrer = referrer if referrer != name else None
        self._ripen(person)

    def freeze(self, name: int, time: datetime, *, frozen: bool) -> None:
        self.arrive(name, time).frozen = frozen

    def share(self, name: int, time: datetime, share_id: str) -> None:
        self.arrive(name, time)
        self.shares[share_id] = (name, time)
        self._follow(share_id)

    def buy(self, name: int, time: datetime, order_id: str, lines: list[Line], share_id: str | None) -> None:
        person = self.arrive(name, time)
        order = person.orders[order_id] = Order(Purchase(person.number, time, order_id, lines), self.programme)
        points = person.net[order_id] = self._worth(person, order)
        self._post(person, f"order:{order_id}", points, time)
        if share_id is not None and order.amount_minor:
            bought = Bought(order_id, name, person.number, time)
            self.carrying.setdefault(share_id, []).append(bought)
            self._follow(share_id)
        self._ripen(person)

    def refund(self, name: int, time: datetime, order_id: str, amount: int) -> None:
        person = self.arrive(name, time)
        order, cause = person.orders[order_id], f"refund {person.number}"
        order.refund(Refund(person.number, time, cause, order_id, (), amount))
        self._rate(person, order, cause)
        spent = sum(piece.points for piece in person.ledger.spent_on(order_id))
        if spent:
            due = spent * (order.amount_minor - order.left_minor) // order.amount_minor
            zone = self.programme.zone
            ends = start_of_day(local_day(time, zone) + timedelta(days=RETURNED_DAYS), zone)
            person.ledger.bring_back(order_id, due, person.clock, ends, cause)
        if not order.left_minor:
            for share_id, bought in self.followed.items():
                if bought.order_id == order_id:
                    self._say_undone(share_id)

    def stand(self, name: int, after: int, tier: int) -> None:
        """A standing fact becomes known; orders it holds for are rated again (domain.md 3.1)."""
        person = self.person(name)
        person.facts.append((after, tier))
        for order in person.orders.values():
            self._rate(person, order, f"standing {len(person.facts)}")

    def close_day(self, place: int, names: list[int], as_of: datetime) -> None:
        """For these members, who live in one place; a record that is not later than the last one there is none (domain.md 2.3)."""
        if as_of <= self.closed.get(place, LONG_AGO):
            return
        self.closed[place] = as_of
        for person in [self.people[name] for name in names if self.person(name).number]:
            person.clock = max(person.clock, as_of)
            person.ledger.sweep(as_of)
            self._ripen(person)

    # What is asked for at a till: the word of the answer.

    def refusal(self, name: int, points: int, now: datetime) -> str | None:
        person = self.person(name)
        if not person.number:
            return "member_unknown"
        person.ledger.release_what_is_over(now)
        if not person.active:
            return "member_not_active"
        if person.frozen:
            return "member_frozen"
        if person.ledger.debt:
            return "in_debt"
        return "insufficient_points" if points > person.ledger.available(now) else None

    def spend(self, name: int, points: int, now: datetime, order_id: str | None) -> str:
        if (no := self.refusal(name, points, now)) is not None:
            return no
        ledger = self.people[name].ledger
        ledger.spendings.append(Spending(points, order_id, ledger.takes(points, now, "spent")))
        return "done"

    def hold(self, name: int, key: str, points: int, now: datetime, ends: datetime, order_id: str | None) -> str:
        if (no := self.refusal(name, points, now)) is not None:
            return no
        self.people[name].ledger.hold(key, points, now, ends, order_id)
        return "done"

    def capture(self, name: int, hold: Hold, points: int | None, now: datetime, order_id: str | None) -> str:
        person, wanted = self.people[name], hold.points if points is None else points
        if hold.state == "captured" and hold.captured == wanted and order_id in (None, hold.order_id):
            return "done"  # the same once more
        if (state := hold.state_at(now)) != "held":
            return f"hold_{state}"
        if person.frozen:
            return "member_frozen"
        if wanted > hold.points:
            return "capture_exceeds_hold"
        if order_id is not None and hold.order_id is not None and order_id != hold.order_id:
            return "order_differs"
        person.ledger.capture(hold, wanted, order_id)
        hold.order_id = hold.order_id or order_id
        return "done"

    def void(self, name: int, hold: Hold, now: datetime) -> str:
        if hold.state != "voided":
            if (state := hold.state_at(now)) != "held":
                return f"hold_{state}"
            self.people[name].ledger.give_up(hold, "voided")
        return "done"

    def sweep_holds(self, now: datetime) -> int:
        return sum(person.ledger.release_what_is_over(now) for person in self.people.values())

    def give(self, sender: int, receiver: int, gift: str, points: int, now: datetime) -> str:
        if self.person(sender).number and not self.person(receiver).number:
            return "receiver_unknown"  # a request that cannot be: nothing is looked at, not even holds that are over
        if (no := self.refusal(sender, points, now)) is not None:
            return no
        if self.people[receiver].frozen:
            return "receiver_frozen"
        pieces = self.people[sender].ledger.takes(points, now, "given")
        parcels = tuple(Parcel(piece.points, piece.lot.earned_at, piece.lot.expires_at) for piece in pieces)
        self.gifts[gift] = Gift(sender, receiver, pieces)
        self.messages["over", gift] = Message(receiver, parcels)
        return "done"

    # What is carried between members; told twice or out of order, it counts once.

    def carry(self, what: str, name: str) -> None:
        message = self.messages[what, name]
        person = self.person(message.to)
        gift = self.gifts.get(name)
        if what == "over" and gift is not None and gift.state == "under_way":
            if person.frozen:
                gift.state = "refused"
                self.messages["back", name] = Message(gift.sender)
            else:
                gift.state = "arrived"
                person.ledger.parcels_come(message.parcels)
        elif what == "back" and gift is not None and gift.state == "refused":
            gift.state = "returned"
            person.ledger.back(gift.pieces, "returned")
        elif what == "due" and name not in self.bonuses and name not in self.undone:
            self._grant(person, name, message)
        elif what == "undone" and name not in self.undone:
            self.undone.add(name)
            lot, points = self.bonuses.get(name, (None, 0))
            if lot is not None:
                person.ledger.take_back(lot, points, person.clock, name)

    def _grant(self, person: Resident, name: str, message: Message) -> None:
        referral = message.kind == "referral"
        points, cap = (
            (self.referrer_points, self.referrals_a_month) if referral else (self.share_points, self.shares_a_month)
        )
        month = (person.name, message.kind, f"{local_day(message.at, self.programme.zone):%Y-%m}")
        if self.given[month] >= cap:
            self.bonuses[name] = (None, 0)
            return
        self.given[month] += 1
        self.bonuses[name] = (self._post(person, name, points, message.at), points)

    # What follows from it.

    def _worth(self, person: Resident, order: Order) -> int:
        return order.points(self.programme.tiers[person.tier_of(order.seq)].multiplier)

    def _rate(self, person: Resident, order: Order, cause: str) -> None:
        order_id = order.purchase.order_id
        before, now = person.net[order_id], self._worth(person, order)
        person.net[order_id] = now
        lot = person.ledger.lot(f"order:{order_id}")
        if now < before:
            person.ledger.take_back(lot, before - now, person.clock, cause)
        elif now > before:
            if not any(entry.lot_id == lot.lot_id for entry in person.ledger.entries):
                lot.swept = (
                    False  # nothing has ever lain in it: what comes now waits for the next closed day (domain.md 3.3.5)
                )
            person.ledger._credit(lot, now - before, "rated_again", cause)

    def _post(self, person: Resident, lot_id: str, points: int, time: datetime) -> Lot:
        ledger = person.ledger
        ends = end_of_lot(time, self.programme.lot_months, self.programme.zone)
        lot = Lot(lot_id, len(ledger.lots) + 1, time, time, ends)
        ledger.post(lot, points, lot_id)
        return lot

    def _ripen(self, person: Resident) -> None:
        """A referral is paid when a purchase of which anything is left is old enough, by the new member's clock (domain.md 3.2)."""
        if person.referrer is None or person.paid:
            return
        if any(order.left_minor and order.time + WINDOW <= person.clock for order in person.orders.values()):
            person.paid = True
            self._post(person, "friend", self.friend_points, person.clock)
            name = f"referral of {person.name}"
            self.messages["due", name] = Message(person.referrer, kind="referral", at=person.clock)

    def _follow(self, share_id: str) -> None:
        """The first purchase above 0 by another member: of one buyer that with the lowest number, of several the earliest."""
        if share_id in self.followed or share_id not in self.shares:
            return
        sharer, shared_at = self.shares[share_id]
        first: dict[int, Bought] = {}
        for one in self.carrying.get(share_id, []):
            if one.buyer != sharer and shared_at - one.time <= WAITS:
                first.setdefault(one.buyer, one)
        if first:
            one = self.followed[share_id] = min(first.values(), key=lambda each: (each.time, each.order_id))
            self.messages["due", share_id] = Message(sharer, kind="share", at=one.time)
            if not self.people[one.buyer].orders[one.order_id].left_minor:
                self._say_undone(share_id)

    def _say_undone(self, share_id: str) -> None:
        self.messages["undone", share_id] = Message(self.shares[share_id][0])
