"""Rounds of expiry, and whom they have not come to yet (reliability.md 3.6). The one thing not to break: no cursor says how far a round has
got; the partial index on `next_expiry` does, so that whatever is killed where, nothing is left out and nothing is swept twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Day, Lot
from points_svc.store import accounts
from points_svc.store.ledger import OF_LOTS

# Members of a partition of whom something expires by an instant, so many at most: those first that have waited longest.
DUE = text("""
SELECT member_id FROM account WHERE partition = :partition AND next_expiry <= :as_of ORDER BY next_expiry LIMIT :limit
""")

# The same by the last day record of every partition of a share; each partition in its turn, so many in all.
OVERDUE = text("""
SELECT late.member_id FROM partition_day d
CROSS JOIN LATERAL (
  SELECT a.member_id FROM account a WHERE a.partition = d.partition AND a.next_expiry <= d.as_of
  ORDER BY a.next_expiry LIMIT :limit) late
WHERE d.partition % :shares = :share
LIMIT :limit
""")

# Whether there is anything to sweep or to forget. Bounded by the day like OVERDUE: an index read from its beginning without an end leads
# over all the entries that have moved away since somebody began a long reading.
IS_DUE = """
SELECT EXISTS (
  SELECT FROM partition_day d CROSS JOIN LATERAL (
    SELECT FROM account a WHERE a.partition = d.partition AND a.next_expiry <= d.as_of
    ORDER BY a.next_expiry LIMIT 1) late)
OR EXISTS (SELECT FROM expiry_round GROUP BY partition HAVING count(*) > 1) AS is_due
"""

# Lots of these members that have expired by an instant each.
DUE_LOTS = text(f"""
SELECT {OF_LOTS} FROM unnest(CAST(:ids AS uuid[]), CAST(:until AS timestamptz[])) AS wanted(member_id, until)
JOIN lot l ON l.member_id = wanted.member_id AND l.remaining > 0 AND l.expires_at <= wanted.until
""")

# A day record has moved its partition's day.
OPEN = text("""
INSERT INTO expiry_round (partition, as_of, day, version)
SELECT * FROM unnest(CAST(:partitions AS integer[]), CAST(:as_of AS timestamptz[]), CAST(:days AS date[]), CAST(:versions AS integer[]))
ON CONFLICT DO NOTHING
""")

# Rounds that a later one has followed and that have come to everybody. The last one of a partition stays: somebody who read the day
# before it was moved on may still be about to write.
FORGET = text("""
DELETE FROM expiry_round r
WHERE EXISTS (SELECT FROM expiry_round later WHERE later.partition = r.partition AND later.as_of > r.as_of)
  AND NOT EXISTS (SELECT FROM account a WHERE a.partition = r.partition AND a.next_expiry <= r.as_of)
""")


async def due(tx: Transaction, partition: int, as_of: datetime, limit: int) -> list[UUID]:
    """Members of a partition of whom something expires by `as_of`, `limit` at most."""
    return [row[0] for row in await tx.run(DUE, partition=partition, as_of=as_of, limit=limit)]


async def is_due(tx: Transaction) -> bool:
    """Whether a closed day has not come to somebody, or a round that is over can be forgotten. Only in `reading`."""
    return bool((await tx.fetch(IS_DUE))[0]["is_due"])


async def lock_overdue(tx: Transaction, limit: int, share: int, shares: int) -> list[Account]:
    """Accounts of one of so many shares that a round has not come to, `limit` at most, locked in ascending order."""
    ids = sorted((await tx.run(OVERDUE, limit=limit, share=share, shares=shares)).scalars())
    if not ids:
        return []
    rows = (await tx.run(accounts.LOCK, ids=ids)).all()
    return accounts.from_rows(rows, await accounts.read_days(tx, {row.partition for row in rows}))


async def read_due_lots(tx: Transaction, concerned: Iterable[Account]) -> None:
    """What the last day record of their partition has passed, into these accounts; not the lots that live on."""
    by_id = {account.member_id: account for account in concerned}
    ids, until = list(by_id), [account.day.as_of for account in by_id.values()]
    for member_id, *columns in (await tx.run(DUE_LOTS, ids=ids, until=until)).all():
        by_id[member_id].lots[columns[0]] = Lot(*columns)


async def open_rounds(tx: Transaction, days: Iterable[Day]) -> None:
    """Keep the rounds that have been opened."""
    opened = [(day.partition, round_) for day in days for round_ in day.opened]
    if opened:
        await tx.run(
            OPEN,
            partitions=[partition for partition, _ in opened],
            as_of=[round_.as_of for _, round_ in opened],
            days=[round_.day for _, round_ in opened],
            versions=[round_.version for _, round_ in opened],
        )


async def forget_rounds(tx: Transaction) -> int:
    """Drop rounds that are over; how many."""
    return (await tx.run(FORGET)).rowcount
