"""Holds: points reserved for a checkout, with an account of the books of their own; and one table of answers for all idempotency keys."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# NOT VALID: what stands in the ledger was checked by narrower rules; nobody waits while it is read again.
SIDES = "('available', 'held', 'debt', 'issuance', 'expired', 'redeemed')"
HELD_IN_THE_BOOKS = f"""
ALTER TABLE transfer
  DROP CONSTRAINT transfer_debit_check, ADD CONSTRAINT transfer_debit_check CHECK (debit IN {SIDES}) NOT VALID,
  DROP CONSTRAINT transfer_credit_check, ADD CONSTRAINT transfer_credit_check CHECK (credit IN {SIDES}) NOT VALID
"""

# `seq`: the entry that reserved the points; what it took from which lot stands in `consumption`. `ended_by`: the cause.
HOLD = """
CREATE TABLE hold (
  hold_id uuid PRIMARY KEY,
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  points bigint NOT NULL CHECK (points BETWEEN 1 AND 1000000000000),
  order_id text,
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('held', 'captured', 'voided', 'expired')),
  captured bigint NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND points),
  ended_at timestamptz,
  ended_by text COLLATE "C",
  UNIQUE (member_id, seq),
  CHECK ((state = 'captured') = (captured > 0)),
  CHECK ((state = 'held') = (ended_at IS NULL)),
  CHECK ((state = 'held') = (ended_by IS NULL))
) WITH (fillfactor = 90)
"""

# The last wall: whatever a program believes, a hold ends once.
HOLD_ENDS_ONCE = (
    """
    CREATE FUNCTION refuse_second_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF OLD.state <> 'held' OR NEW.state = 'held' THEN
        RAISE EXCEPTION 'hold % is %: a hold ends once', OLD.hold_id, OLD.state;
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER hold_ends_once BEFORE UPDATE ON hold FOR EACH ROW EXECUTE FUNCTION refuse_second_end()",
)

# A key is used up for ever; `body` is what it was answered with, kept for seven days and longer until it is forgotten.
IDEMPOTENCY = """
CREATE TABLE idempotency (
  scope text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint bytea NOT NULL,
  status smallint NOT NULL,
  body text,
  link text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
)
"""

ANSWERS_SO_FAR = """
INSERT INTO idempotency (scope, key, fingerprint, status, body, link, at)
SELECT 'anybody', key, fingerprint, status, answer, '/v1/members/' || member_id || '/statement', at FROM spending
"""

INDEXES = (
    "CREATE INDEX hold_due ON hold (expires_at, hold_id) WHERE state = 'held'",
    "CREATE INDEX hold_open ON hold (member_id) WHERE state = 'held'",
    "CREATE INDEX idempotency_old ON idempotency (at) WHERE body IS NOT NULL",
    # What was spent on an order: read when it is refunded.
    "CREATE INDEX transfer_redeemed ON transfer (member_id, order_id) WHERE credit = 'redeemed' AND order_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in (
        HELD_IN_THE_BOOKS,
        HOLD,
        *HOLD_ENDS_ONCE,
        IDEMPOTENCY,
        ANSWERS_SO_FAR,
        "DROP TABLE spending",
        *INDEXES,
    ):
        op.execute(statement)
