"""Points come back from another account of the books into the lots they came from. The one thing not to break: a lot's own expiry counts;
where it has passed, they last until the start of the 31st local day (domain.md 3.3.4), and never longer than that."""

from __future__ import annotations

from datetime import datetime

from points_svc.domain import calendar, earning, ledger
from points_svc.domain.account import ADJUSTED_LOTS_FROM, Account, Dated, Lot, Why, is_over
from points_svc.domain.refunds import DAYS_GIVEN_AFTER_EXPIRY
from points_svc.domain.rules import Rules


def give_back(
    account: Account,
    parts: tuple[tuple[int, int], ...],
    kind: str,
    now: datetime,
    *,
    rules: Rules,
    why: Why,
    source: str,
    order_id: str | None = None,
) -> None:
    """`parts`: (lot, points), the lots read before. Debt is repaid first, as by whatever comes."""
    for number, points in parts:
        lot = account.lots[number]
        if lot.expires_at <= now or is_over(lot, account):
            lot = _lot_after(account, lot, points, now, rules)
        ledger.put(account, lot, points, kind, why, source=source, order_id=order_id)


def next_lot(account: Account) -> int:
    """The number of a lot that the next entry fills."""
    return ADJUSTED_LOTS_FROM + account.seq + 1


def _lot_after(account: Account, over: Lot, points: int, now: datetime, rules: Rules) -> Lot:
    day = calendar.local_day(now, rules.zone)
    until = calendar.start_of_day_after(day, DAYS_GIVEN_AFTER_EXPIRY, rules.zone)
    lot = earning.lot_until(account, "returned", Dated(next_lot(account), over.earned_at, day), until)
    lot.granted = points  # issued long ago, granted anew
    return lot
