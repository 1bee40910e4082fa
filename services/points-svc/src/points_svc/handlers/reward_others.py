"""What activities earn other members is said to them: a share that a purchase follows, a referral that has matured. The one thing not to
break: nothing of the other member is touched here; his own books decide, once per bonus, in his own partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from laurel_contracts.activities import ProductShared, PurchaseRecorded, PurchaseRefunded
from laurel_contracts.envelope import Event, derived_id
from laurel_contracts.handovers import BonusDue, BonusUndone
from points_svc import events
from points_svc.domain import shares
from points_svc.domain.account import Account
from points_svc.domain.between import Carrying, Matured, Share
from points_svc.domain.rules import Rules
from points_svc.store import PointsStore


class Crossings:
    """What the activities of a batch mean to other members; mostly nothing."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}
        self.carrying: dict[tuple[str, str], Carrying] = {}
        self.refunded: dict[str, datetime] = {}

    def note(self, account: Account, event: Event[Any], rules: Mapping[int, Rules]) -> None:
        """An activity that has just been rated."""
        data: Any = event.data
        kind = type(data)
        if kind is PurchaseRecorded:
            if data.share_id is not None and data.amount_minor:
                self.carrying[data.share_id, data.order_id] = _carrying(account, event)
        elif kind is PurchaseRefunded:
            order = account.orders[data.order_id]
            if order.refunded_minor >= order.amount_minor:
                self.refunded.setdefault(order.order_id, event.time)
        elif kind is ProductShared and event.programmeversion is not None:
            waits = rules[event.programmeversion].share.waiting_days
            self.shares[data.share_id] = Share(data.share_id, account.member_id, event.time, waits)


def _carrying(account: Account, event: Event[Any]) -> Carrying:
    if event.programmeversion is None or event.localday is None:
        raise ValueError("the door has stamped this activity with no programme version or no day")
    data: PurchaseRecorded = event.data
    return Carrying(
        data.share_id or "", data.order_id, account.member_id, account.activity, event.time, event.localday,
        event.programmeversion,
    )  # fmt: skip


async def reward_others(crossings: Crossings, accounts: Iterable[Account], store: PointsStore) -> None:
    """Say what is due and what is undone. Asks the database only where something crosses."""
    for account in accounts:
        if account.matured is not None:
            matured = account.matured
            data = BonusDue(
                bonus_id=derived_id("referral", account.member_id), kind="referral", by_member_id=account.member_id
            )
            _due(store, matured.referrer_id, data, matured)
    if crossings.shares or crossings.carrying or crossings.refunded:
        await _follow_shares(crossings, store)


async def _follow_shares(crossings: Crossings, store: PointsStore) -> None:
    concerned = await store.shares.of_orders(crossings.refunded)
    concerned |= {share_id for share_id, _ in crossings.carrying} | crossings.shares.keys()
    if not concerned:
        return
    found = await store.shares.open(crossings.shares.get(share_id) or Share(share_id) for share_id in concerned)
    open_ones = {share_id for share_id, share in found.items() if share.order_id is None}
    await store.shares.carry([one for one in crossings.carrying.values() if one.share_id in open_ones])
    await store.shares.refunded(crossings.refunded)
    carrying = await store.shares.carrying(open_ones) if open_ones else {}
    followed = []
    for share_id, share in sorted(found.items()):
        first = shares.follower(share, carrying.get(share_id, ()))
        if first is not None and share.sharer_id is not None:
            share.order_id = first.order_id
            followed.append(share)
            data = BonusDue(bonus_id=_of_share(share_id), kind="share", by_member_id=first.member_id, share_id=share_id)
            _due(store, share.sharer_id, data, first)
            if first.refunded_at is not None:
                _undone(store, share, first.refunded_at)
        elif share.order_id is not None and share.order_id in crossings.refunded:
            _undone(store, share, crossings.refunded[share.order_id])
    await store.shares.followed(followed)


def _of_share(share_id: str) -> UUID:
    return derived_id("share", share_id)


def _due(store: PointsStore, to: UUID, data: BonusDue, by: Matured | Carrying) -> None:
    cause = ("bonus", data.bonus_id)
    stamps = {"programmeversion": by.version, "localday": by.day}
    store.say([events.between(to, store.partition_of(to), data, by.at, *cause, **stamps)])


def _undone(store: PointsStore, share: Share, at: datetime) -> None:
    if share.sharer_id is None:
        raise ValueError(f"share {share.share_id!r} was followed before it was known")
    data = BonusUndone(bonus_id=_of_share(share.share_id), kind="share")
    store.say([
        events.between(share.sharer_id, store.partition_of(share.sharer_id), data, at, "undoing", data.bonus_id)
    ])  # fmt: skip
