"""Tier metrics (domain.md 4), added up anew from all that is known each time. Part of the independent model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.support.model_events import Event, Joined, Order, Review, kind_of, on_day
from tests.support.model_programme import Condition, Rule
from tests.support.model_tasks import Task, growth_by_tasks

GROWTH_PER_ACTIVITY = {"review": 10, "shared": 5, "signin": 1}  # growth, domain.md 4
NOT_ACTIVE = ("complaint", "registered", "refund", "decided", "takenback")  # these make no day active


@dataclass(frozen=True, slots=True)
class Deed:
    """Any numbered entry of the stream but a purchase or a refund, as far as a metric counts it."""

    seq: int
    time: datetime
    day: date
    kind: str
    which: str = ""  # the name of an activity joined
    photos: int = 0  # of a review


def deed_of(event: Event, zone: ZoneInfo) -> Deed:
    """An event as it is counted."""
    which = event.activity_id if isinstance(event, Joined) else ""
    photos = event.photos if isinstance(event, Review) else 0
    return Deed(event.seq, event.time, on_day(event, zone), kind_of(event), which, photos)


@dataclass
class Known:
    """What of a member's stream is known to a judgement: orders (net of all refunds known by now) and other deeds."""

    orders: list[Order] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    tasks: tuple[Task, ...] = ()

    def only(self, counts: Callable[[int, datetime], bool]) -> Known:
        """The part for which counts(seq, time) is true."""
        return Known(
            [order for order in self.orders if counts(order.seq, order.time)],
            [deed for deed in self.deeds if counts(deed.seq, deed.time)],
            self.tasks,
        )


@dataclass(frozen=True)
class AsOf:
    """From where a judgement looks: a local day, and the instant at which the counters of a lapse start anew."""

    day: date
    restart: datetime | None


def any_holds(rules: Sequence[Rule], known: Known, as_of: AsOf) -> bool:
    """Whether any of the rules holds; a rule holds if all of its conditions do."""
    return any(all(metric(part, known, as_of) >= part.at_least for part in rule) for rule in rules)


def metric(condition: Condition, known: Known, as_of: AsOf) -> int:
    """The value of a condition's metric; amounts in minor units, qualifying and net of refunds, rounded down per order."""
    name, last, restart = condition.metric, as_of.day, as_of.restart
    first = last - timedelta(days=condition.days - 1)  # a window of n local days that ends with the day
    if name == "spend_in_days":
        return sum(order.qualifying_minor for order in known.orders if first <= order.day <= last)
    if name in ("spend_total", "largest_order"):
        amounts = [
            order.qualifying_minor
            for order in known.orders
            if order.day <= last and (restart is None or order.time >= restart)
        ]
        return sum(amounts) if name == "spend_total" else max(amounts, default=0)
    if name == "orders_in_days":
        return sum(1 for order in known.orders if first <= order.day <= last and order.counts())
    if name == "active_days_in_days":
        days = {order.day for order in known.orders} | {d.day for d in known.deeds if d.kind not in NOT_ACTIVE}
        return sum(1 for day in days if first <= day <= last)
    if name == "complaints_in_days":
        return sum(1 for deed in known.deeds if deed.kind == "complaint" and first <= deed.day <= last)
    if name in ("growth_total", "growth_in_days"):
        return _growth(known, date.min if name == "growth_total" else first, last)
    raise ValueError(f"no such metric: {name}")


def _growth(known: Known, first: date, last: date) -> int:
    """Growth: floor(left ÷ 100 minor units) per order, 10 a review, 5 a share, 1 a sign-in (domain.md 4), and what tasks give."""
    bought = sum(order.qualifying_minor // 100 for order in known.orders if first <= order.day <= last)
    done = sum(GROWTH_PER_ACTIVITY.get(deed.kind, 0) for deed in known.deeds if first <= deed.day <= last)
    by_tasks = growth_by_tasks(known.tasks, known.orders, known.deeds, first, last) if known.tasks else 0
    return bought + done + by_tasks
