"""What members have been reminded of, and how far a pass has got. The one thing not to break: the key of a reminder is its member, its
instant and its distance; a second one is not written and so not said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Day
from points_svc.domain.reminders import Reminder
from points_svc.store import accounts


class Pass(NamedTuple):
    """All members of a partition are looked at after its last closed day; so far those up to `after`."""

    partition: int
    as_of: datetime
    version: int
    after: UUID | None


# The last closed day of a partition that not everybody has been reminded by. The last round of a partition always stands.
NEXT = text("""
SELECT r.partition, r.as_of, r.version, CASE WHEN p.as_of = r.as_of THEN p.after END AS after
FROM (SELECT DISTINCT ON (partition) partition, as_of, version FROM expiry_round ORDER BY partition, as_of DESC) r
LEFT JOIN reminder_pass p USING (partition)
WHERE p.as_of IS NULL OR p.as_of < r.as_of OR NOT p.is_done
ORDER BY r.partition LIMIT 1
""")

# The next members of a partition of whom something expires before an instant.
SOON = text(f"""
{accounts.LOCK.text.split("WHERE")[0]}
WHERE partition = :partition AND next_expiry <= :until AND activity > 0
  AND (CAST(:after AS uuid) IS NULL OR member_id > CAST(:after AS uuid))
ORDER BY member_id LIMIT :limit
""")

# What has been said before is not said again.
ADD = text("""
INSERT INTO reminder (member_id, expires_at, days_ahead, points, as_of)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:expires_at AS timestamptz[]), CAST(:days_ahead AS smallint[]), CAST(:points AS bigint[]),
                     CAST(:as_of AS timestamptz[]))
ON CONFLICT DO NOTHING RETURNING member_id, expires_at
""")

NOTE = text("""
INSERT INTO reminder_pass (partition, as_of, after, is_done) VALUES (:partition, :as_of, :after, :is_done)
ON CONFLICT (partition) DO UPDATE SET as_of = excluded.as_of, after = excluded.after, is_done = excluded.is_done
""")

# What a member has been reminded of, in the order in which it was said.


async def next_pass(tx: Transaction) -> Pass | None:
    """Where to go on; None: nowhere."""
    row = (await tx.run(NEXT)).one_or_none()
    return None if row is None else Pass(*row)


async def expiring_soon(tx: Transaction, pass_: Pass, until: datetime, limit: int) -> list[Account]:
    """The next accounts of a pass, not locked, in ascending order."""
    rows = (await tx.run(SOON, partition=pass_.partition, until=until, after=pass_.after, limit=limit)).all()
    return accounts.from_rows(rows, {pass_.partition: Day(pass_.partition, pass_.as_of)})


async def add(tx: Transaction, found: Sequence[Reminder]) -> list[Reminder]:
    """Keep reminders; those that are new."""
    if not found:
        return []
    rows = await tx.run(
        ADD,
        ids=[one.member_id for one in found],
        expires_at=[one.expires_at for one in found],
        days_ahead=[one.days_ahead for one in found],
        points=[one.points for one in found],
        as_of=[one.as_of for one in found],
    )
    new = {(row.member_id, row.expires_at) for row in rows}
    return [one for one in found if (one.member_id, one.expires_at) in new]


async def note_pass(tx: Transaction, pass_: Pass, after: UUID | None) -> None:
    """A pass has got so far; None: to the end."""
    await tx.run(NOTE, partition=pass_.partition, as_of=pass_.as_of, after=after, is_done=after is None)
