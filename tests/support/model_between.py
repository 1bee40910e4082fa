"""What one member's activities earn another (domain.md 3.2: shares, referrals), told from the activities alone. Part of the independent
model: it goes through every purchase there is at every step, keeps no waiting lists, and shares no code with a service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

WAITS = timedelta(days=30)
WINDOW = timedelta(days=14)


@dataclass
class Bought:
    """One purchase."""

    order_id: str
    buyer: UUID
    time: datetime
    amount: int
    share_id: str | None
    refunded: int = 0


@dataclass
class Person:
    """One member's stream so far."""

    place: int  # the partition, for closed days
    clock: datetime
    referrer: UUID | None = None
    paid_at: datetime | None = None
    bought: list[Bought] = field(default_factory=list)


@dataclass
class Neighbours:
    """Feed what happens in order of arrival (per partition); then read what is due."""

    zone: ZoneInfo
    people: dict[UUID, Person] = field(default_factory=dict)
    shares: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)

    # what happens

    def arrives(self, member: UUID, place: int, time: datetime) -> Person:
        """The next activity of a member: the clock moves first."""
        person = self.people.setdefault(member, Person(place, time))
        person.clock = max(person.clock, time)
        self._look(person)
        return person

    def registered(self, member: UUID, place: int, time: datetime, referrer: UUID | None) -> None:
        person = self.arrives(member, place, time)
        if referrer != member:
            person.referrer = referrer
        self._look(person)

    def shared(self, member: UUID, place: int, time: datetime, share_id: str) -> None:
        self.arrives(member, place, time)
        self.shares[share_id] = (member, time)

    def buys(
        self, member: UUID, place: int, time: datetime, order_id: str, amount: int, share_id: str | None = None
    ) -> None:
        person = self.arrives(member, place, time)
        person.bought.append(Bought(order_id, member, time, amount, share_id))
        self._look(person)

    def refunds(self, member: UUID, place: int, time: datetime, order_id: str, amount: int) -> None:
        person = self.arrives(member, place, time)
        next(one for one in person.bought if one.order_id == order_id).refunded += amount

    def day_closed(self, place: int, as_of: datetime) -> None:
        for person in self.people.values():
            if person.place == place:
                person.clock = max(person.clock, as_of)
                self._look(person)

    def _look(self, person: Person) -> None:
        if person.referrer is None or person.paid_at is not None:
            return
        if any(one.refunded < one.amount and one.time + WINDOW <= person.clock for one in person.bought):
            person.paid_at = person.clock

    # what is read

    def month(self, time: datetime) -> str:
        return f"{time.astimezone(self.zone):%Y-%m}"

    def referrals(self) -> set[tuple[UUID, UUID, str]]:
        """(referrer, new member, month of payment)."""
        return {
            (person.referrer, member, self.month(person.paid_at))
            for member, person in self.people.items()
            if person.referrer is not None and person.paid_at is not None
        }

    def followed(self) -> dict[str, Bought]:
        """By share: of the one other member who buys by it, the first purchase that counts."""
        found: dict[str, Bought] = {}
        for person in self.people.values():
            for one in person.bought:
                if one.share_id is None or one.share_id not in self.shares or not one.amount:
                    continue
                sharer, shared_at = self.shares[one.share_id]
                if one.buyer != sharer and one.time >= shared_at - WAITS:
                    found.setdefault(one.share_id, one)
        return found
