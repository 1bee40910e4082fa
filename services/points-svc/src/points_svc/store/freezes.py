"""Accounts that a proof has frozen, and who lifted that. The one thing not to break: the flag on the account and the open row beside it say
the same, because one statement after the lock writes both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.store import accounts
from points_svc.store.reports import LOWEST_ID

# Both at once: who is frozen already keeps the row that says since when.
FREEZE = text("""
WITH broken AS (
  SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:broken AS text[])) AS broken(member_id, invariants)),
halted AS (
  UPDATE account a SET halted = true FROM broken b WHERE a.member_id = b.member_id AND NOT a.halted RETURNING a.member_id)
INSERT INTO account_freeze (member_id, frozen_at, broken)
SELECT member_id, :at, string_to_array(b.invariants, ' ') FROM halted JOIN broken b USING (member_id) ORDER BY member_id
RETURNING member_id
""")

LIFT = text("""
WITH lifted AS (
  UPDATE account_freeze SET lifted_at = :at, lifted_by = :actor, reason = :reason
  WHERE member_id = :member_id AND lifted_at IS NULL RETURNING *),
freed AS (UPDATE account a SET halted = false FROM lifted l WHERE a.member_id = l.member_id)
SELECT member_id, frozen_at, broken, lifted_at, lifted_by, reason FROM lifted
""")

OPEN = text("SELECT count(*) FROM account_freeze WHERE lifted_at IS NULL")

PAGE = text("""
SELECT member_id, frozen_at, broken, lifted_at, lifted_by, reason FROM account_freeze
WHERE lifted_at IS NULL AND member_id > :after ORDER BY member_id LIMIT :limit
""")

OF_MEMBER = text("""
SELECT member_id, frozen_at, broken, lifted_at, lifted_by, reason FROM account_freeze
WHERE member_id = :member_id ORDER BY number DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Freeze:
    """An account stood still from `frozen_at` on, because of these invariants, until somebody lifted it."""

    member_id: UUID
    frozen_at: datetime
    broken: list[str]
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    reason: str | None = None


async def freeze(tx: Transaction, broken: Mapping[UUID, Sequence[str]], at: datetime) -> list[UUID]:
    """Freeze these accounts, locked in ascending order first; who was not frozen before."""
    ids = sorted(broken)
    await tx.run(accounts.LOCK_FIRST, ids=ids)
    return list(
        (await tx.run(FREEZE, ids=ids, broken=[" ".join(broken[member_id]) for member_id in ids], at=at)).scalars()
    )


async def lift(tx: Transaction, member_id: UUID, at: datetime, *, actor: str, reason: str) -> Freeze | None:
    """An account moves again; None: it was not frozen. The caller has locked the account."""
    return _one((await tx.run(LIFT, member_id=member_id, at=at, actor=actor, reason=reason)).one_or_none())


async def count(tx: Transaction) -> int:
    """Accounts that are frozen now."""
    return int((await tx.run(OPEN)).scalar_one())


async def page(tx: Transaction, after: UUID | None, limit: int) -> list[Freeze]:
    """Accounts that are frozen now."""
    return [Freeze(*row) for row in await tx.run(PAGE, after=after or LOWEST_ID, limit=limit)]


async def of_member(tx: Transaction, member_id: UUID, limit: int) -> list[Freeze]:
    """How often an account was frozen, and why, the latest first."""
    return [Freeze(*row) for row in await tx.run(OF_MEMBER, member_id=member_id, limit=limit)]


def _one(row: Any) -> Freeze | None:
    return None if row is None else Freeze(*row)
