"""The door's tables: who, once, in which order; and what is kept for ever.

Directories (claim, identifier, purchase_order) are found by their own key and carry no foreign keys to members, so that they
can live elsewhere one day (architecture.md 5)."""

from __future__ import annotations

from alembic import op

from laurel_kit.migrate import kit_tables

revision = "0001"
down_revision = None

# The order in which the log was laid down: drawn under the member's lock, so it is the order of his numbers too.
LOG_POSITION = "CREATE SEQUENCE log_position"

MEMBER = """
CREATE TABLE member (
  member_id uuid PRIMARY KEY,
  partition integer NOT NULL,
  last_seq bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('provisional', 'active', 'erased')),
  enrolled_at timestamptz NOT NULL
) WITH (fillfactor = 80)
"""

# Personal: never leaves this database. `value` is the normal form.
IDENTIFIER = """
CREATE TABLE identifier (
  kind text NOT NULL,
  value text NOT NULL,
  member_id uuid NOT NULL,
  PRIMARY KEY (kind, value)
)
"""

# Keys used up for ever: (source, id) and business keys alike, as 16-byte hashes. `activity` is the id key of the report that used
# it up; NULL: an order that a refund or review waits for. `content` is the hash of what is compared for a conflict.
CLAIM = """
CREATE TABLE claim (
  key bytea PRIMARY KEY,
  activity bytea,
  content bytea
)
"""

# Every accepted activity and decision, for ever; `body` is the event as it was said.
ACTIVITY = """
CREATE TABLE activity (
  member_id uuid NOT NULL,
  member_seq bigint NOT NULL,
  position bigint NOT NULL DEFAULT nextval('log_position'),
  partition integer NOT NULL,
  type text NOT NULL,
  source text NOT NULL,
  id text NOT NULL,
  time timestamptz NOT NULL,
  local_day date NOT NULL,
  version integer NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (member_id, member_seq)
)
"""

# Whose an order is and what is left of it; what it consisted of stands in its activity. `refunded`: by line_id, [pieces, minor units].
PURCHASE_ORDER = """
CREATE TABLE purchase_order (
  order_key bytea PRIMARY KEY,
  member_id uuid NOT NULL,
  member_seq bigint NOT NULL,
  amount_minor bigint NOT NULL,
  left_minor bigint NOT NULL CHECK (left_minor >= 0),
  refunded jsonb
) WITH (fillfactor = 90)
"""

# Refunds and reviews whose order has not come; `report` is what was reported, identifier included.
WAITING = """
CREATE TABLE waiting (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_key bytea NOT NULL,
  activity bytea NOT NULL,
  content bytea NOT NULL,
  report bytea NOT NULL,
  deadline timestamptz NOT NULL,
  UNIQUE (activity, content)
)
"""

# The same order under two members: perhaps they are one person.
MERGE_HINT = """
CREATE TABLE merge_hint (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id text NOT NULL,
  member_id uuid NOT NULL,
  other_id uuid,
  kind text,
  value text,
  noted_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (order_id, other_id, kind, value)
)
"""

PROGRAMME = """
CREATE TABLE programme (
  version integer PRIMARY KEY,
  sha256 text NOT NULL,
  document jsonb NOT NULL
)
"""

# What every service has said it has loaded.
PROGRAMME_LOADED = """
CREATE TABLE programme_loaded (
  service text NOT NULL,
  version integer NOT NULL,
  sha256 text NOT NULL,
  PRIMARY KEY (service, version)
)
"""

# In force from `effective_from`; NULL: from the beginning.
ACTIVATION = """
CREATE TABLE activation (
  version integer PRIMARY KEY,
  sha256 text NOT NULL,
  effective_from timestamptz,
  currency text NOT NULL,
  zone text NOT NULL,
  close_delay_hours integer NOT NULL,
  lowest_tier text NOT NULL,
  position bigint NOT NULL DEFAULT nextval('log_position')
)
"""

DAY_CLOSING = """
CREATE TABLE day_closing (
  as_of timestamptz PRIMARY KEY,
  local_day date NOT NULL,
  version integer NOT NULL,
  closed_at timestamptz NOT NULL,
  position bigint NOT NULL DEFAULT nextval('log_position')
)
"""

# Alive by the machine's clock, which is the database's.
IMPORT_LEASE = """
CREATE TABLE import_lease (
  lease_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  ttl_seconds integer NOT NULL,
  alive_until timestamptz NOT NULL
)
"""

# Channels on the topic: reports and bad ones since the window began. A shut one is heard again when staff open it.
CHANNEL_SOURCE = """
CREATE TABLE channel_source (
  source text PRIMARY KEY,
  reports bigint NOT NULL,
  bad bigint NOT NULL,
  shut_at timestamptz
) WITH (fillfactor = 50)
"""

# One row, one read. What others have said about a member last, and how far we have heard each of them.
MEMBER_STATUS = """
CREATE TABLE member_status (
  member_id uuid PRIMARY KEY,
  state text NOT NULL DEFAULT 'provisional',
  enrolled_at timestamptz,
  tier text,
  since timestamptz,
  until timestamptz,
  posted bigint NOT NULL DEFAULT 0,
  held bigint NOT NULL DEFAULT 0,
  debt bigint NOT NULL DEFAULT 0,
  earned_net bigint NOT NULL DEFAULT 0,
  ladder jsonb NOT NULL DEFAULT '[]',
  pending jsonb NOT NULL DEFAULT '[]',
  coupons jsonb NOT NULL DEFAULT '[]',
  tiers_number bigint NOT NULL DEFAULT 0,
  campaigns_number bigint NOT NULL DEFAULT 0,
  points_number bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50)
"""

TABLES = (
    LOG_POSITION,
    MEMBER,
    IDENTIFIER,
    "CREATE INDEX identifier_member ON identifier (member_id)",
    CLAIM,
    ACTIVITY,
    "CREATE INDEX activity_position ON activity (position)",
    PURCHASE_ORDER,
    WAITING,
    "CREATE INDEX waiting_order ON waiting (order_key)",
    "CREATE INDEX waiting_deadline ON waiting (deadline)",
    MERGE_HINT,
    PROGRAMME,
    PROGRAMME_LOADED,
    ACTIVATION,
    DAY_CLOSING,
    IMPORT_LEASE,
    CHANNEL_SOURCE,
    MEMBER_STATUS,
)


def upgrade() -> None:
    kit_tables(op)
    for statement in TABLES:
        op.execute(statement)
