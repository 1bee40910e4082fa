"""Corrections by hand (domain.md 3.5): points are given or taken with a reason, above a limit by two persons. The one thing not to break:
a correction takes only what is available, and never makes debt."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from points_svc.domain import calendar, earning, ledger, returning, spending
from points_svc.domain.account import ADJUSTED, ADJUSTMENT, Account, Dated, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused

PROPOSED = "proposed"
POSTED = "posted"
REJECTED = "rejected"
REVERSED = "reversed"

SHAPELESS = frozenset({"Cc", "Cf"})  # Unicode's controls and formats, such as a blank of no width


@dataclass(slots=True)
class Adjustment:
    """`points`: signed. `alone`: small enough for one person. `seq`: the entry that did it. `reversed_points`: how many a reversal moved
    back; None: not reversed."""

    adjustment_id: UUID
    batch_id: UUID | None
    member_id: UUID
    points: int
    reason: str
    proposed_by: str
    proposed_at: datetime
    alone: bool
    state: str = PROPOSED
    decided_by: str | None = None
    decided_at: datetime | None = None
    seq: int | None = None
    reversed_points: int | None = None
    number: int = 0  # in the order in which they were proposed; given when stored


@dataclass(slots=True)
class Batch:
    """Corrections of many members for one reason, decided and reversed together."""

    batch_id: UUID
    reason: str
    proposed_by: str
    proposed_at: datetime
    alone: bool
    state: str = PROPOSED
    decided_by: str | None = None
    decided_at: datetime | None = None
    reversed_by: str | None = None
    reversed_at: datetime | None = None
    reversed_because: str | None = None


def is_small(points: Iterable[int], rules: Rules) -> bool:
    """Whether one person may do it alone. All of a batch count together, else a large correction is cut into small ones."""
    return sum(abs(one) for one in points) <= rules.alone_max


def is_same_person(one: str, other: str) -> bool:
    """Callers give names, not credentials: another spelling of a name is no second person."""
    return _spelt_once(one) == _spelt_once(other)


def _spelt_once(name: str) -> str:
    """What is seen of a name: no blanks, no characters without a shape, no capitals, and an é is an é however it was typed."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(one for one in plain if not one.isspace() and unicodedata.category(one) not in SHAPELESS)


def barred(state: str, proposed_by: str, actor: str, *, approves: bool) -> Refused | None:
    """Why this person cannot decide now. The proposer may withdraw what he proposed, and not approve it."""
    if state != PROPOSED:
        return Refused("not_proposed", {"state": state})
    return (
        Refused("same_actor", {"state": state, "proposed_by": proposed_by})
        if approves and is_same_person(actor, proposed_by)
        else None
    )


def refusal(account: Account, points: int, now: datetime) -> Refused | None:
    """Why so many points cannot be given or taken now. Who is frozen or has not registered can be corrected: it is not he who spends. Of
    an account whose books a proof has found broken nothing is taken, by nobody."""
    if points > 0:
        full = account.posted + points > ledger.POINTS_MAX
        return Refused("balance_full", {"points": points, "posted": account.posted}) if full else None
    if account.halted:
        return Refused("account_frozen", {"points": points})
    available = spending.worth_at(account, now).available
    if -points <= available:
        return None
    return Refused("insufficient_points", {"points": points, "available": available, "debt": account.debt})


def not_reversible(account: Account, points: int) -> Refused | None:
    """Why a correction cannot be reversed now: taking back what was given takes from the account. None: as far as it is there, it can."""
    return Refused("account_frozen", {"points": -points}) if points > 0 and account.halted else None


def adjust(account: Account, points: int, now: datetime, rules: Rules, why: Why) -> Refused | None:
    """Give into a lot of its own, which expires like points earned today; or take those that expire soonest. None: done."""
    no = refusal(account, points, now)
    if no is not None:
        return no
    if points < 0:
        ledger.withdraw(account, spending.spendable(account, now), -points, ADJUSTED, why, credit=ADJUSTMENT)
        return None
    dated = Dated(returning.next_lot(account), now, calendar.local_day(now, rules.zone))
    lot = earning.new_lot(account, ADJUSTED, dated, rules)
    lot.granted = points
    ledger.put(account, lot, points, ADJUSTED, why, source=ADJUSTMENT)
    return None


def reverse(
    account: Account, points: int, parts: tuple[tuple[int, int], ...], now: datetime, *, rules: Rules, why: Why
) -> int:
    """The other way round; how many points moved. `parts`: the (lot, points) that were taken, or the one lot that was filled, which pays
    first. What a member has spent meanwhile is not taken: a reversal makes no debt."""
    if points < 0:
        returning.give_back(account, parts, ADJUSTED, now, rules=rules, why=why, source=ADJUSTMENT)
        return -points
    own = {lot for lot, _ in parts}
    lots = sorted(spending.spendable(account, now), key=lambda lot: lot.lot not in own)
    moved = min(points, spending.worth_at(account, now).available)
    if moved:
        ledger.withdraw(account, lots, moved, ADJUSTED, why | {"points": -moved}, credit=ADJUSTMENT)
    return moved
