"""What a stream is fed with, and what it may ask of the store. The one thing not to break: each step carries the versions known at its
place in the log, so it is judged the same whenever that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from tier_svc.domain.facts import PeriodEnd
from tier_svc.domain.ladder import Timeline
from tier_svc.domain.orders import Deed, Order


@dataclass(frozen=True, slots=True)
class Close:
    """A `day.closed` record as it applies to one partition: the instant at which the next day begins, and the versions known then."""

    as_of: datetime
    timeline: Timeline


class Step(NamedTuple):
    """The place of something numbered: its number, when it happened, the local day of that, and the versions known at it."""

    seq: int
    time: datetime
    day: date
    timeline: Timeline


@dataclass(slots=True)
class Past:
    """A member's whole past from the store, for a judgement that the running sums cannot make."""

    orders: list[Order]
    deeds: list[Deed]
    ends: list[PeriodEnd]  # ascending
