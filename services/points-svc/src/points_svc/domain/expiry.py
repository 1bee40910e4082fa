"""Expiry at the end of a day (domain.md 2.3, 3.4). The one thing not to break: a record whose `as_of` is not later than the last one
applied in its partition does nothing, and a member whose stream begins after a record is not moved by it."""

from __future__ import annotations

from datetime import datetime

from points_svc.domain import ledger
from points_svc.domain.account import Account, Day


def advance(day: Day, as_of: datetime) -> bool:
    """Whether the record counts in its partition; then the partition's day is moved on, for all its accounts at once."""
    if day.as_of is not None and as_of <= day.as_of:
        return False
    day.as_of, day.is_changed = as_of, True
    return True


def is_due(account: Account, as_of: datetime) -> bool:
    """Whether anything of the account expires by `as_of`."""
    return account.activity > 0 and any(expires_at <= as_of for expires_at in account.ladder)


def expire_due(account: Account, as_of: datetime, why: dict[str, object]) -> None:
    """What is left of the lots that have expired by `as_of`, in the order of their expiry."""
    due = sorted(
        (lot for lot in account.lots.values() if lot.remaining and lot.expires_at <= as_of), key=lambda lot: lot.turn
    )
    if sum(lot.remaining for lot in due) != sum(left for at, left in account.ladder.items() if at <= as_of):
        raise ValueError(f"lots and ladder of {account.member_id} differ; the books are not touched")
    if due:
        ledger.expire(account, due, why)
