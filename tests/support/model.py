"""An independent, slow, obvious oracle of Laurel's rules (domain.md): one member at a time, sharing no code with a service.

Feed a `Member` numbered events in stream order, closed days and spendings; read its facts, net points, lots and debt.
It is the ideal without lag: every standing fact that holds for a number is known when that number is rated.
`World` puts the door (domain.md 2.2) before many members, and takes the reports that a test also sends over HTTP.
"""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.model_earning import Earning
from tests.support.model_events import Event, Order, Purchase, Refund, Registered
from tests.support.model_holds import HoldingLedger
from tests.support.model_points import Lot, Spending
from tests.support.model_programme import Programme
from tests.support.model_tiers import Fact, Standing, Standings


class Member:
    """One member. Feed numbered events with apply(), closed days with close_day(), spendings with spend()."""

    def __init__(self, programme: Programme, *, provisional: bool = False) -> None:
        self.programme = programme
        self.provisional = provisional  # earns but cannot spend (domain.md 2.2)
        self.standings = Standings(programme)
        self.earning = Earning(programme)
        self.orders: dict[str, Order] = {}

    # what is read

    @property
    def standing(self) -> Standing:
        """The tier held now."""
        return self.standings.standing

    @property
    def tier_name(self) -> str:
        """The name of the tier held now."""
        return self.programme.tiers[self.standing.tier].name

    @property
    def facts(self) -> list[Fact]:
        """All standing facts, in order."""
        return self.standings.facts

    @property
    def clock(self) -> datetime | None:
        """The latest time that the stream has reached."""
        return self.standings.clock

    @property
    def ledger(self) -> HoldingLedger:
        """Lots, debt, spendings, holds and entries."""
        return self.earning.ledger

    @property
    def lots(self) -> list[Lot]:
        """All lots, in the order they were posted."""
        return self.ledger.lots

    @property
    def debt(self) -> int:
        """Points taken back that had been spent already."""
        return self.ledger.debt

    @property
    def available(self) -> int:
        """Points that can be spent at the member's clock."""
        return self.ledger.available(self.clock) if self.clock else 0

    def points_of_order(self, order_id: str) -> int:
        """Net points of an order, from what is left of it and the final list of facts (domain.md 3.1)."""
        order = self.orders[order_id]
        return order.points(self.programme.tiers[self.standings.tier_rating(order.seq)].multiplier)

    def net_points(self) -> dict[str, int]:
        """Net points of every order."""
        return {order_id: self.points_of_order(order_id) for order_id in self.orders}

    def awards(self) -> dict[str, int]:
        """Net points of every campaign award, by `first-purchase:<order>` and `big-basket:<order>`."""
        return dict(self.earning.awards)

    def upgrade_coupons(self) -> list[str]:
        """One coupon per member and tier for ever, caused by a rise; a correction triggers none (domain.md 5)."""
        if not self.programme.upgrade_gift:
            return []
        return list(dict.fromkeys(self.programme.tiers[f.tier_to].name for f in self.facts if f.kind == "raised"))

    # what is fed

    def apply(self, event: Event) -> None:
        """The next event of the stream."""
        order = None
        self.standings.arrive(event)
        if isinstance(event, Purchase):
            order = self.orders[event.order_id] = Order(event, self.programme)
        if isinstance(event, Refund):
            self.orders[event.order_id].refund(event)
        if isinstance(event, Registered):
            self.provisional = False
        self.standings.judge(event, order)
        clock = self.clock
        assert clock is not None
        if order is not None:
            self.earning.bought(order, self.standings.tier_rating(event.seq))
        elif isinstance(event, Refund):
            self.earning.refunded(event, self.orders[event.order_id], clock)
        else:
            self.earning.did(event)

    def close_day(self, as_of: datetime) -> None:
        """A closed day moves the clock and expires lots; it is ignored before the member's stream begins."""
        if self.clock is not None:
            self.standings.close_day(as_of)
            self.ledger.sweep(as_of)

    def spend(self, points: int, *, at: datetime | None = None, order_id: str | None = None) -> Spending:
        """Spend points at an instant (never before the clock); it has no number and moves no clock."""
        beginning = datetime.min.replace(tzinfo=UTC)
        moment = max(at or beginning, self.clock or beginning)
        return self.ledger.spend(points, moment, order_id, self.provisional)
