"""Spendings by their idempotency key. The one thing not to break: a key that has been answered once is answered the same for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction

# Held until the transaction ends: a second request with the same key learns at once that the first is still running.
CLAIM = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 7))")

FIND = text("SELECT fingerprint, status, answer FROM spending WHERE key = :key")

ADD = text("""
INSERT INTO spending (key, member_id, fingerprint, status, answer, points, order_id, seq, at)
VALUES (:key, :member_id, :fingerprint, :status, :answer, :points, :order_id, :seq, :at)
""")


@dataclass(frozen=True, slots=True)
class Answered:
    """What a key was answered with, and for which request (`fingerprint`)."""

    fingerprint: bytes
    status: int
    answer: str


async def claim(tx: Transaction, key: str) -> bool:
    """Whether nobody else is working under this key now."""
    return bool((await tx.run(CLAIM, key=key)).scalar_one())


async def find(tx: Transaction, key: str) -> Answered | None:
    """The answer that stands, if any."""
    row = (await tx.run(FIND, key=key)).one_or_none()
    return None if row is None else Answered(bytes(row.fingerprint), row.status, row.answer)


async def add(
    tx: Transaction,
    *,
    key: str,
    member_id: UUID,
    answered: Answered,
    points: int,
    order_id: str | None,
    seq: int | None,
    at: datetime,
) -> None:
    """The answer, for ever; `seq`: the entry that spent, None for a refusal."""
    await tx.run(
        ADD,
        key=key,
        member_id=member_id,
        fingerprint=answered.fingerprint,
        status=answered.status,
        answer=answered.answer,
        points=points,
        order_id=order_id,
        seq=seq,
        at=at,
    )
