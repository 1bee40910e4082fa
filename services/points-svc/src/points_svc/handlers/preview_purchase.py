"""What a purchase would earn: it is rated by the code that rates purchases, on an account that was read and is never saved. The one thing
not to break: nothing is written, and the answer is what the ledger would say if the purchase came next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from laurel_contracts.activities import OrderLine, PurchaseRecorded
from laurel_contracts.envelope import Event
from laurel_contracts.registry import TYPE_OF
from points_svc.domain import calendar, telling
from points_svc.domain.account import EARNED, REPAID, Account
from points_svc.domain.rules import Rules
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.rate_activities import rate_one
from points_svc.store import PointsStore

ORDER = "preview"
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
AHEAD_MAX = timedelta(days=366)  # who asks what a purchase of next season would earn; beyond that no programme is known


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what would be bought."""

    category: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A purchase that has not happened. `at`: None for now."""

    member_id: UUID
    currency: str
    lines: Sequence[Line]
    at: datetime | None = None


class CannotTell(Exception):
    """There is no answer; `kind` and `detail` say why."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


async def preview_purchase(wanted: Wanted, now: datetime, store: PointsStore) -> dict[str, Any]:
    """Points, reason, tier and lot of a purchase that would come next. Raises MemberUnknown, CannotTell."""
    at = wanted.at or now
    if not EARLIEST <= at <= now + AHEAD_MAX:
        raise CannotTell("time_out_of_range", f"{at.isoformat()} is not between 1970 and a year from now.")
    account = await store.read_account(wanted.member_id)
    if account is None:
        raise MemberUnknown
    rules = await store.rules_in_force(account.day.partition, at)
    if rules is None:
        raise CannotTell("no_programme", f"No programme version is known to be in force at {at.isoformat()}.")
    if wanted.currency != rules.currency:
        raise CannotTell("currency_differs", f"The programme counts in {rules.currency}, not in {wanted.currency}.")
    if rules.expiry.slides:
        await store.read_live_lots([account])
    # On the way the member's referral may mature, by the version of another purchase.
    ripening = () if account.referral is None else account.referral.ripening
    versions = await store.rules({rules.version, *(version for _, _, version in ripening)})
    rate_one(account, _event(wanted, at, rules), versions)
    return _told(wanted, account, at, rules)


def _event(wanted: Wanted, at: datetime, rules: Rules) -> Event[PurchaseRecorded]:
    lines = tuple(
        OrderLine(line_id=str(n), sku=str(n), category=line.category, quantity=1, amount_minor=line.amount_minor)
        for n, line in enumerate(wanted.lines, 1)
    )
    data = PurchaseRecorded(
        order_id=ORDER, channel="online", currency=wanted.currency, lines=lines,
        amount_minor=sum(line.amount_minor for line in lines),
    )  # fmt: skip
    return Event(
        id=ORDER, source=ORDER, type=TYPE_OF[PurchaseRecorded], time=at, subject=wanted.member_id,
        programmeversion=rules.version, localday=calendar.local_day(at, rules.zone), data=data,
    )  # fmt: skip


def _told(wanted: Wanted, account: Account, at: datetime, rules: Rules) -> dict[str, Any]:
    cause = f"activity {account.activity}"  # what else happens on the way is none of the purchase
    entries = [entry for entry in account.entries if entry.cause == cause]
    earned = [entry for entry in entries if entry.kind == EARNED]
    points = sum(entry.amount for entry in earned)
    why = earned[0].why if earned else next(none.why for none in account.no_effects if none.cause == cause)
    lots = [account.lots[entry.lot] for entry in earned if entry.lot is not None]
    return {
        "member_id": wanted.member_id,
        "at": at,
        "currency": rules.currency,
        "amount_minor": sum(line.amount_minor for line in wanted.lines),
        "points": points,
        "tier": account.orders[ORDER].tier or rules.lowest_tier,
        "programme_version": rules.version,
        "available_at": lots[0].available_at if lots else None,
        "expires_at": lots[0].expires_at if lots else None,
        # What is owed is repaid from them at once (domain.md 3.3.3).
        "repays_debt": sum(entry.amount for entry in entries if entry.kind == REPAID),
        "why": why,
        "sentences": telling.sentences_of("preview", "a purchase that has not happened", None, why),
    }
