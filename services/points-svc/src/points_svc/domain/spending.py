"""Who may spend, and how much there is at a moment (domain.md 3.5). The one thing not to break: what is spent or held is there, and
spendable at that moment; while there is debt nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from points_svc.domain.account import Account, Lot


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule said no. `kind` is a closed set: member_not_active, member_frozen, in_debt, insufficient_points; of holds also hold_captured,
    hold_voided, hold_expired, capture_exceeds_hold, order_differs; those of corrections, checkout and rewards stand in their own modules,
    and all of them with their words in `handlers.once`. `figures`: what the rule looked at."""

    kind: str
    figures: Mapping[str, object] = field(default_factory=dict)


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
    """Available = posted − held − pending − overdue, and 0 while there is debt (domain.md 3.5). What is held lies in no lot."""
    available = sum(lot.remaining for lot in spendable(account, now))
    pending = sum(lot.remaining for lot in account.lots.values() if lot.available_at > now and lot.expires_at > now)
    overdue = account.posted - account.held - available - pending
    return Worth(0 if account.debt else available, pending, overdue)


def refusal(account: Account, points: int, now: datetime) -> Refused | None:
    """Why so many points cannot be spent or held now; None: they can."""
    available = worth_at(account, now).available
    kind = _barred(account) or ("in_debt" if account.debt else "insufficient_points" if points > available else None)
    return None if kind is None else Refused(kind, {"points": points, "available": available, "debt": account.debt})


def _barred(account: Account) -> str | None:
    if not account.active:
        return "member_not_active"
    return "member_frozen" if account.frozen else None
