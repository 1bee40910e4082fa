"""What each event of a stream earns or takes back (domain.md 3.1–3.3 and 5). Part of the independent model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.support.model_calendar import end_of_lot, local_day, start_of_day
from tests.support.model_events import Event, Joined, Order, Refund, Review, SignIn
from tests.support.model_holds import HoldingLedger
from tests.support.model_points import Lot
from tests.support.model_programme import LOWEST, Programme

RETURNED_DAYS = 31  # points that come back after their expiry last until the start of the 31st local day after


@dataclass(frozen=True)
class Rating:
    """How an order was rated: by which tier, and what that gave and gives."""

    tier: int
    first: int  # points when it was first rated
    now: int  # net points after all refunds so far


class Earning:
    """Turns the events of one member into lots."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.ledger = HoldingLedger()
        self.ratings: dict[str, Rating] = {}  # by order
        self.awards: dict[str, int] = {}  # net points of campaign awards, by first-purchase:… and big-basket:…
        self._signed_in: set[date] = set()
        self._streaks_paid = 0
        self._reviews: Counter[date] = Counter()

    def bought(self, order: Order, tier: int) -> None:
        """An order, rated at the tier that holds for its number; campaign awards follow in lots of their own."""
        points = order.points(self.programme.tiers[tier].multiplier)
        order_id = order.purchase.order_id
        self.ratings[order_id] = Rating(tier, points, points)
        self._post(f"order:{order_id}", points, order.time)
        programme = self.programme
        first_given = any(
            name.startswith("first-purchase:") for name in self.awards
        )  # once for ever, even if taken back
        if programme.first_purchase_points is not None and order.amount_minor > 0 and not first_given:
            self._award(f"first-purchase:{order_id}", programme.first_purchase_points, order.time)
        if self._big_basket(order, tier):
            self._award(f"big-basket:{order_id}", programme.big_basket_points or 0, order.time)

    def _big_basket(self, order: Order, tier: int) -> bool:
        """An order of which enough is left, at silver or above by its rating (domain.md 5)."""
        programme = self.programme
        given = programme.big_basket_points is not None
        return given and order.left_minor >= programme.big_basket_from and tier > LOWEST

    def refunded(self, refund: Refund, order: Order, clock: datetime) -> None:
        """Rated again with what is left (3.3.1); then spent points come back (3.3.4); then awards are judged again."""
        cause = f"refund:{refund.order_id}:{refund.refund_id}"
        rating = self.ratings[refund.order_id]
        now = order.points(self.programme.tiers[rating.tier].multiplier)
        self.ratings[refund.order_id] = Rating(rating.tier, rating.first, now)
        if now < rating.now:
            self.ledger.take_back(self.ledger.lot(f"order:{refund.order_id}"), rating.now - now, clock, cause)
        spent = sum(piece.points for piece in self.ledger.spent_on(refund.order_id))
        if spent:
            due = spent * (order.amount_minor - order.left_minor) // order.amount_minor
            zone = self.programme.zone
            new_end = start_of_day(local_day(refund.time, zone) + timedelta(days=RETURNED_DAYS), zone)
            self.ledger.bring_back(refund.order_id, due, clock, new_end, cause)
        if order.left_minor == 0:
            self._withdraw(f"first-purchase:{refund.order_id}", clock, cause)
        if not self._big_basket(order, rating.tier):
            self._withdraw(f"big-basket:{refund.order_id}", clock, cause)

    def did(self, event: Event) -> None:
        """What the other activities earn (3.2); each cap counts on the activity's own local day, in stream order."""
        programme = self.programme
        day = local_day(event.time, programme.zone)
        if isinstance(event, SignIn):
            self._signed_in.add(day)
            due = programme.streak_points * self.full_weeks()
            self._post(f"sign-in:{event.seq}", programme.sign_in_points + due - self._streaks_paid, event.time)
            self._streaks_paid = due
        elif isinstance(event, Review) and self._reviews[day] < programme.reviews_a_day:
            self._reviews[day] += 1
            points = programme.review_points + (programme.photo_points if event.photos else 0)
            self._post(f"review:{event.review_id}", points, event.time)
        elif isinstance(event, Joined):
            self._post(f"joined:{event.activity_id}", programme.joined_points, event.time)

    def full_weeks(self) -> int:
        """Σ floor(length ÷ 7) over the maximal runs of local days signed in (3.2)."""
        weeks = 0
        for first in self._signed_in:
            if first - timedelta(days=1) not in self._signed_in:
                weeks += self._run_from(first) // self.programme.streak_days
        return weeks

    def streak(self, day: date) -> int:
        """The length of the run of days signed in that ends with a day."""
        length = 0
        while day - timedelta(days=length) in self._signed_in:
            length += 1
        return length

    def _run_from(self, first: date) -> int:
        length = 1
        while first + timedelta(days=length) in self._signed_in:
            length += 1
        return length

    def _award(self, name: str, points: int, time: datetime) -> None:
        self.awards[name] = points
        self._post(name, points, time)

    def _withdraw(self, name: str, clock: datetime, cause: str) -> None:
        if self.awards.get(name):
            self.ledger.take_back(self.ledger.lot(name), self.awards[name], clock, cause)
            self.awards[name] = 0

    def _post(self, lot_id: str, points: int, time: datetime) -> None:
        """A lot dates from its activity, a campaign's award too (3.4)."""
        programme = self.programme
        available = time + timedelta(days=programme.pending_days)  # `pending_days` × 24 h: an absolute time, in UTC
        expires = end_of_lot(time, programme.lot_months, programme.zone)
        self.ledger.post(Lot(lot_id, len(self.ledger.lots) + 1, time, available, expires), points, lot_id)
