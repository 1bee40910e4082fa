"""The first tables: what is remembered of a member, what was decided, what was granted, what budgets have given."""

from alembic import op

from laurel_kit.migrate import kit_tables

revision = "0001"
down_revision = None

# One row per member, touched by every activity: room on the page keeps its updates off the index.
MEMBER = """
CREATE TABLE member (
  member_id uuid PRIMARY KEY,
  partition integer NOT NULL,
  last_seq bigint NOT NULL DEFAULT 0,
  last_ordinal bigint NOT NULL DEFAULT 0,
  said_number bigint NOT NULL DEFAULT 0,
  tier text,
  ordinal bigint NOT NULL DEFAULT 0,
  orders_count bigint NOT NULL DEFAULT 0,
  ahead jsonb
) WITH (fillfactor = 70)
"""

# Whatever fired the campaigns of a trigger: an activity, or a standing that rose. An order keeps its figures for its refunds.
OCCASION = """
CREATE TABLE occasion (
  member_id uuid NOT NULL,
  place bigint NOT NULL,
  cause text NOT NULL CHECK (cause IN ('activity', 'standing')),
  number bigint NOT NULL,
  partition integer NOT NULL,
  trigger text NOT NULL,
  at timestamptz NOT NULL,
  version integer NOT NULL,
  tier text NOT NULL,
  ordinal bigint NOT NULL,
  facts jsonb,
  order_id text,
  amount_minor bigint,
  left_minor bigint CHECK (left_minor BETWEEN 0 AND amount_minor),
  lines jsonb,
  outcomes jsonb,
  PRIMARY KEY (member_id, place, cause, number)
) WITH (fillfactor = 90)
"""

# The cause is the key: an award can be granted once only. A row is taken back at most once and never removed.
AWARD = """
CREATE TABLE award (
  member_id uuid NOT NULL,
  campaign_id text NOT NULL,
  cause text NOT NULL CHECK (cause IN ('activity', 'standing')),
  number bigint NOT NULL,
  item smallint NOT NULL,
  award_id uuid NOT NULL,
  partition integer NOT NULL,
  kind text NOT NULL,
  points bigint NOT NULL CHECK (points >= 0),
  coupon text,
  order_id text,
  tier text NOT NULL,
  version integer NOT NULL,
  at timestamptz NOT NULL,
  said_number bigint NOT NULL,
  why text NOT NULL,
  back_cause text,
  back_number bigint,
  back_at timestamptz,
  back_said_number bigint,
  back_why text,
  PRIMARY KEY (member_id, campaign_id, cause, number, item),
  CHECK (num_nulls(back_cause, back_number, back_at, back_said_number, back_why) IN (0, 5))
) WITH (fillfactor = 90)
"""

BUDGET = """
CREATE TABLE budget (
  campaign_id text PRIMARY KEY,
  used bigint NOT NULL DEFAULT 0 CHECK (used >= 0)
) WITH (fillfactor = 20)
"""

# A budget that has been used up, once per size it had.
EMPTIED = """
CREATE TABLE emptied (
  campaign_id text NOT NULL,
  budget bigint NOT NULL,
  partition integer NOT NULL,
  version integer NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (campaign_id, budget)
)
"""

PROGRAMME = """
CREATE TABLE programme (
  version integer PRIMARY KEY,
  sha256 text NOT NULL,
  document jsonb NOT NULL,
  loaded_at timestamptz NOT NULL
)
"""

ACTIVATION = """
CREATE TABLE activation (
  partition integer NOT NULL,
  version integer NOT NULL,
  sha256 text NOT NULL,
  effective_from timestamptz,
  PRIMARY KEY (partition, version)
)
"""

PARTITION_DAY = """
CREATE TABLE partition_day (
  partition integer PRIMARY KEY,
  as_of timestamptz NOT NULL
)
"""


def upgrade() -> None:
    kit_tables(op)
    for table in (MEMBER, OCCASION, AWARD, BUDGET, EMPTIED, PROGRAMME, ACTIVATION, PARTITION_DAY):
        op.execute(table)
    # A refund names its order; the member is known, because a refund belongs to the member of its order.
    op.execute("CREATE UNIQUE INDEX occasion_order ON occasion (member_id, order_id) WHERE order_id IS NOT NULL")
