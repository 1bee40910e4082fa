"""Spending (domain.md 3.5): reserved and captured at once. The one thing not to break: what is spent is there, spendable at that
moment, and comes from the lots that expire soonest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from points_svc.domain import ledger
from points_svc.domain.account import Account, Lot, Why


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule said no; `kind` is a closed set: member_not_active, member_frozen, in_debt, insufficient_points."""

    kind: str
    available: int
    debt: int


@dataclass(frozen=True, slots=True)
class Worth:
    """What an account holds at a moment: spendable, not yet available, and expired although no day record has said so."""

    available: int
    pending: int
    overdue: int


def register(account: Account) -> None:
    """From the member's own registration on points can be spent; a provisional member only earns (domain.md 2.2)."""
    account.active = True


def freeze(account: Account, frozen: bool) -> None:
    """A frozen account earns and does not spend."""
    account.frozen = frozen


def spendable(account: Account, now: datetime) -> list[Lot]:
    """Lots that can be spent at `now`, the soonest to expire first. `expires_at` is exclusive, whether or not the day is closed."""
    lots = [lot for lot in account.lots.values() if lot.remaining and lot.available_at <= now < lot.expires_at]
    return sorted(lots, key=lambda lot: lot.turn)


def worth_at(account: Account, now: datetime) -> Worth:
    """Available = posted − held − pending − overdue, and 0 while there is debt (domain.md 3.5)."""
    available = sum(lot.remaining for lot in spendable(account, now))
    pending = sum(lot.remaining for lot in account.lots.values() if lot.available_at > now and lot.expires_at > now)
    overdue = account.posted - available - pending
    return Worth(0 if account.debt else max(0, available - account.held), pending, overdue)


def spend(account: Account, points: int, now: datetime, why: Why, order_id: str | None = None) -> Refused | None:
    """Spend points now; None: done."""
    available = worth_at(account, now).available
    refused = _refusal(account, points, available)
    if refused is not None:
        return Refused(refused, available, account.debt)
    ledger.spend_from(account, spendable(account, now), points, why, order_id=order_id)
    return None


def _refusal(account: Account, points: int, available: int) -> str | None:
    if not account.active:
        return "member_not_active"
    if account.frozen:
        return "member_frozen"
    if account.debt:
        return "in_debt"
    return "insufficient_points" if points > available else None
