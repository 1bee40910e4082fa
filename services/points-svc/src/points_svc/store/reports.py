"""Readings of the books of points for people and for exports; stored value has its own (wallets.py). The one thing not to break: they lock
nothing and change nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Day, Order
from points_svc.store import accounts
from points_svc.store.orders import COLUMNS, order_of

BALANCES = text("""
SELECT a.member_id, a.earned_net, a.posted, a.debt, a.held,
       CASE WHEN a.debt > 0 THEN 0 ELSE coalesce(spendable.points, 0) END AS available
FROM account a
LEFT JOIN LATERAL (
  SELECT sum(l.remaining) AS points FROM lot l
  WHERE l.member_id = a.member_id AND l.remaining > 0 AND l.available_at <= :now AND l.expires_at > :now
) spendable ON true
WHERE a.member_id > :after AND a.partition >= 0
ORDER BY a.member_id LIMIT :limit
""")

ORDERS_AFTER = text(f"""
SELECT {COLUMNS} FROM purchase WHERE member_id = :member_id AND seq > :after ORDER BY seq LIMIT :limit
""")

ORDER = text(f"SELECT {COLUMNS} FROM purchase WHERE order_id = :order_id AND member_id = :member_id")

SUMMARY = text("""
SELECT coalesce(sum(amount) FILTER (WHERE debit = 'issuance'), 0) AS issued,
       coalesce(sum(amount) FILTER (WHERE credit = 'issuance'), 0) AS taken_back,
       coalesce(sum(amount) FILTER (WHERE credit = 'redeemed'), 0)
         - coalesce(sum(amount) FILTER (WHERE debit = 'redeemed'), 0) AS spent,
       coalesce(sum(amount) FILTER (WHERE credit = 'expired'), 0)
         - coalesce(sum(amount) FILTER (WHERE debit = 'expired'), 0) AS expired,
       coalesce(sum(amount) FILTER (WHERE credit = 'clearing'), 0)
         - coalesce(sum(amount) FILTER (WHERE debit = 'clearing'), 0) AS clearing,
       coalesce(sum(amount) FILTER (WHERE debit = 'adjustment'), 0)
         - coalesce(sum(amount) FILTER (WHERE credit = 'adjustment'), 0) AS adjusted
FROM transfer t WHERE NOT EXISTS (SELECT FROM wallet w WHERE w.account_id = t.member_id)
""")

STANDING = text("""
SELECT coalesce(sum(posted), 0) AS outstanding, coalesce(sum(held), 0) AS held, coalesce(sum(debt), 0) AS debt, count(*) AS members,
       count(*) FILTER (WHERE debt > 0) AS members_in_debt
FROM account WHERE partition >= 0
""")

LOCK_PAGE = text(f"""
{accounts.LOCK.text.split("WHERE")[0]}
WHERE member_id IN (
  SELECT member_id FROM (
    SELECT member_id, sum(seq) OVER (ORDER BY member_id) - seq AS before
    FROM account WHERE member_id > :after AND partition >= 0 ORDER BY member_id LIMIT :limit) AS page
  WHERE before < :entries)
ORDER BY member_id FOR NO KEY UPDATE
""")

LOWEST_ID = UUID(int=0)


async def balances(tx: Transaction, after: UUID | None, limit: int, now: datetime) -> list[dict[str, Any]]:
    """A page of the export: what every member has at `now`."""
    rows = await tx.run(BALANCES, after=after or LOWEST_ID, limit=limit, now=now)
    return [{name: _whole(value) for name, value in row._mapping.items()} for row in rows]


async def orders_after(tx: Transaction, member_id: UUID, after: int, limit: int) -> list[Order]:
    """A page of a member's orders."""
    return [order_of(row) for row in await tx.run(ORDERS_AFTER, member_id=member_id, after=after, limit=limit)]


async def order(tx: Transaction, member_id: UUID, order_id: str) -> Order | None:
    """One order."""
    row = (await tx.run(ORDER, order_id=order_id, member_id=member_id)).one_or_none()
    return None if row is None else order_of(row)


async def summary(tx: Transaction) -> dict[str, int]:
    """Points issued, taken back, spent, expired, corrected by hand, on their way between members (clearing) and outstanding; issued − taken
    back − spent − expired + adjusted − clearing = outstanding − debt."""
    moved = (await tx.run(SUMMARY)).one()._mapping
    stands = (await tx.run(STANDING)).one()._mapping
    return {name: int(value) for name, value in (dict(moved) | dict(stands)).items()}


async def lock_page(tx: Transaction, after: UUID | None, limit: int, entries: int) -> list[Account]:
    """The next accounts in ascending order, locked: at most so many, and none behind the one with whom so many entries are reached."""
    rows = (await tx.run(LOCK_PAGE, after=after or LOWEST_ID, limit=limit, entries=entries)).all()
    return accounts.from_rows(rows, {row.partition: Day(row.partition) for row in rows})


def _whole(value: Any) -> Any:
    """PostgreSQL's sums of bigint are numeric."""
    return value if isinstance(value, UUID) else int(value)
