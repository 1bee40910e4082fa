"""What expires soon is said ahead (domain.md 3.4), by closed days and not by a clock of ours. The one thing not to break: of several
reminders that are due for one instant only the nearest is said; a day that closes late does not pour out all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from points_svc.domain import calendar
from points_svc.domain.account import Account
from points_svc.domain.rules import Rules


class Reminder(NamedTuple):
    """So many points of a member expire at an instant; it is said so many days ahead, as of a closed day."""

    member_id: UUID
    partition: int
    expires_at: datetime
    days_ahead: int
    points: int
    as_of: datetime


def horizon(as_of: datetime, rules: Rules) -> datetime:
    """Nothing that expires later is spoken of now."""
    days = max(rules.reminder_days, default=0)
    return calendar.start_of_day_after(calendar.local_day(as_of, rules.zone), days, rules.zone)


def due(account: Account, as_of: datetime, rules: Rules) -> Iterator[Reminder]:
    """What is to be said about an account at the end of a day; perhaps it has been said before."""
    today = calendar.local_day(as_of, rules.zone)
    for expires_at, points in sorted(account.ladder.items()):
        last = calendar.local_day(expires_at - timedelta(microseconds=1), rules.zone)
        left = (last - today).days + 1  # days on which they can still be spent, today among them
        nearest = next((days for days in rules.reminder_days if left <= days), None)
        if expires_at > as_of and nearest is not None:
            yield Reminder(account.member_id, account.day.partition, expires_at, nearest, points, as_of)
