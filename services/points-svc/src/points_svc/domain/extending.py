"""A longer life for points, on request (domain.md 3.4). The one thing not to break: an extension never shortens, gives nothing back that
has expired, and goes no further than the programme allows from the expiry that the points had at first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from points_svc.domain import calendar, earning, ledger
from points_svc.domain.account import EXTENDED, EXTENDED_LOTS_FROM, Account, Dated, Lot, Why, by_request
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused


@dataclass(frozen=True, slots=True)
class Longer:
    """Until the end of a local day, or so many days more than each lot has."""

    last_day: date | None = None
    days: int | None = None

    def until(self, expires_at: datetime, rules: Rules) -> datetime:
        """When a lot that expires at an instant is to expire; exclusive, the first instant of a local day."""
        if self.last_day is not None:
            return calendar.start_of_day_after(self.last_day, 1, rules.zone)
        return calendar.start_of_day_after(calendar.local_day(expires_at, rules.zone), self.days or 0, rules.zone)


class Moved(NamedTuple):
    """What was left of a lot, and where it lives on."""

    points: int
    lot: Lot
    longer: Lot


def extend(
    account: Account, longer: Longer, lots: Collection[int] | None, *, now: datetime, rules: Rules, why: Why
) -> list[Moved] | Refused:
    """These lots, or all that live at `now`, get a longer life; those that last as long anyway are left as they are. All or none."""
    living = {lot.lot: lot for lot in account.lots.values() if lot.remaining and lot.expires_at > now}
    gone = sorted(set(lots or ()) - set(living))
    if gone:
        return Refused("lot_not_live", {"lots": gone})
    wanted = [lot for lot in living.values() if lots is None or lot.lot in lots]
    found = [(lot, until) for lot in wanted if (until := longer.until(lot.expires_at, rules)) > lot.expires_at]
    if not found:
        return Refused("nothing_to_extend", {"lots": sorted(lot.lot for lot in wanted)})
    most = Longer(days=rules.extension_days_max)  # local days, which need not be of 24 hours
    for lot, until in found:
        latest = most.until(_first_expiry(account, lot), rules)
        if account.lives_until is not None:  # what slides has been prolonged by purchases, and not by request
            latest = max(latest, most.until(account.lives_until, rules))
        if until > latest:
            return Refused("extension_too_long", {"lot": lot.lot, "until": until, "latest": latest})
    return [_extend(account, lot, until, why) for lot, until in sorted(found, key=lambda pair: pair[0].turn)]


def _extend(account: Account, lot: Lot, until: datetime, why: Why) -> Moved:
    number = EXTENDED_LOTS_FROM + account.seq + 1
    pending = earning.still_pending(lot, until)
    dated = Dated(number, lot.earned_at, lot.earned_at.date())  # the day plays no part where the expiry is given
    longer = earning.lot_until(account, lot.kind, dated, until, pending=pending)
    longer.extends = lot.lot if lot.extends is None else lot.extends
    points = lot.remaining
    reason = why | {"lot": lot.lot, "points": points, "expired_before": lot.expires_at, "expires_at": until}
    ledger.move(account, lot, longer, EXTENDED, reason)
    return Moved(points, lot, longer)


def _first_expiry(account: Account, lot: Lot) -> datetime:
    """What the lot's points expired at before anybody extended them; by their tier, where that has become known late."""
    number = lot.lot if lot.extends is None else lot.extends
    return [one for one in ledger.family(account, number) if not by_request(one)][-1].expires_at
