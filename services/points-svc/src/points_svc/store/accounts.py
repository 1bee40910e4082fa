"""Account rows: opened and locked in one order, written back at the end. The one thing not to break: what a decision rests on is read in a
statement after the one that locks the account."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain import expiry
from points_svc.domain.account import Account, Day, Round
from points_svc.domain.between import Referral

_ladder = msgspec.json.Decoder(dict[datetime, int])
_ahead = msgspec.json.Decoder(list[tuple[int, int, str]])
_referral = msgspec.json.Decoder(Referral)
_encode = msgspec.json.Encoder().encode
_bytes = attrgetter("bytes")

# Ascending, so that two transactions never wait for each other. A locked row is read as it is when the lock is held.
LOCK = text("""
SELECT member_id, partition, posted, held, debt, earned_net, seq, said, activity, standing, award, tier, ordinal,
       CAST(ahead AS text) AS ahead, reached, began_after, active, frozen, CAST(ladder AS text) AS ladder,
       CAST(pending AS text) AS pending, lives_until, said_at, halted, CAST(referral AS text) AS referral
FROM account WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id FOR NO KEY UPDATE
""")

# The same rows in the same order, and nothing of them.
LOCK_FIRST = text(
    "SELECT FROM account WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id FOR NO KEY UPDATE"
)

READ = text(LOCK.text.replace("ORDER BY member_id FOR NO KEY UPDATE", ""))

# A member heard of for the first time. A row that does not exist cannot be locked.
OPEN = text("""
INSERT INTO account (member_id, partition)
SELECT member_id, partition FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[])) AS new(member_id, partition)
ORDER BY member_id
ON CONFLICT DO NOTHING
""")

# All columns that a record can change, of all accounts at hand.
WRITE = text("""
UPDATE account a SET
  posted = n.posted, held = n.held, debt = n.debt, earned_net = n.earned_net, seq = n.seq, said = n.said,
  activity = n.activity, standing = n.standing, award = n.award, tier = n.tier, ordinal = n.ordinal,
  ahead = n.ahead, reached = n.reached, began_after = n.began_after, active = n.active, frozen = n.frozen,
  ladder = n.ladder, pending = n.pending, next_expiry = n.next_expiry, lives_until = n.lives_until,
  said_at = n.said_at, referral = n.referral, referral_due = n.referral_due
FROM json_to_recordset(CAST(CAST(:rows AS text) AS json)) AS n(
  member_id uuid, posted bigint, held bigint, debt bigint, earned_net bigint, seq bigint, said bigint, activity bigint,
  standing bigint, award bigint, tier text, ordinal bigint, ahead jsonb, reached timestamptz, began_after timestamptz,
  active boolean, frozen boolean, ladder jsonb, pending jsonb, next_expiry timestamptz, lives_until timestamptz,
  said_at timestamptz, referral jsonb, referral_due timestamptz)
WHERE a.member_id = n.member_id
""")

# The number of a record that was set aside counts as heard.
SKIP = {
    topic: text(f"UPDATE account SET {column} = :number WHERE member_id = :member_id AND {column} = :number - 1")
    for topic, column in {"activities": "activity", "tiers": "standing", "campaigns": "award"}.items()
}

# Of a member of whom nothing else has been heard: the dead letter knows the partition.
OPEN_FOR_SKIP = text("""
INSERT INTO account (member_id, partition)
SELECT :member_id, partition FROM dead_letter WHERE topic = :topic AND key = :key AND number = :number ORDER BY id LIMIT 1
ON CONFLICT DO NOTHING
""")

# Members of a partition of whom a purchase outlives its refund window by an instant.
REFERRALS_DUE = text("""
SELECT member_id FROM account WHERE partition = :partition AND referral_due <= :as_of
""")

# The last day record of each partition, and the rounds that have not come to every account.
DAYS = text("""
SELECT d.partition, d.as_of, r.as_ofs, r.days, r.versions FROM partition_day d
LEFT JOIN LATERAL (
  SELECT array_agg(e.as_of ORDER BY e.as_of) AS as_ofs, array_agg(e.day ORDER BY e.as_of) AS days,
         array_agg(e.version ORDER BY e.as_of) AS versions
  FROM expiry_round e WHERE e.partition = d.partition) r ON true
WHERE d.partition = ANY(CAST(:partitions AS integer[]))
""")

MOVE_DAYS = text("""
INSERT INTO partition_day (partition, as_of)
SELECT partition, as_of FROM unnest(CAST(:partitions AS integer[]), CAST(:as_of AS timestamptz[])) AS moved(partition, as_of)
ON CONFLICT (partition) DO UPDATE SET as_of = greatest(partition_day.as_of, excluded.as_of)
""")


async def lock(tx: Transaction, partition_of: Mapping[UUID, int], days: Mapping[int, Day]) -> dict[UUID, Account]:
    """The accounts of these members, opened where there are none, and locked. Two transactions never open the same account: all
    records about a member come through one lane, whose cursor is locked first; spendings open none."""
    ids = sorted(partition_of, key=_bytes)  # UUIDs compare in Python, bytes do not; PostgreSQL orders them the same
    rows = (await tx.run(LOCK, ids=ids)).all()
    if len(rows) < len(ids):
        known = {row.member_id for row in rows}
        missing = [member_id for member_id in ids if member_id not in known]
        await tx.run(OPEN, ids=missing, partitions=[partition_of[member_id] for member_id in missing])
        rows = [*rows, *(await tx.run(LOCK, ids=missing))]  # nobody else has seen them yet: their order does not matter
    return {row[0]: _account(row, days) for row in rows}


async def number_anew(tx: Transaction, concerned: Collection[Account]) -> None:
    """Of a negative control: what was decided by an old reading gets the numbers that are next when it is written, as an identity
    column gives them. Without this the ledger's own numbers refuse what two unlocked readings have decided."""
    now = {row.member_id: row for row in await tx.run(LOCK, ids=sorted(account.member_id for account in concerned))}
    for account in concerned:
        row = now[account.member_id]
        ahead = row.seq - (account.seq - len(account.entries))
        account.seq += ahead
        for entry in account.entries:
            entry.seq += ahead
        for hold in account.holds.values():
            hold.seq += ahead if hold.is_new else 0
        for handover in account.handovers.values():
            handover.seq += ahead if handover.is_new else 0
        ahead = row.said - (account.said - len(account.statements))
        account.said += ahead
        account.statements = [told._replace(number=told.number + ahead) for told in account.statements]


async def lock_first(tx: Transaction, keys: Sequence[bytes]) -> None:
    """Lock the accounts that are there; who is not there yet is nobody else's either."""
    await tx.run(LOCK_FIRST, ids=[UUID(bytes=key) for key in keys])


def from_rows(rows: Iterable[Any], days: Mapping[int, Day]) -> list[Account]:
    """Rows with the columns of LOCK as the accounts they are."""
    return [_account(row, days) for row in rows]


async def lock_one(tx: Transaction, member_id: UUID) -> Account | None:
    """One account, locked; None: there is none."""
    row = (await tx.run(LOCK, ids=[member_id])).one_or_none()
    return None if row is None else _account(row, await read_days(tx, [row.partition]))


async def read(tx: Transaction, member_id: UUID) -> Account | None:
    """An account as it stands, without a lock."""
    row = (await tx.run(READ, ids=[member_id])).one_or_none()
    return None if row is None else _account(row, await read_days(tx, [row.partition]))


async def skip(tx: Transaction, topic: str, member_id: UUID, number: int) -> None:
    """Take the number of a record that was set aside and given up as heard."""
    if topic not in SKIP:
        return  # it is not numbered
    await tx.run(OPEN_FOR_SKIP, topic=topic, member_id=member_id, key=member_id.bytes, number=number)
    await tx.run(SKIP[topic], member_id=member_id, number=number)


async def read_days(tx: Transaction, partitions: Collection[int]) -> dict[int, Day]:
    """The last day record applied in each of these partitions."""
    days = {partition: Day(partition) for partition in partitions}
    for row in await tx.run(DAYS, partitions=list(days)):
        days[row.partition].as_of = row.as_of
        if row.as_ofs is not None:
            days[row.partition].rounds = list(map(Round, row.as_ofs, row.days, row.versions))
    return days


async def write_days(tx: Transaction, days: Iterable[Day]) -> None:
    """Keep the day records that were applied."""
    moved = [day for day in days if day.is_changed]
    if moved:
        await tx.run(MOVE_DAYS, partitions=[day.partition for day in moved], as_of=[day.as_of for day in moved])


async def referrals_due(tx: Transaction, partition: int, as_of: datetime) -> list[UUID]:
    """Members of whom a purchase outlives its refund window by `as_of`."""
    return [row[0] for row in await tx.run(REFERRALS_DUE, partition=partition, as_of=as_of)]


async def write(tx: Transaction, accounts: Collection[Account]) -> None:
    """All columns back. As one JSON text, because the driver encodes arrays element by element."""
    rows = [
        {
            "member_id": a.member_id,
            "posted": a.posted,
            "held": a.held,
            "debt": a.debt,
            "earned_net": a.earned_net,
            "seq": a.seq,
            "said": a.said,
            "activity": a.activity,
            "standing": a.standing,
            "award": a.award,
            "tier": a.tier,
            "ordinal": a.ordinal,
            "ahead": a.ahead,
            "reached": a.reached,
            "began_after": a.began_after,
            "active": a.active,
            "frozen": a.frozen,
            "ladder": a.ladder,
            "pending": a.pending,
            "next_expiry": expiry.next_expiry(a),
            "lives_until": a.lives_until,
            "said_at": a.said_at,
            "referral": a.referral,
            "referral_due": None if a.referral is None else a.referral.due,
        }
        for a in accounts
    ]
    await tx.run(WRITE, rows=_encode(rows).decode())


def _account(row: Any, days: Mapping[int, Day]) -> Account:
    (
        member_id, partition, posted, held, debt, earned_net, seq, said, activity, standing, award, tier, ordinal, ahead,
        reached, began_after, active, frozen, ladder, pending, lives_until, said_at, halted, referral,
    ) = row  # fmt: skip
    return Account(
        member_id, days[partition], posted, held, debt, earned_net, seq, said, activity, standing, award, tier, ordinal,
        [] if ahead == "[]" else _ahead.decode(ahead), reached, began_after, active, frozen,
        {} if ladder == "{}" else _ladder.decode(ladder), {} if pending == "{}" else _ladder.decode(pending),
        lives_until, said_at, halted=halted, referral=None if referral is None else _referral.decode(referral),
    )  # fmt: skip
