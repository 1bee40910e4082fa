"""A ledger that has been in use for long: so many purchases before the first one of the stream, in valid books, laid by a few set-based
statements. Ten to a member, numbered …, -1, 0 within his stream, so that the log begins with number 1 as it does on empty books."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import asyncpg

from laurel_kit.partitions import partition_of
from tests.bench.purchases import CLONES, PARTITIONS, member_id
from tests.bench.stage import Stage
from tests.support.complete_journey import all_baskets

EACH = 10  # purchases of a member before the stream begins

# In order of time, so that a member's rows lie apart in the heap, as they do in real life.
HISTORY = f"""
CREATE UNLOGGED TABLE history AS
SELECT h.*, (date_trunc('month', h.at AT TIME ZONE 'America/New_York') + interval '13 months')
              AT TIME ZONE 'America/New_York' AS expires_at
FROM (
  SELECT m.member_id, k, k - {EACH} AS number, 1000 + (m.place * 7919 + k * 104729) % 20000 AS amount,
         timestamptz '2016-10-01 12:00:00+00' + k * interval '9 days' + (m.place % 86400) * interval '1 second' AS at
  FROM generate_series(1, {EACH}) AS k CROSS JOIN past m
) AS h
"""
WITHOUT_INDEXES = (
    "ALTER TABLE transfer DROP CONSTRAINT transfer_pkey, DROP CONSTRAINT transfer_member_id_cause_leg_key",
    "ALTER TABLE lot DROP CONSTRAINT lot_pkey",
    "ALTER TABLE purchase DROP CONSTRAINT purchase_pkey, DROP CONSTRAINT purchase_order_id_member_id_key",
    "DROP INDEX lot_in_turn",
)
BOOKS = (
    """
    INSERT INTO purchase (member_id, seq, order_id, at, day, version, tier, ordinal, amount_minor, unallocated_minor, parts, net)
    SELECT member_id, number, 'past-' || k || '-' || left(member_id::text, 13), at, (at AT TIME ZONE 'America/New_York')::date, 1,
           NULL, 0, amount, 0, jsonb_build_array(jsonb_build_array(1000000, amount, false, NULL)), amount / 100
    FROM history
    """,
    """
    INSERT INTO lot (member_id, lot, kind, granted, remaining, expired, earned_at, available_at, expires_at)
    SELECT member_id, number, 'purchase', amount / 100, amount / 100, 0, at, at, expires_at FROM history
    """,
    """
    INSERT INTO transfer (member_id, seq, cause, leg, at, kind, debit, credit, amount, order_id, lot, why)
    SELECT member_id, k, 'activity ' || number, 1, at, 'earned', 'issuance', 'available', amount / 100,
           'past-' || k || '-' || left(member_id::text, 13), number,
           jsonb_build_object('rule', 'purchase', 'version', 1, 'amount_minor', amount, 'tier', 'regular', 'ordinal', 0,
             'parts', jsonb_build_array(jsonb_build_object('left_minor', amount, 'rate', '1')), 'multiplier', '1',
             'minor_units', 100, 'points', amount / 100)
    FROM history
    """,
    f"""
    INSERT INTO account (member_id, partition, posted, earned_net, seq, said, activity, reached, ladder, next_expiry)
    SELECT member_id, min(past.partition), sum(points), sum(points), {EACH}, {EACH}, 0, max(reached),
           jsonb_object_agg(to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), points), min(expires_at)
    FROM (SELECT member_id, expires_at, sum(amount / 100) AS points, max(at) AS reached FROM history GROUP BY 1, 2) AS steps
    JOIN past USING (member_id)
    GROUP BY member_id
    """,
)
WITH_INDEXES = (
    "ALTER TABLE transfer ADD PRIMARY KEY (member_id, seq)",
    "ALTER TABLE transfer ADD UNIQUE (member_id, cause, leg)",
    "ALTER TABLE lot ADD PRIMARY KEY (member_id, lot)",
    "ALTER TABLE purchase ADD PRIMARY KEY (member_id, seq)",
    "ALTER TABLE purchase ADD UNIQUE (order_id, member_id)",
    "CREATE INDEX lot_in_turn ON lot (member_id, expires_at, earned_at, lot) WHERE remaining > 0",
    "DROP TABLE history, past",
    "VACUUM ANALYZE",
)


def people(count: int) -> Iterator[tuple[uuid.UUID, int, int]]:
    """Everybody of the stream first, then strangers: (id, partition, place)."""
    households = sorted({basket.household_id for basket in all_baskets()})
    place = 0
    for household in households:
        for clone in range(CLONES):
            if place < count:
                made = member_id(household, clone, "bench")
                yield made, partition_of(made.bytes, PARTITIONS), place
                place += 1
    while place < count:
        yield uuid.uuid5(uuid.NAMESPACE_OID, str(place)), place % PARTITIONS, place
        place += 1


async def grow(stage: Stage, template: str, rows: int) -> str:
    """A database with so many purchases in its books, to be copied for every run; its name."""
    name = f"grown_{rows}"
    await stage.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    connection = await asyncpg.connect(stage.dsn(name))
    try:
        await connection.execute("SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute("CREATE UNLOGGED TABLE past (member_id uuid, partition integer, place bigint)")
        await connection.copy_records_to_table("past", records=people(rows // EACH))
        for statement in (HISTORY, *WITHOUT_INDEXES, *BOOKS, *WITH_INDEXES):
            await connection.execute(statement)
    finally:
        await connection.close()
    await stage.execute("CHECKPOINT")
    return name
