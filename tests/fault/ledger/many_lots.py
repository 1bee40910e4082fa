"""Books with very many lots, written straight into the tables because their making is not what is tested: of each member so many lots of
activities joined, a part of them due at an instant, the others a year later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text

from tests.integration.points_svc.books import Books

EARNED_AT = datetime(2024, 1, 5, 4, tzinfo=UTC)
DUE_AT = datetime(2025, 1, 31, 16, tzinfo=UTC)  # the first instant of 1 Feb 2025 in Shanghai
LATER = datetime(2026, 1, 31, 16, tzinfo=UTC)
POINTS = 30

LOTS = text("""
INSERT INTO lot (member_id, lot, kind, granted, remaining, earned_at, available_at, expires_at)
SELECT CAST(lpad(to_hex(m), 32, '0') AS uuid), n, 'join', :points, :points, :earned_at, :earned_at,
       CASE WHEN n <= :due THEN CAST(:due_at AS timestamptz) ELSE CAST(:later AS timestamptz) END
FROM generate_series(1, :members) m, generate_series(1, :each) n
""")
ENTRIES = text("""
INSERT INTO transfer (member_id, seq, cause, leg, at, kind, debit, credit, amount, lot, why)
SELECT member_id, lot, 'activity ' || lot, 1, earned_at, 'earned', 'issuance', 'available', granted, lot, '{"rule": "join"}' FROM lot
""")
ACCOUNTS = text("""
INSERT INTO account (member_id, partition, posted, seq, said, activity, reached, active, ladder, next_expiry, said_at)
SELECT member_id, min(CAST(right(CAST(member_id AS text), 1) < '8' AS integer)), sum(granted), count(*), count(*), count(*),
       :earned_at, true, ladder, min(next_expiry), :earned_at
FROM lot JOIN (
  SELECT member_id, jsonb_object_agg(at, left_then) AS ladder, min(expires_at) AS next_expiry FROM (
    SELECT member_id, expires_at, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, sum(remaining) AS left_then
    FROM lot GROUP BY member_id, expires_at) steps GROUP BY member_id) ladders USING (member_id)
GROUP BY member_id, ladder
""")
TABLES = ("lot", "transfer", "account")

# Lots that a sweep has still to come to, and how often each that is gone was taken.
DUE_LEFT = text("SELECT count(*) FROM lot WHERE remaining > 0 AND expires_at <= :due_at")
TWICE = text("""
SELECT count(*) FROM (SELECT member_id, lot FROM consumption GROUP BY member_id, lot HAVING count(*) > 1) AS twice
""")
ONCE = text("SELECT count(*) FROM consumption c JOIN lot l USING (member_id, lot) WHERE c.amount = l.granted")
EXPIRED_SO_FAR = text("SELECT count(*) FROM transfer WHERE kind = 'expired'")
SAID = text("SELECT count(*), count(DISTINCT (key, number)) FROM outbox WHERE topic = 'points' AND number IS NOT NULL")


@dataclass(frozen=True)
class Sizes:
    """So many members with so many lots each, of which so many are due."""

    members: int
    each: int
    due: int

    @property
    def lots_due(self) -> int:
        return self.members * self.due


async def fill(books: Books, sizes: Sizes) -> None:
    """Accounts, lots and the entries that made them; the books balance."""
    values = {
        "points": POINTS, "members": sizes.members, "each": sizes.each, "due": sizes.due, "due_at": DUE_AT, "later": LATER,
        "earned_at": EARNED_AT,
    }  # fmt: skip
    async with books.database.transaction() as tx:
        for statement in (LOTS, ENTRIES, ACCOUNTS):
            wanted = {name: values[name] for name in values if f":{name}" in statement.text}
            await tx.run(statement, **wanted)
    async with books.database.transaction() as tx:
        for table in TABLES:
            await tx.run(text(f"ANALYZE {table}"))


async def count(books: Books, statement: object = DUE_LEFT) -> int:
    """One figure."""
    async with books.database.reading() as tx:
        values = {"due_at": DUE_AT} if statement is DUE_LEFT else {}
        return int((await tx.run(statement, **values)).scalar_one())  # type: ignore[arg-type]
