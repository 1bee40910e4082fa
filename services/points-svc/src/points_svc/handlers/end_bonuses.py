"""Bonus value whose time is over is taken out of its lots. The one thing not to break: past its end it pays for nothing, whether or not
this has run; and the entry bears the end as its time, not the moment at which somebody looked."""

from __future__ import annotations

from datetime import datetime

from points_svc.domain import stored_value
from points_svc.store import PointsStore

WALLETS_PER_TRANSACTION = 1_000


async def end_bonuses(now: datetime, store: PointsStore, limit: int = WALLETS_PER_TRANSACTION) -> int:
    """One chunk of wallets; how many lost anything. 0: none is due."""
    accounts = await store.wallets.lock_due(now, limit)
    if not accounts:
        return 0
    await store.read_live_lots(accounts)
    ended = sum(stored_value.expire(account, now) > 0 for account in accounts)
    await store.save(accounts)
    return ended
