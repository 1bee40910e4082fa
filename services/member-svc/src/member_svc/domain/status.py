"""The member's status as it is at one instant: what can be spent, what expires soon (domain.md 3.4, 3.5).
The one thing not to break: `available` never counts what has expired, whether or not the day has been closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

SOON = timedelta(days=30)  # the first reminder is sent 30 days ahead (domain.md 3.4)

Ladder = Sequence[tuple[datetime, int]]  # (instant, points), ascending


class Balance(NamedTuple):
    """What points-svc said last. `ladder`: what expires when; `pending`: what becomes available when."""

    posted: int
    held: int
    debt: int
    ladder: Ladder
    pending: Ladder


class Spendable(NamedTuple):
    """Points at one instant. `expiring_soon` of the available ones go by `SOON` from now, the first of them at `expiring_next_at`."""

    available: int
    pending: int
    expiring_soon: int
    expiring_next_at: datetime | None


def spendable(balance: Balance, now: datetime) -> Spendable:
    """Available = posted − held − pending, without what has expired, and 0 while there is debt."""
    expired = soon = 0
    next_at: datetime | None = None
    for at, points in balance.ladder:
        if at <= now:
            expired += points
        elif at <= now + SOON:
            soon += points
            next_at = next_at or at
    waiting = sum(points for at, points in balance.pending if at > now)
    available = 0 if balance.debt > 0 else max(0, balance.posted - expired - balance.held - waiting)
    return Spendable(available, waiting, soon, next_at)
