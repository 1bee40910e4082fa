"""An independent, slow, obvious oracle of Laurel's rules (domain.md): one member at a time, sharing no code with a service."""

from __future__ import annotations

from datetime import datetime

from tests.support.model_events import Event, Order, Purchase, Refund
from tests.support.model_programme import Programme
from tests.support.model_tiers import Fact, Standing, Standings


class Member:
    """One member. Feed numbered events with apply(), closed days with close_day(), spendings with spend()."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.standings = Standings(programme)
        self.orders: dict[str, Order] = {}

    @property
    def standing(self) -> Standing:
        """The tier held now."""
        return self.standings.standing

    @property
    def facts(self) -> list[Fact]:
        """All standing facts, in order."""
        return self.standings.facts

    @property
    def clock(self) -> datetime | None:
        """The latest time that the stream has reached."""
        return self.standings.clock

    def points_of_order(self, order_id: str) -> int:
        """Net points of an order, from the final list of facts."""
        order = self.orders[order_id]
        return order.points(self.programme.tiers[self.standings.tier_rating(order.seq)].multiplier)

    def apply(self, event: Event) -> None:
        """The next event of the stream."""
        order = None
        self.standings.arrive(event)
        if isinstance(event, Purchase):
            order = self.orders[event.order_id] = Order(event, self.programme)
        if isinstance(event, Refund):
            self.orders[event.order_id].refund(event)
        self.standings.judge(event, order)

    def close_day(self, as_of: datetime) -> None:
        """A closed day; ignored before the member's stream begins."""
        self.standings.close_day(as_of)
