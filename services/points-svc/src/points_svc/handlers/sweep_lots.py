"""What a closed day has passed expires, a chunk of accounts per transaction (reliability.md 3.6); and an account that something else is
about to happen to is swept first. The one thing not to break: both write the same entries, so that when the sweep gets to whom makes no
difference to anybody's books."""

from __future__ import annotations

from collections.abc import Iterable

from points_svc import events
from points_svc.domain import expiry
from points_svc.domain.account import Account
from points_svc.store import PointsStore


async def sweep_first(accounts: Iterable[Account], store: PointsStore) -> None:
    """Bring locked accounts to the last closed day of their partition, before anything else is done with them."""
    behind = []
    for account in accounts:
        if expiry.is_behind(account):
            behind.append(account)
        else:
            account.is_swept = True
    if behind:
        await store.read_live_lots(behind)
        for account in behind:
            expiry.sweep(account, account.day.rounds)


async def sweep_lots(limit: int, store: PointsStore, share: int = 0, shares: int = 1) -> int:
    """One chunk: up to `limit` accounts, in partitions of one of so many shares, that a closed day has not come to. How many there were;
    0: none is left, now."""
    accounts = await store.lock_overdue(limit, share, shares)
    if not accounts:
        await store.forget_rounds()
        return 0
    for account in accounts:
        expiry.sweep(account, account.day.rounds)
    await store.save(accounts)
    store.say(events.statements_of(accounts))
    return len(accounts)
