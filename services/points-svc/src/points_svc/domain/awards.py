"""Points that campaigns grant and take back. The one thing not to break: an award is credited once and taken back at most once, and never
more than is left of it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from points_svc.domain import calendar, earning, ledger
from points_svc.domain.account import AWARD_LOTS_FROM, AWARD_TAKEN_BACK, AWARDED, Account, Award, Dated, Why
from points_svc.domain.rules import Rules


class Grant(Protocol):
    """An award of points as a campaign says it."""

    @property
    def award_id(self) -> UUID: ...
    @property
    def campaign_id(self) -> str: ...
    @property
    def order_id(self) -> str | None: ...
    @property
    def points(self) -> int: ...


def credit(
    account: Account,
    grant: Grant,
    rules: Rules,
    *,
    number: int,
    at: datetime,
    why: Why,
) -> None:
    """An award comes into a lot of its own, which dates from `at`, the time of its activity (domain.md 3.4)."""
    account.awards[grant.award_id] = Award(
        grant.award_id, number, grant.campaign_id, grant.order_id, grant.points, is_new=True
    )
    if grant.points:
        dated = Dated(AWARD_LOTS_FROM + number, at, calendar.local_day(at, rules.zone))
        lot = earning.new_lot(account, "award", dated, rules)
        ledger.put(account, lot, grant.points, AWARDED, why, order_id=grant.order_id)


def take_back(account: Account, *, award_id: UUID, why: Why) -> None:
    """What is left of an award is taken back like a refund. An award taken back before has nothing left."""
    award = account.awards.get(award_id)
    if award is None:
        raise ValueError(f"award {award_id} is taken back but was never granted")
    points, award.net, award.is_changed = award.net, 0, True
    if points:
        own = account.lots.get(AWARD_LOTS_FROM + award.number)
        ledger.take(account, own, points, AWARD_TAKEN_BACK, why, order_id=award.order_id)
