"""Points come back into their lots, out of a hold or from another member, and last as long as the tier says that became known meanwhile.
The one thing not to break: what that takes is read before anything moves; and where no version lets points last by tier, that is all that
is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from points_svc.domain.account import Account
from points_svc.domain.rules import Rules
from points_svc.store import PointsStore


async def read_tiers(coming: Collection[tuple[Account, int]], store: PointsStore) -> Mapping[int, Rules]:
    """What `validity.came_back` needs about lots that points come back into: their orders into the accounts, and the rules."""
    coming = [(account, lot) for account, lot in coming if not account.is_wallet]
    if not coming:
        return {}
    rules = await store.rules_that_last()
    if rules:
        await store.read_orders_of_lots(coming)
    return rules
