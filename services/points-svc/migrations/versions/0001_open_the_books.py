"""The ledger and everything it needs. Unique causes stand here from the first day; entries can be added and never changed."""

from __future__ import annotations

from alembic import op

from laurel_kit.migrate import kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# One row per member, updated with every activity: room on the page keeps the updates off the index.
ACCOUNT = """
CREATE TABLE account (
  member_id uuid PRIMARY KEY,
  partition integer NOT NULL,
  posted bigint NOT NULL DEFAULT 0 CHECK (posted BETWEEN 0 AND 1000000000000000),
  held bigint NOT NULL DEFAULT 0,
  debt bigint NOT NULL DEFAULT 0 CHECK (debt BETWEEN 0 AND 1000000000000000),
  earned_net bigint NOT NULL DEFAULT 0 CHECK (earned_net >= 0),
  seq bigint NOT NULL DEFAULT 0,
  said bigint NOT NULL DEFAULT 0,
  activity bigint NOT NULL DEFAULT 0,
  standing bigint NOT NULL DEFAULT 0,
  award bigint NOT NULL DEFAULT 0,
  tier text,
  ordinal bigint NOT NULL DEFAULT 0,
  ahead jsonb NOT NULL DEFAULT '[]',
  reached timestamptz,
  began_after timestamptz,
  active boolean NOT NULL DEFAULT false,
  frozen boolean NOT NULL DEFAULT false,
  ladder jsonb NOT NULL DEFAULT '{}',
  pending jsonb NOT NULL DEFAULT '{}',
  next_expiry timestamptz,
  CHECK (held BETWEEN 0 AND posted)
) WITH (fillfactor = 60)
"""

# Two-sided: the sum over all accounts is zero whatever is written. Every cause writes each leg once.
TRANSFER = """
CREATE TABLE transfer (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  cause text COLLATE "C" NOT NULL,
  leg smallint NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  debit text NOT NULL,
  credit text NOT NULL,
  amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
  order_id text,
  lot bigint,
  why jsonb NOT NULL,
  PRIMARY KEY (member_id, seq),
  UNIQUE (member_id, cause, leg),
  CHECK (debit <> credit),
  CHECK (debit IN ('available', 'debt', 'issuance', 'expired', 'redeemed')),
  CHECK (credit IN ('available', 'debt', 'issuance', 'expired', 'redeemed')),
  CHECK ((credit = 'available') = (lot IS NOT NULL))
)
"""

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger only grows: a mistake is answered by another entry';
END $$
"""

LEDGER_ONLY_GROWS = """
CREATE TRIGGER ledger_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""

# Which lot an entry took from; `returned`: points that came back into it from a spending.
CONSUMPTION = """
CREATE TABLE consumption (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  place smallint NOT NULL,
  lot bigint NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  returned bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (member_id, seq, place),
  CHECK (returned BETWEEN 0 AND amount)
)
"""

LOT = """
CREATE TABLE lot (
  member_id uuid NOT NULL,
  lot bigint NOT NULL,
  kind text NOT NULL,
  granted bigint NOT NULL,
  remaining bigint NOT NULL,
  expired bigint NOT NULL DEFAULT 0,
  earned_at timestamptz NOT NULL,
  available_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  born_after timestamptz,
  PRIMARY KEY (member_id, lot),
  CHECK (remaining BETWEEN 0 AND granted),
  CHECK (expired BETWEEN 0 AND granted)
) WITH (fillfactor = 90)
"""

PURCHASE = """
CREATE TABLE purchase (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  order_id text NOT NULL,
  at timestamptz NOT NULL,
  day date NOT NULL,
  version integer NOT NULL,
  tier text,
  ordinal bigint NOT NULL,
  amount_minor bigint NOT NULL,
  unallocated_minor bigint NOT NULL DEFAULT 0,
  parts jsonb NOT NULL,
  net bigint NOT NULL CHECK (net >= 0),
  PRIMARY KEY (member_id, seq),
  UNIQUE (order_id, member_id),
  CHECK (unallocated_minor BETWEEN 0 AND amount_minor)
) WITH (fillfactor = 90)
"""

# An idempotency key is used up for ever, by a refusal as well.
SPENDING = """
CREATE TABLE spending (
  key text COLLATE "C" PRIMARY KEY,
  member_id uuid NOT NULL,
  fingerprint bytea NOT NULL,
  status smallint NOT NULL,
  answer text NOT NULL,
  points bigint NOT NULL,
  order_id text,
  seq bigint,
  at timestamptz NOT NULL
)
"""

OTHERS = (
    """
    CREATE TABLE award (
      award_id uuid PRIMARY KEY, member_id uuid NOT NULL, number bigint NOT NULL, campaign_id text NOT NULL,
      order_id text, net bigint NOT NULL CHECK (net >= 0))
    """,
    """
    CREATE TABLE sign_ins (
      member_id uuid PRIMARY KEY, runs jsonb NOT NULL, bonuses bigint NOT NULL)
    """,
    """
    CREATE TABLE review_day (
      member_id uuid NOT NULL, day date NOT NULL, reviews integer NOT NULL, PRIMARY KEY (member_id, day))
    """,
    """
    CREATE TABLE no_effect (
      member_id uuid NOT NULL, cause text COLLATE "C" NOT NULL, at timestamptz NOT NULL, why jsonb NOT NULL,
      PRIMARY KEY (member_id, cause))
    """,
    """
    CREATE TABLE partition_day (
      partition integer PRIMARY KEY, as_of timestamptz NOT NULL) WITH (fillfactor = 20)
    """,
    """
    CREATE TABLE programme (
      version integer PRIMARY KEY, sha256 text NOT NULL, document jsonb NOT NULL, loaded_at timestamptz NOT NULL)
    """,
    """
    CREATE TABLE activation (
      partition integer NOT NULL, version integer NOT NULL, effective_from timestamptz,
      PRIMARY KEY (partition, version))
    """,
    # Whose points expire next: read when a day closes.
    "CREATE INDEX account_due ON account (partition, next_expiry) WHERE next_expiry IS NOT NULL",
    # The order in which a member's lots are spent.
    "CREATE INDEX lot_in_turn ON lot (member_id, expires_at, earned_at, lot) WHERE remaining > 0",
    "CREATE INDEX spending_of_order ON spending (member_id, order_id) WHERE order_id IS NOT NULL AND seq IS NOT NULL",
)


def upgrade() -> None:
    kit_tables(op)
    for statement in (
        ACCOUNT,
        TRANSFER,
        REFUSE_CHANGE,
        LEDGER_ONLY_GROWS,
        CONSUMPTION,
        LOT,
        PURCHASE,
        SPENDING,
        *OTHERS,
    ):
        op.execute(statement)
