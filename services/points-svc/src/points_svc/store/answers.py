"""Answers by idempotency key. The one thing not to break: a key that has been answered once is answered the same, and never does anything
again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from laurel_kit.postgres import Transaction

# Held until the transaction ends: a second request with the same key learns at once that the first is still running.
CLAIM = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:scope || ' ' || :key, 7))")

FIND = text("SELECT fingerprint, status, body, link, at FROM idempotency WHERE scope = :scope AND key = :key")

ADD = text("""
INSERT INTO idempotency (scope, key, fingerprint, status, body, link, at)
VALUES (:scope, :key, :fingerprint, :status, :body, :link, :at)
""")

FORGET = text("""
UPDATE idempotency SET body = NULL
WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency WHERE body IS NOT NULL AND at < :before ORDER BY at LIMIT :limit))
""")


@dataclass(frozen=True, slots=True)
class Answered:
    """What a key was answered with, and for which request (`fingerprint`). `body`: None when it has been forgotten. `link`: where what came
    of it can be seen."""

    fingerprint: bytes
    status: int
    body: str | None
    link: str
    at: datetime


async def claim(tx: Transaction, scope: str, key: str) -> bool:
    """Whether nobody else is working under this key now."""
    return bool((await tx.run(CLAIM, scope=scope, key=key)).scalar_one())


async def find(tx: Transaction, scope: str, key: str) -> Answered | None:
    """The answer that stands, if any."""
    row = (await tx.run(FIND, scope=scope, key=key)).one_or_none()
    return None if row is None else Answered(bytes(row.fingerprint), row.status, row.body, row.link, row.at)


async def add(tx: Transaction, scope: str, key: str, answered: Answered) -> None:
    """The key is used up."""
    await tx.run(
        ADD, scope=scope, key=key, fingerprint=answered.fingerprint, status=answered.status, body=answered.body,
        link=answered.link, at=answered.at,
    )  # fmt: skip


async def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Bodies that are replayed no more. The keys stay."""
    return (await tx.run(FORGET, before=before, limit=limit)).rowcount
