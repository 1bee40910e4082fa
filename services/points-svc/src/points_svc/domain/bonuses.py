"""What another member's activities earn this one (domain.md 3.2), as far as the month's cap leaves room. The one thing not to break: a
bonus is decided once and undone at most once, in whatever order the two are told."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from points_svc.domain import earning, ledger
from points_svc.domain.account import (
    HANDED_LOTS_FROM,
    REFERRED,
    SHARE_TAKEN_BACK,
    SHARED,
    Account,
    Dated,
    NoEffect,
    Why,
)
from points_svc.domain.between import Bonus
from points_svc.domain.rules import ReferralRules, Rules, ShareRules

REFERRAL = "referral"
SHARE = "share"
ENTRIES = {REFERRAL: REFERRED, SHARE: SHARED}


def month_of(day: date) -> date:
    """The month a cap counts in, by its first day."""
    return day.replace(day=1)


def grant(
    account: Account, bonus_id: UUID, kind: str, *, at: datetime, day: date, so_far: int, rules: Rules, why: Why
) -> int:
    """The bonus's points, in a lot of their own that dates from `at`; how many it was. None are left over for later by a cap that is
    reached. The page is open."""
    if bonus_id in account.bonuses:
        return 0
    rule: ReferralRules | ShareRules = rules.referral if kind == REFERRAL else rules.share
    points = rule.points if so_far < rule.max_per_month else 0
    why = why | {
        "version": rules.version, "month": f"{day:%Y-%m}", "number_of_the_month": so_far + 1,
        "max_per_month": rule.max_per_month, "points_uncapped": rule.points, "points": points,
    }  # fmt: skip
    lot = None
    if points:
        lot = earning.new_lot(account, kind, Dated(HANDED_LOTS_FROM + account.seq + 1, at, day), rules)
        ledger.put(account, lot, points, ENTRIES[kind], why)
    else:
        account.no_effects.append(NoEffect(account.cause, at, why))
    account.bonuses[bonus_id] = Bonus(
        bonus_id, kind, month_of(day), points, None if lot is None else lot.lot, is_changed=True
    )
    return points


def undo(account: Account, bonus_id: UUID, kind: str, why: Why) -> None:
    """What earned the bonus has been undone: it is taken back like a refund. Told before the bonus itself, it forbids it."""
    bonus = account.bonuses.get(bonus_id)
    if bonus is None:
        account.bonuses[bonus_id] = Bonus(bonus_id, kind, None, 0, None, undone=True, is_changed=True)
        return
    if bonus.undone:
        return
    bonus.undone = bonus.is_changed = True
    if bonus.lot is not None:
        own = account.lots[bonus.lot]
        ledger.take(account, own, bonus.points, SHARE_TAKEN_BACK, why | {"points": bonus.points})
