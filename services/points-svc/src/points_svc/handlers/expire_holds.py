"""Holds whose time is over give their points back. The one thing not to break: accounts are locked in ascending order, so many at a time;
and a hold past its end is refused to everybody, whether or not this has run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from points_svc import events
from points_svc.domain import holds, ledger
from points_svc.domain.account import Account
from points_svc.domain.rules import Rules
from points_svc.handlers.follow_tiers import read_tiers
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore

HOLDS_PER_TRANSACTION = 1_000


async def expire_holds(now: datetime, store: PointsStore, limit: int = HOLDS_PER_TRANSACTION) -> int:
    """The members of the `limit` holds that have been over for longest; how many holds ended. 0: none is due."""
    accounts = await store.lock_due_holds(now, limit)
    await sweep_first(accounts, store)
    ended = await end_due(accounts, now, store)
    if ended:
        await store.save(accounts)
        store.say(events.statements_of(accounts))
    return ended


async def end_due(accounts: Collection[Account], now: datetime, store: PointsStore) -> int:
    """Every hold of these accounts, which are locked, whose time is over; how many."""
    await store.read_due_holds(accounts, now)
    due = [(account, hold) for account in accounts for hold in holds.due(account, now)]
    rules = await read_tiers([(account, lot) for account, hold in due for lot, _ in hold.parts], store)
    return sum(_expire_due(account, now, rules) for account in accounts)


def _expire_due(account: Account, now: datetime, rules: Mapping[int, Rules]) -> int:
    """Each is a cause of its own."""
    due = holds.due(account, now)
    for hold in due:
        ledger.open_page(account, f"expiry {hold.hold_id}", now)
        holds.expire(account, hold, now, rules=rules)
        ledger.close_page(account)
    return len(due)
