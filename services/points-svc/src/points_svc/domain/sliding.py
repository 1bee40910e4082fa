"""Expiry that slides (domain.md 3.4): with each purchase that earns, all that lives lasts as long as what the purchase earns. The one thing
not to break: nothing lives shorter for it and nothing that is over comes back; and each prolongation is two entries, so that what was said
before can be said again."""

from __future__ import annotations

from datetime import datetime

from points_svc.domain import earning, ledger
from points_svc.domain.account import EXTENDED, EXTENDED_LOTS_FROM, Account, Dated, Lot, Why
from points_svc.domain.rules import Rules


def prolong(account: Account, purchase: Dated, rules: Rules) -> None:
    """The purchase has earned. Its own lot lasts long enough; the others move on, those first that would have been spent first. Each is
    looked at, also where nothing lasts longer than before: points may have come meanwhile that a purchase has prolonged nothing of (out of
    a hold, from another member)."""
    if not account.knows_all_lots:
        raise ValueError(f"points of {account.member_id} are prolonged whose lots have not been read")
    until = rules.expiry.expires_at(purchase.day)
    if account.lives_until is not None:
        until = max(until, account.lives_until)
    account.lives_until = until
    why: Why = {"rule": "sliding", "version": rules.version, "months": rules.expiry.months, "ends": rules.expiry.ends}
    for lot in ledger.lots_in_turn(account):
        if lot.expires_at < until:
            _move_on(account, lot, until, why)


def _move_on(account: Account, lot: Lot, until: datetime, why: Why) -> None:
    number = EXTENDED_LOTS_FROM + account.seq + 1
    dated = Dated(number, lot.earned_at, lot.earned_at.date())  # the day plays no part: what lives until when is known
    longer = earning.lot_until(account, lot.kind, dated, until, pending=earning.still_pending(lot, until))
    longer.extends = lot.lot if lot.extends is None else lot.extends
    reason = why | {"lot": lot.lot, "points": lot.remaining, "expired_before": lot.expires_at, "expires_at": until}
    ledger.move(account, lot, longer, EXTENDED, reason)
