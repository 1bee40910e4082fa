"""What the shop owes its members in points, read from the books. The one thing not to break: every figure is an aggregate of what stands;
nothing keeps a running total that could drift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.store import reports

# By the local month in which points can be spent for the last time: `expires_at` is the instant after it.
BY_MONTH = text("""
SELECT to_char((expires_at - interval '1 microsecond') AT TIME ZONE CAST(:zone AS text), 'YYYY-MM') AS month,
  sum(remaining) AS points,
  coalesce(sum(remaining) FILTER (WHERE available_at > :now AND expires_at > :now), 0) AS pending,
  coalesce(sum(remaining) FILTER (WHERE expires_at <= :now), 0) AS overdue
FROM lot l WHERE remaining > 0 AND NOT EXISTS (SELECT FROM wallet w WHERE w.account_id = l.member_id) GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Month:
    """Points that can be spent for the last time in a month. `overdue`: no day record has passed their expiry yet."""

    month: str
    points: int
    pending: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Liability:
    """All of one moment. Points in lots, points in holds, and what members owe."""

    months: list[Month]
    outstanding: int
    held: int
    debt: int
    issued: int
    expired: int


async def liability(tx: Transaction, now: datetime, zone: str) -> Liability:
    """Everything outstanding."""
    months = [Month(row[0], *map(int, row[1:])) for row in await tx.run(BY_MONTH, now=now, zone=zone)]
    books = await reports.summary(tx)
    return Liability(months, books["outstanding"], books["held"], books["debt"], books["issued"], books["expired"])
