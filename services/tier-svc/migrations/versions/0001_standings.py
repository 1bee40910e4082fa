"""The tables of standings: what a member's stream comes to, the facts that were said, and what is needed to judge an end again.

Everything about members is found by the member, so that it can live with its partition one day (architecture.md 5). All of it is
written under the lane's cursor, which is the only lock."""

from __future__ import annotations

from alembic import op

from laurel_kit.migrate import kit_tables

revision = "0001"
down_revision = None

# Where a member stands. Sums are as of the day `as_of`, the windows in the order of programme version `gauged_by`; amounts in minor
# units. `tier` '': the lowest, held since enrolment. `restart_at`: the last lapse, where spend_total and largest_order start anew.
# `born_as_of`: the last closed day when the stream began. Updated by every activity: room on the page keeps it off the indexes.
MEMBER = """
CREATE TABLE member (
  member_id uuid PRIMARY KEY,
  partition integer NOT NULL,
  last_seq bigint NOT NULL,
  clock timestamptz,
  born_as_of timestamptz,
  tier text NOT NULL DEFAULT '',
  since timestamptz,
  until timestamptz,
  held_since date,
  restart_at timestamptz,
  decided_on date,
  restart_before timestamptz,
  last_end timestamptz,
  ordinal bigint NOT NULL DEFAULT 0,
  as_of date,
  gauged_by integer NOT NULL DEFAULT 0,
  spend_total bigint NOT NULL DEFAULT 0,
  largest_order bigint NOT NULL DEFAULT 0,
  growth_total bigint NOT NULL DEFAULT 0,
  windows bigint[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70)
"""

# Who has a period end up to an instant, per partition: asked by every day.closed.
MEMBER_DUE = "CREATE INDEX member_due ON member (partition, until) WHERE until IS NOT NULL"

# What counts on one local day of one member.
MEMBER_DAY = """
CREATE TABLE member_day (
  member_id uuid NOT NULL,
  day date NOT NULL,
  spend_minor bigint NOT NULL,
  orders integer NOT NULL,
  growth bigint NOT NULL,
  complaints integer NOT NULL,
  active boolean NOT NULL,
  PRIMARY KEY (member_id, day)
) WITH (fillfactor = 90)
"""

# Orders, for refunds and for ends judged again. `clock`: the clock that the stream had at it; `left_minor`, `left_qualifying_minor`:
# what line refunds left; `unallocated_minor`: refunded without lines. `not_qualifying`: ids of lines that count in no tier metric.
PURCHASE = """
CREATE TABLE purchase (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  order_id text NOT NULL,
  time timestamptz NOT NULL,
  day date NOT NULL,
  clock timestamptz NOT NULL,
  amount_minor bigint NOT NULL,
  left_minor bigint NOT NULL,
  left_qualifying_minor bigint NOT NULL,
  unallocated_minor bigint NOT NULL,
  not_qualifying jsonb,
  PRIMARY KEY (member_id, seq)
)
"""

# Every other activity, refunds too: the steps of a judgement that is made again.
DEED = """
CREATE TABLE deed (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  time timestamptz NOT NULL,
  day date NOT NULL,
  clock timestamptz NOT NULL,
  kind text NOT NULL,
  PRIMARY KEY (member_id, seq)
)
"""

# Period ends as they were judged at last, and the standing just before each.
PERIOD_END = """
CREATE TABLE period_end (
  member_id uuid NOT NULL,
  at timestamptz NOT NULL,
  tier text NOT NULL,
  since timestamptz,
  held_since date,
  restart_at timestamptz,
  decided_on date,
  restart_before timestamptz,
  PRIMARY KEY (member_id, at)
)
"""

# The facts as they were said; they only grow. A correction replaces the way from `replaced_from` on by `path`.
STANDING = """
CREATE TABLE standing (
  member_id uuid NOT NULL,
  ordinal bigint NOT NULL,
  holds_after bigint NOT NULL,
  kind text NOT NULL,
  tier_from text NOT NULL,
  tier_to text NOT NULL,
  since timestamptz,
  until timestamptz,
  held_since date,
  at timestamptz NOT NULL,
  cause text NOT NULL,
  rule text NOT NULL,
  metrics jsonb NOT NULL,
  version integer NOT NULL,
  replaced_from timestamptz,
  path jsonb,
  PRIMARY KEY (member_id, ordinal)
)
"""

# From when on which tier was held, as corrected.
TIER_PATH = """
CREATE TABLE tier_path (
  member_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  tier text NOT NULL,
  PRIMARY KEY (member_id, starts_at)
)
"""

# Versions as they were activated in each partition of `activities`, in the order of the log.
ACTIVATION = """
CREATE TABLE activation (
  partition integer NOT NULL,
  at_offset bigint NOT NULL,
  version integer NOT NULL,
  sha256 text NOT NULL,
  effective_from timestamptz,
  PRIMARY KEY (partition, version)
)
"""

# The last day that has been closed in each partition.
PARTITION_DAY = "CREATE TABLE partition_day (partition integer PRIMARY KEY, as_of timestamptz NOT NULL)"

PROGRAMME = """
CREATE TABLE programme (
  version integer PRIMARY KEY,
  sha256 text NOT NULL,
  document jsonb NOT NULL,
  loaded_at timestamptz NOT NULL
)
"""

TABLES = (
    MEMBER, MEMBER_DUE, MEMBER_DAY, PURCHASE, DEED, PERIOD_END, STANDING, TIER_PATH, ACTIVATION, PARTITION_DAY, PROGRAMME,
)  # fmt: skip


def upgrade() -> None:
    kit_tables(op)
    for table in TABLES:
        op.execute(table)
