"""Short histories of one member for tests of the independent model: local times in, numbered events out."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.model import Member
from tests.support.model_calendar import start_of_day
from tests.support.model_events import Event, Joined, Line, Other, Purchase, Refund, Registered, Review, SignIn
from tests.support.model_points import Spending
from tests.support.model_programme import Programme, reference_programme


class Story:
    """Tells a member what happens next; times are local (`2025-03-01 10:00`) unless they carry an offset."""

    def __init__(self, programme: Programme | None = None, *, provisional: bool = False) -> None:
        self.programme = programme or reference_programme()
        self.member = Member(self.programme, provisional=provisional)
        self.seq = 0

    def instant(self, at: str) -> datetime:
        """A local time as an instant in UTC."""
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.programme.zone)).astimezone(UTC)

    def buys(self, order_id: str, *amounts: int, at: str, category: str = "grocery") -> None:
        """An order with a line per amount, in minor units."""
        lines = tuple(Line(str(n), f"sku-{n}", category, 1, amount) for n, amount in enumerate(amounts, 1))
        self._tell(Purchase(self._next(), self.instant(at), order_id, lines))

    def refunds(self, order_id: str, amount: int, *, at: str, line: str | None = None) -> None:
        """A refund in minor units: of a line, or unallocated."""
        seq = self._next()
        lines = ((line, amount),) if line else ()
        self._tell(Refund(seq, self.instant(at), f"r{seq}", order_id, lines, 0 if line else amount))

    def signs_in(self, at: str) -> None:
        """A sign-in."""
        self._tell(SignIn(self._next(), self.instant(at)))

    def reviews(self, review_id: str, *, at: str, photos: int = 0) -> None:
        """A review."""
        self._tell(Review(self._next(), self.instant(at), review_id, photos))

    def joins(self, activity_id: str, *, at: str) -> None:
        """An activity joined."""
        self._tell(Joined(self._next(), self.instant(at), activity_id))

    def does(self, kind: str, *, at: str) -> None:
        """A share, a complaint or a survey."""
        self._tell(Other(self._next(), self.instant(at), kind))

    def registers(self, at: str) -> None:
        """The member is registered."""
        self._tell(Registered(self._next(), self.instant(at)))

    def closes(self, day: str) -> None:
        """day.closed with the instant at which a local day begins."""
        self.member.close_day(start_of_day(datetime.fromisoformat(day).date(), self.programme.zone))

    def spends(self, points: int, *, at: str | None = None, order_id: str | None = None) -> Spending:
        """A spending of points."""
        return self.member.spend(points, at=self.instant(at) if at else None, order_id=order_id)

    def tiers(self) -> list[str]:
        """The names of the tiers that the facts led to."""
        return [self.programme.tiers[fact.tier_to].name for fact in self.member.facts]

    def kinds(self) -> list[str]:
        """The kinds of the facts."""
        return [fact.kind for fact in self.member.facts]

    def until(self) -> str:
        """The local day at whose start the standing ends."""
        until = self.member.standing.until
        return until.astimezone(self.programme.zone).date().isoformat() if until else "never"

    def points(self, order_id: str) -> int:
        """Net points of an order."""
        return self.member.points_of_order(order_id)

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _tell(self, event: Event) -> None:
        self.member.apply(event)
