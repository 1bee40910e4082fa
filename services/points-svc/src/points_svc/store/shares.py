"""The directory of shares, by their own ids. The one thing not to break: a share's row is locked before it is decided which purchase
follows it, in ascending order, after all accounts; so of a share and a purchase that come at once the second one sees the first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.between import Carrying, Share

# Opened and locked in one pass, in ascending order; what a share itself has said before stays.
OPEN = text("""
INSERT INTO share (share_id, sharer_id, shared_at, waiting_days)
SELECT * FROM unnest(CAST(:share_ids AS text[]), CAST(:sharers AS uuid[]), CAST(:shared_at AS timestamptz[]),
                     CAST(:waiting_days AS integer[])) AS n(share_id, sharer_id, shared_at, waiting_days)
ORDER BY share_id
ON CONFLICT (share_id) DO UPDATE SET
  sharer_id = coalesce(share.sharer_id, excluded.sharer_id), shared_at = coalesce(share.shared_at, excluded.shared_at),
  waiting_days = coalesce(share.waiting_days, excluded.waiting_days)
RETURNING share_id, sharer_id, shared_at, waiting_days, order_id
""")

# Which shares these orders carry.
OF_ORDERS = text("SELECT DISTINCT share_id FROM share_purchase WHERE order_id = ANY(CAST(:orders AS text[]))")

CARRY = text("""
INSERT INTO share_purchase (share_id, order_id, member_id, number, at, day, version)
SELECT * FROM unnest(CAST(:share_ids AS text[]), CAST(:orders AS text[]), CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]),
                     CAST(:at AS timestamptz[]), CAST(:days AS date[]), CAST(:versions AS integer[]))
ON CONFLICT DO NOTHING
""")

REFUNDED = text("""
UPDATE share_purchase p SET refunded_at = n.at
FROM unnest(CAST(:orders AS text[]), CAST(:at AS timestamptz[])) AS n(order_id, at)
WHERE p.order_id = n.order_id AND p.refunded_at IS NULL
""")

CARRYING = text("""
SELECT share_id, order_id, member_id, number, at, day, version, refunded_at FROM share_purchase
WHERE share_id = ANY(CAST(:share_ids AS text[]))
""")

FOLLOWED = text("""
UPDATE share s SET order_id = n.order_id
FROM unnest(CAST(:share_ids AS text[]), CAST(:orders AS text[])) AS n(share_id, order_id)
WHERE s.share_id = n.share_id AND s.order_id IS NULL
""")

# Who waited in vain; of a share that has been followed only the purchase that did is remembered.
FORGET_OTHERS = text("""
DELETE FROM share_purchase p USING unnest(CAST(:share_ids AS text[]), CAST(:orders AS text[])) AS n(share_id, order_id)
WHERE p.share_id = n.share_id AND p.order_id <> n.order_id
""")


class Shares:
    """What a handler may ask of the directory and lay into it, inside one transaction; as `store.shares`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def of_orders(self, orders: Collection[str]) -> set[str]:
        """The shares that these orders carry."""
        return set((await self._tx.run(OF_ORDERS, orders=list(orders))).scalars()) if orders else set()

    async def open(self, shares: Iterable[Share]) -> dict[str, Share]:
        """These shares as they stand, locked; with what they say of themselves where nothing was known of it."""
        wanted = sorted(shares, key=lambda share: share.share_id)
        rows = await self._tx.run(
            OPEN,
            share_ids=[share.share_id for share in wanted],
            sharers=[share.sharer_id for share in wanted],
            shared_at=[share.shared_at for share in wanted],
            waiting_days=[share.waiting_days for share in wanted],
        )
        return {row.share_id: Share(*row) for row in rows}

    async def carry(self, purchases: Collection[Carrying]) -> None:
        """Purchases that carry shares."""
        if purchases:
            await self._tx.run(
                CARRY,
                share_ids=[one.share_id for one in purchases],
                orders=[one.order_id for one in purchases],
                ids=[one.member_id for one in purchases],
                numbers=[one.number for one in purchases],
                at=[one.at for one in purchases],
                days=[one.day for one in purchases],
                versions=[one.version for one in purchases],
            )

    async def refunded(self, orders: Mapping[str, datetime]) -> None:
        """Nothing is left of these orders any more."""
        if orders:
            await self._tx.run(REFUNDED, orders=list(orders), at=list(orders.values()))

    async def carrying(self, share_ids: Collection[str]) -> dict[str, list[Carrying]]:
        """All purchases that carry these shares."""
        found: dict[str, list[Carrying]] = {share_id: [] for share_id in share_ids}
        for row in await self._tx.run(CARRYING, share_ids=list(found)):
            found[row.share_id].append(Carrying(*row))
        return found

    async def followed(self, shares: Collection[Share]) -> None:
        """A purchase has followed each of these shares, for ever."""
        if shares:
            share_ids, orders = [share.share_id for share in shares], [share.order_id for share in shares]
            await self._tx.run(FOLLOWED, share_ids=share_ids, orders=orders)
            await self._tx.run(FORGET_OTHERS, share_ids=share_ids, orders=orders)
