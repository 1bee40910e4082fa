"""Account rows: opened and locked in one order, written back at the end. The one thing not to break: what a decision rests on is read in a
statement after the one that locks the account."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import text

from laurel_kit.failures import Stale
from laurel_kit.hearing import id_of
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

# A member heard of for the first time, with all that the transaction has made of him: written once, copied in like whatever is only added.
NEW = (
    "member_id", "partition", "posted", "held", "debt", "earned_net", "seq", "said", "activity", "standing", "award", "tier", "ordinal",
    "ahead", "reached", "began_after", "active", "frozen", "ladder", "pending", "next_expiry", "lives_until", "said_at", "referral",
    "referral_due",
)  # fmt: skip

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
  standing bigint, award bigint, tier text, ordinal bigint, ahead json, reached timestamptz, began_after timestamptz,
  active boolean, frozen boolean, ladder json, pending json, next_expiry timestamptz, lives_until timestamptz,
  said_at timestamptz, referral json, referral_due timestamptz)
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
    """The accounts of these members, locked; those that there are none of are new, and stand in the table when they are written. All
    records about a member come through one lane, whose cursor is locked first, and spendings open no account: should another
    transaction write the same new one after all, the second is refused and begins again."""
    ids = sorted(partition_of, key=_bytes)  # UUIDs compare in Python, bytes do not; PostgreSQL orders them the same
    found = {row[0]: _account(row, days) for row in await tx.run(LOCK, ids=ids)}
    if len(found) == len(ids):
        return found
    # In the order of the members, so that batches that open accounts say things in the same order as any other.
    return {
        member_id: found[member_id]
        if member_id in found
        else Account(member_id, days[partition_of[member_id]], is_new=True)
        for member_id in ids
    }


async def number_anew(tx: Transaction, concerned: Collection[Account]) -> None:
    """Of a negative control: what was decided by an old reading gets the numbers that are next when it is written, as an identity
    column gives them. Without this the ledger's own numbers refuse what two unlocked readings have decided."""
    now = {row.member_id: row for row in await tx.run(LOCK, ids=sorted(account.member_id for account in concerned))}
    for account in concerned:
        if account.is_new:
            continue
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
    await tx.run(LOCK_FIRST, ids=[id_of(key) for key in keys])


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


class _Row(msgspec.Struct, omit_defaults=True):
    """One line of WRITE. What is left out of the text is NULL, so only what may be NULL has a default."""

    member_id: UUID
    posted: int
    held: int
    debt: int
    earned_net: int
    seq: int
    said: int
    activity: int
    standing: int
    award: int
    ordinal: int
    active: bool
    frozen: bool
    ahead: list[tuple[int, int, str]]
    ladder: dict[datetime, int]
    pending: dict[datetime, int]
    tier: str | None = None
    reached: datetime | None = None
    began_after: datetime | None = None
    next_expiry: datetime | None = None
    lives_until: datetime | None = None
    said_at: datetime | None = None
    referral: Referral | None = None
    referral_due: datetime | None = None


async def write(tx: Transaction, accounts: Collection[Account]) -> None:
    """All columns back. As one JSON text, because the driver encodes arrays element by element. Raises Stale where somebody else has
    opened an account meanwhile."""
    known = [
        _Row(
            a.member_id, a.posted, a.held, a.debt, a.earned_net, a.seq, a.said, a.activity, a.standing, a.award, a.ordinal, a.active,
            a.frozen, a.ahead, a.ladder, a.pending, a.tier, a.reached, a.began_after, expiry.next_expiry(a), a.lives_until, a.said_at,
            a.referral, None if a.referral is None else a.referral.due,
        )
        for a in accounts
        if not a.is_new
    ]  # fmt: skip
    if known:
        await tx.run(WRITE, rows=_encode(known).decode())
    if len(known) < len(accounts):
        await _open(tx, [account for account in accounts if account.is_new])


async def _open(tx: Transaction, accounts: Collection[Account]) -> None:
    rows = [
        (
            a.member_id, a.day.partition, a.posted, a.held, a.debt, a.earned_net, a.seq, a.said, a.activity, a.standing, a.award, a.tier,
            a.ordinal, _json(a.ahead), a.reached, a.began_after, a.active, a.frozen, _json(a.ladder), _json(a.pending),
            expiry.next_expiry(a), a.lives_until, a.said_at, None if a.referral is None else _json(a.referral),
            None if a.referral is None else a.referral.due,
        )
        for a in accounts
    ]  # fmt: skip
    try:
        await tx.copy("account", NEW, rows)
    except asyncpg.UniqueViolationError as error:
        raise Stale("another transaction has opened one of these accounts") from error
    for account in accounts:
        account.is_new = False  # who writes it once more in this transaction changes a row


def _json(value: Any) -> str:
    if value:
        return _encode(value).decode()
    return "[]" if value.__class__ is list else "{}"


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
