"""Orders, what waits for them, and hints that two members are one person. The one thing not to break: what is left of an order is read
after its member has been locked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from member_svc.domain.admission import MergeHint
from member_svc.domain.orders import Order

# Whose orders these are. An order's member never changes, so no lock is needed.
ORDER_MEMBERS = text("SELECT order_key, member_id FROM purchase_order WHERE order_key = ANY(CAST(:keys AS bytea[]))")

# What is left of orders, and what they consisted of.
ORDERS_READ = text("""
SELECT o.order_key, o.member_id, o.member_seq, o.left_minor, CAST(o.refunded AS text) AS refunded, a.body
FROM purchase_order o JOIN activity a ON a.member_id = o.member_id AND a.member_seq = o.member_seq
WHERE o.order_key = ANY(CAST(:keys AS bytea[]))
""")

# New orders. Adopted ones may be there.
ORDERS_INSERT = text("""
INSERT INTO purchase_order (order_key, member_id, member_seq, amount_minor, left_minor, refunded)
SELECT order_key, member_id, member_seq, amount_minor, left_minor, CAST(refunded AS jsonb)
FROM unnest(CAST(:keys AS bytea[]), CAST(:members AS uuid[]), CAST(:seqs AS bigint[]), CAST(:amounts AS bigint[]),
            CAST(:lefts AS bigint[]), CAST(:refunded AS text[]))
  AS new(order_key, member_id, member_seq, amount_minor, left_minor, refunded)
ON CONFLICT DO NOTHING
""")

# What refunds have left of orders whose members are locked.
ORDERS_UPDATE = text("""
UPDATE purchase_order o SET left_minor = c.left_minor, refunded = CAST(c.refunded AS jsonb)
FROM unnest(CAST(:keys AS bytea[]), CAST(:lefts AS bigint[]), CAST(:refunded AS text[])) AS c(order_key, left_minor, refunded)
WHERE o.order_key = c.order_key
""")

# What waits for these orders, in order of arrival.
WAITING_READ = text("""
SELECT id, order_key, report FROM waiting WHERE order_key = ANY(CAST(:keys AS bytea[])) ORDER BY id
""")

# From now on these wait. The same report again waits once.
WAITING_INSERT = text("""
INSERT INTO waiting (order_key, activity, content, report, deadline)
SELECT order_key, activity, content, report, :deadline
FROM unnest(CAST(:keys AS bytea[]), CAST(:activities AS bytea[]), CAST(:contents AS bytea[]), CAST(:reports AS bytea[]))
  WITH ORDINALITY AS new(order_key, activity, content, report, place)
ORDER BY place
ON CONFLICT (activity, content) DO NOTHING
""")

# Their waiting is over.
WAITING_DELETE = text("DELETE FROM waiting WHERE id = ANY(CAST(:ids AS bigint[]))")

WAITING_DELETE_OF = text("DELETE FROM waiting WHERE activity = ANY(CAST(:activities AS bytea[]))")

# Orders that something has waited for too long, locked as the door locks them; those that the door holds now come later.
OVERDUE_CLAIMS = text("""
SELECT key FROM claim
WHERE key IN (SELECT order_key FROM waiting WHERE deadline <= :now ORDER BY deadline LIMIT :limit)
ORDER BY key
FOR UPDATE SKIP LOCKED
""")

# What has waited too long for these orders. A later statement than their lock.
OVERDUE_TAKE = text("""
DELETE FROM waiting WHERE order_key = ANY(CAST(:keys AS bytea[])) AND deadline <= :now RETURNING id, report
""")

# Orders that nobody waits for any more and that never came.
AWAITED_DELETE = text("""
DELETE FROM claim c WHERE c.key = ANY(CAST(:keys AS bytea[])) AND c.activity IS NULL
  AND NOT EXISTS (SELECT FROM waiting w WHERE w.order_key = c.key)
""")

WAITING_COUNT = text("SELECT count(*) FROM waiting")

# Sorted, because two transactions may note the same hints.
HINTS_INSERT = text("""
INSERT INTO merge_hint (order_id, member_id, other_id, kind, value)
SELECT * FROM unnest(CAST(:orders AS text[]), CAST(:members AS uuid[]), CAST(:others AS uuid[]), CAST(:kinds AS text[]),
                     CAST(:values AS text[]))
ORDER BY 1, 3, 4, 5
ON CONFLICT DO NOTHING
""")

_refunds = msgspec.json.Decoder(dict[str, tuple[int, int]])


class StoredOrder(NamedTuple):
    """An order as it is kept; `body` is the event that recorded it."""

    key: bytes
    member_id: UUID
    member_seq: int
    left_minor: int
    refunded: dict[str, tuple[int, int]]
    body: bytes


class StoredReport(NamedTuple):
    """A report that waits; `report` is what was reported."""

    id: int
    order_key: bytes
    report: bytes


class NewWaiting(NamedTuple):
    """A report that waits from now on."""

    order_key: bytes
    activity: bytes
    content: bytes
    report: bytes


def _refunded_text(order: Order) -> str | None:
    return msgspec.json.encode(order.refunded).decode() if order.refunded else None


class Orders:
    """Orders, waiting reports and merge hints inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def members_of(self, order_keys: Collection[bytes]) -> dict[bytes, UUID]:
        """Whose orders these are."""
        if not order_keys:
            return {}
        rows = await self._tx.run(ORDER_MEMBERS, keys=list(order_keys))
        return {row[0]: row[1] for row in rows.all()}

    async def read(self, order_keys: Collection[bytes]) -> list[StoredOrder]:
        """Orders whose members are locked."""
        if not order_keys:
            return []
        rows = await self._tx.run(ORDERS_READ, keys=list(order_keys))
        return [
            StoredOrder(key, member_id, seq, left, _refunds.decode(refunded) if refunded else {}, body)
            for key, member_id, seq, left, refunded, body in rows.all()
        ]

    async def save(self, orders: Collection[Order]) -> None:
        """Keep new orders and what is left of the others."""
        new = [order for order in orders if order.new]
        changed = [order for order in orders if order.changed and not order.new]
        if new:
            await self._tx.run(
                ORDERS_INSERT, keys=[order.key for order in new], members=[order.member_id for order in new],
                seqs=[order.member_seq for order in new], amounts=[order.purchase.amount_minor for order in new],
                lefts=[order.left_minor for order in new], refunded=[_refunded_text(order) for order in new],
            )  # fmt: skip
        if changed:
            await self._tx.run(
                ORDERS_UPDATE, keys=[order.key for order in changed], lefts=[order.left_minor for order in changed],
                refunded=[_refunded_text(order) for order in changed],
            )  # fmt: skip

    async def waiting_for(self, order_keys: Collection[bytes]) -> list[StoredReport]:
        """What waits for these orders, in order of arrival."""
        if not order_keys:
            return []
        rows = await self._tx.run(WAITING_READ, keys=list(order_keys))
        return [StoredReport(*row) for row in rows.all()]

    async def let_wait(self, waiting: Sequence[NewWaiting], deadline: datetime) -> None:
        """Keep reports until their orders come, or until the deadline."""
        if waiting:
            keys, activities, contents, reports = map(list, zip(*waiting, strict=True))
            await self._tx.run(
                WAITING_INSERT, keys=keys, activities=activities, contents=contents, reports=reports, deadline=deadline
            )

    async def end_waiting(self, ids: Sequence[int]) -> None:
        """These no longer wait."""
        if ids:
            await self._tx.run(WAITING_DELETE, ids=ids)

    async def end_waiting_of(self, activities: Sequence[bytes]) -> None:
        """Reports with these id keys no longer wait: they have been adopted."""
        await self._tx.run(WAITING_DELETE_OF, activities=activities)

    async def take_overdue(self, now: datetime, limit: int) -> list[tuple[int, bytes]]:
        """Take away what has waited too long: (id, report)."""
        keys = list((await self._tx.run(OVERDUE_CLAIMS, now=now, limit=limit)).scalars())
        if not keys:
            return []
        rows: Sequence[Any] = (await self._tx.run(OVERDUE_TAKE, keys=keys, now=now)).all()
        await self._tx.run(AWAITED_DELETE, keys=keys)
        return sorted((row.id, row.report) for row in rows)

    async def waiting_count(self) -> int:
        """How many reports wait."""
        return int((await self._tx.run(WAITING_COUNT)).scalar_one())

    async def hint(self, hints: Sequence[MergeHint]) -> None:
        """Keep hints for a merge."""
        if hints:
            await self._tx.run(
                HINTS_INSERT, orders=[hint.order_id for hint in hints], members=[hint.member_id for hint in hints],
                others=[hint.other_id for hint in hints], kinds=[hint.name and hint.name[0] for hint in hints],
                values=[hint.name and hint.name[1] for hint in hints],
            )  # fmt: skip
