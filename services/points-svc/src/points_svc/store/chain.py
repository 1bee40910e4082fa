"""The chain over the ledger (reliability.md 3.2, I11): what was written is sealed, round by round, and every round seals the one before.
The one thing not to break: a digest is over every column of an entry and over what it took from which lot; nothing is sealed twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction

DIGEST_BYTES = 32

# A JSON array as PostgreSQL writes it, in which every text is quoted: no two entries have one form. Instants are whole microseconds, so
# that no setting of a session changes them. `returned` of what was consumed is not in it, because that moves on (see proof.py: returned).
DIGEST = """sha256(convert_to(CAST(json_build_array(
    t.member_id, t.seq, t.cause, t.leg, CAST(extract(epoch FROM t.at) * 1000000 AS bigint), t.kind, t.debit, t.credit, t.amount,
    t.order_id, t.lot, t.why,
    (SELECT json_agg(json_build_array(c.place, c.lot, c.amount) ORDER BY c.place)
     FROM consumption c WHERE c.member_id = t.member_id AND c.seq = t.seq)) AS text), 'UTF8'))"""

BEFORE_THE_FIRST = f"decode(repeat('00', {DIGEST_BYTES}), 'hex')"

# Of a round: the one before, its number, its time, and who was sealed from which entry on, with all digests.
ROUND_HASH = """sha256({previous} || int8send({round}) || int8send(CAST(extract(epoch FROM {at}) * 1000000 AS bigint))
    || {rows})"""
ROUND_ROWS = (
    "string_agg(uuid_send(r.member_id) || int8send(r.first) || r.digests, CAST('' AS bytea) ORDER BY r.member_id)"
)

# The oldest transaction that has not ended. Whatever is not seen by now is written by it or by a later one.
OLDEST_OPEN = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS xid) AS text)")

# Who has entries that no round has sealed, and up to which one: at most so many members, and so many entries of each. A member whose
# entries have a gap is found and never sealed: I8 names him. `since`: only accounts whose row was written by that transaction or a later
# one are looked up; to compare every account with its seals takes seconds where there are millions. A transaction that is yet to come is
# of another server, and says nothing about this one. One row of arrays: they are many, and are handed back as they are.
UNSEALED = text("""
WITH written AS MATERIALIZED (
  SELECT member_id, seq FROM account
  WHERE CAST(:since AS text) IS NULL OR age(CAST(CAST(:since AS text) AS xid)) < 0
     OR age(xmin) <= age(CAST(CAST(:since AS text) AS xid))),
due AS (
  SELECT a.member_id, coalesce(s.seq, 0) AS done, a.seq
  FROM written a LEFT JOIN LATERAL (SELECT u.seq FROM sealed_up_to u WHERE u.member_id = a.member_id OFFSET 0) s ON true
  WHERE a.seq > coalesce(s.seq, 0) LIMIT :members)
SELECT coalesce(array_agg(member_id ORDER BY member_id), CAST('{}' AS uuid[])) AS members,
  coalesce(array_agg(least(seq, done + CAST(:entries AS bigint)) ORDER BY member_id), CAST('{}' AS bigint[])) AS upto,
  coalesce(array_agg(least(seq - done, CAST(:entries AS bigint)) ORDER BY member_id), CAST('{}' AS bigint[])) AS entries,
  coalesce(bool_and(seq - done <= :entries), true) AND count(*) < :members AS whole
FROM due
""")

# Seals these members' entries up to what was found, in one statement and so of one moment. Nothing is locked that a record needs.
SEAL = text(f"""
WITH before AS (
  SELECT coalesce(max(round), 0) + 1 AS round,
    coalesce((SELECT hash FROM seal ORDER BY round DESC LIMIT 1), {BEFORE_THE_FIRST}) AS hash FROM seal),
due AS (
  SELECT w.member_id, coalesce(s.seq, 0) AS done, w.upto
  FROM unnest(CAST(:members AS uuid[]), CAST(:upto AS bigint[])) AS w (member_id, upto)
    LEFT JOIN LATERAL (SELECT u.seq FROM sealed_up_to u WHERE u.member_id = w.member_id OFFSET 0) s ON true
  WHERE w.upto > coalesce(s.seq, 0)),
r AS MATERIALIZED (
  SELECT member_id, done + 1 AS first, upto AS last, string_agg(digest, CAST('' AS bytea) ORDER BY seq) AS digests FROM (
    SELECT t.member_id, t.seq, due.done, due.upto, {DIGEST} AS digest
    FROM due JOIN transfer t ON t.member_id = due.member_id AND t.seq > due.done AND t.seq <= due.upto) AS digested
  GROUP BY member_id, done, upto HAVING count(*) = upto - done),
added AS (
  INSERT INTO sealed (member_id, first, last, round, digests)
  SELECT r.member_id, r.first, r.last, before.round, r.digests FROM r, before ORDER BY r.member_id),
reached AS (
  INSERT INTO sealed_up_to (member_id, seq) SELECT r.member_id, r.last FROM r ORDER BY r.member_id
  ON CONFLICT (member_id) DO UPDATE SET seq = excluded.seq)
INSERT INTO seal (round, at, members, entries, previous, hash)
SELECT before.round, CAST(:at AS timestamptz), count(*), sum(r.last - r.first + 1), before.hash,
  {ROUND_HASH.format(previous="before.hash", round="before.round", at="CAST(:at AS timestamptz)", rows=ROUND_ROWS)}
FROM before, r GROUP BY before.round, before.hash
RETURNING members, entries
""")

# Rounds as they stand, each computed again from what it sealed.
ROUNDS = text(f"""
SELECT s.round, s.at, s.members, s.entries, encode(s.hash, 'hex') AS hash,
  s.previous IS NOT DISTINCT FROM CASE s.round WHEN 1 THEN {BEFORE_THE_FIRST} ELSE p.hash END AS follows,
  (s.members, s.entries) = (coalesce(o.members, 0), coalesce(o.entries, 0)) AND s.hash =
    {ROUND_HASH.format(previous="s.previous", round="s.round", at="s.at", rows="coalesce(o.rows, CAST('' AS bytea))")} AS holds
FROM seal s
LEFT JOIN seal p ON p.round = s.round - 1
LEFT JOIN LATERAL (
  SELECT count(*) AS members, sum(r.last - r.first + 1) AS entries, {ROUND_ROWS} AS rows FROM sealed r WHERE r.round = s.round
) o ON true
WHERE s.round > :after ORDER BY s.round LIMIT :limit
""")

# What was sealed by a round that is not there any more.
WITHOUT_ROUND = text("""
SELECT d.round, d.member_id FROM sealed d
WHERE d.round > :after AND d.round <= :upto AND NOT EXISTS (SELECT FROM seal s WHERE s.round = d.round)
ORDER BY d.round, d.member_id LIMIT :limit
""")

# How far the chain has got, and how much of the ledger is in it.
HEAD = text("""
SELECT round, at, encode(hash, 'hex') AS hash, (SELECT coalesce(sum(entries), 0) FROM seal) AS entries
FROM seal ORDER BY round DESC LIMIT 1
""")

# Entries of these members that are not what was sealed: digests of what stands beside digests of what stood. An entry that stands within
# the sealed numbers and was not sealed has been inserted.
BROKEN_ENTRIES = text(f"""
WITH wanted AS (SELECT unnest(CAST(:ids AS uuid[])) AS member_id),
told AS (
  SELECT d.member_id, d.first + n AS seq, d.round,
    substring(d.digests FROM CAST(n AS integer) * {DIGEST_BYTES} + 1 FOR {DIGEST_BYTES}) AS digest
  FROM wanted w JOIN sealed d USING (member_id), generate_series(0, d.last - d.first) AS n),
stands AS (
  SELECT t.member_id, t.seq, {DIGEST} AS digest
  FROM wanted w JOIN transfer t USING (member_id) LEFT JOIN sealed_up_to s USING (member_id)
  WHERE t.seq <= coalesce(s.seq, 0))
SELECT member_id, seq, told.round, CASE WHEN stands.digest IS NULL THEN 'removed' WHEN told.digest IS NULL THEN 'inserted' ELSE 'altered'
  END AS what
FROM told FULL JOIN stands USING (member_id, seq)
WHERE told.digest IS DISTINCT FROM stands.digest ORDER BY member_id, seq LIMIT :limit
""")

# I10: nobody may change what only grows.
INVARIANTS = {
    "I10": """
      SELECT (SELECT 3 - count(*) FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND (tgrelid, tgname) IN
                ((CAST('transfer' AS regclass), 'ledger_only_grows'), (CAST('seal' AS regclass), 'seal_only_grows'),
                 (CAST('sealed' AS regclass), 'sealed_only_grows')))
           + (SELECT count(*) FROM pg_roles, unnest(ARRAY['transfer', 'seal', 'sealed']) AS only_grows,
                unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS right_to
              WHERE rolname = current_user AND NOT rolsuper AND has_table_privilege(only_grows, right_to))""",
}

# I11: every round follows the one before. That every member's entries are sealed without a gap stands in breakers.py; the digests
# themselves are read again member by member.
BROKEN_ROUNDS = f"""
      SELECT (SELECT count(*) FROM (
                SELECT round, previous, lag(round, 1, CAST(0 AS bigint)) OVER inorder AS round_before,
                  lag(hash, 1, {BEFORE_THE_FIRST}) OVER inorder AS hash_before
                FROM seal WINDOW inorder AS (ORDER BY round)) AS rounds
              WHERE round <> round_before + 1 OR previous <> hash_before)
           + (SELECT count(*) FROM sealed WHERE round > (SELECT coalesce(max(round), 0) FROM seal))"""


async def oldest_open(tx: Transaction) -> str:
    """The oldest transaction that has not ended."""
    return str((await tx.run(OLDEST_OPEN)).scalar_one())


class Unsealed(NamedTuple):
    """Who has entries that no round has sealed: up to which, how many, in the same order. `whole`: nobody and nothing was left out."""

    members: list[UUID]
    upto: list[int]
    entries: list[int]
    whole: bool


async def unsealed(tx: Transaction, *, members: int, entries: int, since: str | None = None) -> Unsealed:
    """At most so many members, and so many entries of each. Nobody: everything is sealed, where `since` is None or the oldest transaction
    that was open before an earlier look at everything that was then sealed."""
    return Unsealed(*(await tx.run(UNSEALED, members=members, entries=entries, since=since)).one())


async def seal(tx: Transaction, at: datetime, members: Sequence[UUID], upto: Sequence[int]) -> int:
    """One round over these members' entries up to these; how many entries it sealed."""
    row = (await tx.run(SEAL, at=at, members=list(members), upto=list(upto))).one_or_none()
    return 0 if row is None else int(row.entries)


async def rounds(tx: Transaction, after: int, limit: int) -> list[dict[str, Any]]:
    """A page of rounds; `follows`: the one before is what it says; `holds`: what it sealed is what it says."""
    return [dict(row._mapping) for row in await tx.run(ROUNDS, after=after, limit=limit)]


async def without_round(tx: Transaction, after: int, upto: int, limit: int) -> list[dict[str, Any]]:
    """Who was sealed by rounds that have gone."""
    return [dict(row._mapping) for row in await tx.run(WITHOUT_ROUND, after=after, upto=upto, limit=limit)]


async def head(tx: Transaction) -> dict[str, Any] | None:
    """The last round; None: nothing has been sealed."""
    row = (await tx.run(HEAD)).one_or_none()
    return None if row is None else dict(row._mapping) | {"entries": int(row.entries)}


async def broken_entries(tx: Transaction, ids: Sequence[UUID], limit: int) -> list[dict[str, Any]]:
    """Entries of these members that were altered, removed or inserted since they were sealed."""
    return [dict(row._mapping) for row in await tx.run(BROKEN_ENTRIES, ids=list(ids), limit=limit)]
