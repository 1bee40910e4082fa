"""The kit's own tables and statements, as text; every service's database has these tables. Pure: no connection, no clock. The one
thing not to break: `outbox.id` keeps CACHE 1, because the order per key is the order of the ids."""

from __future__ import annotations

from sqlalchemy import text

# Hot rows: room on the page keeps the updates off the index. One row per partition, so the space costs nothing.
CONSUMER_CURSOR = """
CREATE TABLE consumer_cursor (
  grp text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (grp, topic, partition)
) WITH (fillfactor = 20)
"""

# Deleted as fast as it is filled: it must be vacuumed by count, not by share.
OUTBOX = """
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
  topic text NOT NULL,
  partition integer NOT NULL,
  key bytea,
  type text NOT NULL,
  event_id text NOT NULL,
  number bigint,
  more_headers bytea,
  body bytea NOT NULL,
  said_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)
"""

DEAD_LETTER = """
CREATE TABLE dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  grp text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  at_offset bigint NOT NULL,
  key bytea,
  number bigint,
  headers bytea NOT NULL,
  value bytea,
  reason text NOT NULL,
  detail text NOT NULL,
  attempts integer NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
  UNIQUE (grp, topic, partition, at_offset)
)
"""

# A key of a numbered topic with an open dead letter: what comes later for this key must wait behind it.
PARKED_KEY = """
CREATE TABLE parked_key (
  grp text NOT NULL,
  topic text NOT NULL,
  key bytea NOT NULL,
  PRIMARY KEY (grp, topic, key)
)
"""

MARK = """
CREATE TABLE mark (
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  moved_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20)
"""

# What the broker has acknowledged of what we said.
SAID = """
CREATE TABLE said (
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20)
"""

TABLES = (
    CONSUMER_CURSOR,
    OUTBOX,
    DEAD_LETTER,
    "CREATE INDEX dead_letter_open ON dead_letter (grp, topic, key, at_offset) WHERE state = 'open'",
    PARKED_KEY,
    MARK,
    SAID,
)

# Since the second revision: whatever a person did about a dead letter, one row each; rows are only ever added.
DEAD_LETTER_ACTION = """
CREATE TABLE dead_letter_action (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  letter_id bigint NOT NULL REFERENCES dead_letter ON DELETE CASCADE,
  action text NOT NULL CHECK (action IN ('replay', 'discard')),
  outcome text NOT NULL CHECK (outcome IN ('applied', 'duplicate', 'failed', 'discarded')),
  detail text NOT NULL,
  asked_by text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
)
"""

DEAD_LETTER_ACTIONS = (
    "ALTER TABLE dead_letter ADD COLUMN resolved_by text",
    DEAD_LETTER_ACTION,
    "CREATE INDEX dead_letter_action_letter ON dead_letter_action (letter_id, id)",
)

# The row appears at the first start of a lane; afterwards it only moves.
CURSOR_CREATE = text("""
INSERT INTO consumer_cursor (grp, topic, partition, next_offset)
SELECT :grp, topic, partition, next_offset
FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
  AS wanted(topic, partition, next_offset)
ORDER BY topic, partition
ON CONFLICT DO NOTHING
""")

CURSORS_READ = text(
    "SELECT topic, partition, next_offset FROM consumer_cursor WHERE grp = :grp ORDER BY topic, partition"
)

# Ascending, so that two transactions never wait for each other; and in the same breath whether any key is parked at all.
CURSORS_LOCK = text("""
SELECT c.topic, c.partition, c.next_offset, EXISTS (SELECT FROM parked_key WHERE grp = :grp) AS any_parked
FROM consumer_cursor c
JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[])) AS wanted(topic, partition)
  ON c.topic = wanted.topic AND c.partition = wanted.partition
WHERE c.grp = :grp
ORDER BY c.topic, c.partition
FOR NO KEY UPDATE OF c
""")

# `waited_for`: whether somebody waits for what this transaction has locked; a locked row is waited for by its locker's number.
CURSORS_MOVE = text("""
UPDATE consumer_cursor c SET next_offset = moved.next_offset, updated_at = now()
FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
  AS moved(topic, partition, next_offset)
WHERE c.grp = :grp AND c.topic = moved.topic AND c.partition = moved.partition
RETURNING (SELECT count(*) > 0 FROM pg_locks
           WHERE locktype = 'transactionid' AND NOT granted AND transactionid = CAST(pg_current_xact_id() AS xid)) AS waited_for
""")

# A statement of its own after the lock: it must see what a replay committed while we waited.
PARKED_READ = text("""
SELECT topic, key FROM parked_key
WHERE grp = :grp AND topic = ANY(CAST(:topics AS text[])) AND key = ANY(CAST(:keys AS bytea[]))
""")

# How many of the records just before this one are dead letters that nobody has dealt with; those that only wait do not count.
DEAD_LETTERS_RECENT = text("""
SELECT count(*) FROM dead_letter
WHERE grp = :grp AND topic = :topic AND partition = :partition AND at_offset > :since AND state = 'open' AND reason <> :behind
""")

# The driver begins a transaction at its first statement, whatever that is.
BEGIN = text("SELECT")

# All that is said in a transaction is copied in, in the order of the calls; ids count up in that order.
OUTBOX_COLUMNS = ("topic", "partition", "key", "type", "event_id", "number", "more_headers", "body")

OUTBOX_COUNT = text("""
SELECT count(*) AS rows,
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT said_at FROM outbox ORDER BY id LIMIT 1)), 0) AS age_seconds
FROM outbox
""")

# Met again (a replay that failed): the same row, one more attempt.
DEAD_LETTER_INSERT = text("""
INSERT INTO dead_letter (grp, topic, partition, at_offset, key, number, headers, value, reason, detail)
SELECT :grp, topic, partition, at_offset, key, number, headers, value, reason, detail
FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]), CAST(:keys AS bytea[]),
            CAST(:numbers AS bigint[]), CAST(:headers AS bytea[]), CAST(:values AS bytea[]), CAST(:reasons AS text[]),
            CAST(:details AS text[]))
  WITH ORDINALITY AS dead(topic, partition, at_offset, key, number, headers, value, reason, detail, place)
ORDER BY place
ON CONFLICT (grp, topic, partition, at_offset) DO UPDATE
  SET attempts = dead_letter.attempts + 1, last_at = now(), reason = excluded.reason, detail = excluded.detail, state = 'open',
      resolved_by = NULL
""")

PARKED_INSERT = text("""
INSERT INTO parked_key (grp, topic, key)
SELECT DISTINCT :grp, topic, key FROM unnest(CAST(:topics AS text[]), CAST(:keys AS bytea[])) AS parked(topic, key)
ORDER BY topic, key
ON CONFLICT DO NOTHING
""")

MARKS_MOVE = text("""
INSERT INTO mark (topic, partition, next_offset)
SELECT topic, partition, max(next_offset)
FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
  AS moved(topic, partition, next_offset)
GROUP BY topic, partition ORDER BY topic, partition
ON CONFLICT (topic, partition) DO UPDATE
  SET next_offset = greatest(mark.next_offset, excluded.next_offset), moved_at = now()
""")

MARKS_READ = text("""
SELECT topic, partition, next_offset, extract(epoch FROM clock_timestamp() - moved_at) AS age_seconds FROM mark
""")

DEAD_LETTERS_LIST = text("""
SELECT id, grp, topic, partition, at_offset, number, reason, detail, attempts, first_at, last_at, state, resolved_by
FROM dead_letter
WHERE grp = :grp AND (CAST(:state AS text) IS NULL OR state = :state) AND id > :after
ORDER BY id LIMIT :limit
""")

DEAD_LETTER_READ = text("SELECT * FROM dead_letter WHERE grp = :grp AND id = :id")

# Under the cursor's lock, which the lane takes too: nobody sets another record of this key aside meanwhile.
DEAD_LETTER_LOCK = text("SELECT * FROM dead_letter WHERE grp = :grp AND id = :id FOR UPDATE")

DEAD_LETTER_FIRST_OPEN = text("""
SELECT id FROM dead_letter
WHERE grp = :grp AND topic = :topic AND key = :key AND state = 'open'
ORDER BY at_offset LIMIT 1
""")

DEAD_LETTER_CLOSE = text("""
UPDATE dead_letter SET state = :state, last_at = now(), resolved_by = :asked_by WHERE id = :id
""")

DEAD_LETTER_NOTE = text("""
INSERT INTO dead_letter_action (letter_id, action, outcome, detail, asked_by)
VALUES (:letter_id, :action, :outcome, :detail, :asked_by)
""")

DEAD_LETTER_HISTORY = text("""
SELECT action, outcome, detail, asked_by, at FROM dead_letter_action WHERE letter_id = :letter_id ORDER BY id
""")

DEAD_LETTER_FAILED_AGAIN = text("""
UPDATE dead_letter SET attempts = attempts + 1, last_at = now(), detail = :detail WHERE grp = :grp AND id = :id
""")

# The key is free again when nothing of it is open.
PARKED_RELEASE = text("""
DELETE FROM parked_key p
WHERE p.grp = :grp AND p.topic = :topic AND p.key = :key
  AND NOT EXISTS (SELECT FROM dead_letter d
                  WHERE d.grp = p.grp AND d.topic = p.topic AND d.key = p.key AND d.state = 'open')
""")

# The relay's own statements, run on its own asyncpg session.
# A round of rows, in order, bounded by count and by bytes (at least one row), without the partitions that cannot be said to now.
OUTBOX_READ = """
SELECT id, topic, partition, key, type, event_id, number, more_headers, body
FROM (
  SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before
  FROM (
    SELECT id, topic, partition, key, type, event_id, number, more_headers, body
    FROM outbox o
    WHERE NOT EXISTS (SELECT FROM unnest($3::text[], $4::integer[]) AS blocked(topic, partition)
                      WHERE blocked.topic = o.topic AND blocked.partition = o.partition)
    ORDER BY id LIMIT $1
  ) AS round
) AS counted
WHERE bytes_before < $2
ORDER BY id
"""

# What was acknowledged goes, and where it stands on the topics is remembered: in one statement, so together, and at the price of one.
OUTBOX_SETTLE = """
WITH gone AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]))
INSERT INTO said (topic, partition, next_offset)
SELECT * FROM unnest($2::text[], $3::integer[], $4::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(said.next_offset, excluded.next_offset)
"""
