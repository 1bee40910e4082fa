"""The catalogue of rewards with what was redeemed of it, and corrections by hand with a second person above a limit."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# One reason, many members. `alone`: small enough for one person; else somebody other than the proposer decides.
BATCH = """
CREATE TABLE adjustment_batch (
  batch_id uuid PRIMARY KEY,
  reason text NOT NULL,
  proposed_by text NOT NULL,
  proposed_at timestamptz NOT NULL,
  alone boolean NOT NULL,
  state text NOT NULL CHECK (state IN ('proposed', 'posted', 'rejected', 'reversed')),
  decided_by text,
  decided_at timestamptz,
  reversed_by text,
  reversed_at timestamptz,
  reversed_because text,
  CHECK (alone OR state IN ('proposed', 'rejected') OR decided_by <> proposed_by),
  CHECK ((state = 'reversed') = (reversed_by IS NOT NULL))
)
"""

# `seq`: the entry that did it. `reversed_points`: how many of them a reversal moved back; less where a member had spent them.
ADJUSTMENT = """
CREATE TABLE adjustment (
  adjustment_id uuid PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  batch_id uuid REFERENCES adjustment_batch,
  member_id uuid NOT NULL,
  points bigint NOT NULL CHECK (points <> 0 AND points BETWEEN -1000000000000 AND 1000000000000),
  reason text NOT NULL,
  proposed_by text NOT NULL,
  proposed_at timestamptz NOT NULL,
  alone boolean NOT NULL,
  state text NOT NULL CHECK (state IN ('proposed', 'posted', 'rejected')),
  decided_by text,
  decided_at timestamptz,
  seq bigint,
  reversed_points bigint CHECK (reversed_points BETWEEN 0 AND abs(points)),
  CHECK ((state = 'posted') = (seq IS NOT NULL)),
  CHECK ((state = 'proposed') = (decided_by IS NULL)),
  CHECK (alone OR state <> 'posted' OR decided_by <> proposed_by),
  CHECK (reversed_points IS NULL OR state = 'posted')
)
"""

# `stock`: how many there are in all; NULL: no end. `taken`: how many of them live redemptions have. `revision`: grows with each change.
REWARD = """
CREATE TABLE reward (
  reward_id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('goods', 'coupon', 'benefit', 'draw')),
  points bigint NOT NULL CHECK (points BETWEEN 1 AND 1000000000000),
  stock bigint CHECK (stock >= 0),
  taken bigint NOT NULL DEFAULT 0 CHECK (taken >= 0),
  valid_from timestamptz,
  valid_until timestamptz,
  per_member bigint CHECK (per_member >= 1),
  per_period bigint CHECK (per_period >= 1),
  period text CHECK (period IN ('day', 'week', 'month')),
  at_once boolean NOT NULL,
  gives text,
  revision bigint NOT NULL DEFAULT 1,
  CHECK (taken <= stock),
  CHECK (valid_from < valid_until),
  CHECK ((per_period IS NULL) = (period IS NULL)),
  CHECK (NOT (at_once AND kind = 'draw'))
) WITH (fillfactor = 70)
"""

# `seq`: the entry that spent the points. `day`: programme-local, what limits per period count. `kind`, `points`, `gives`: as the reward
# was when it was redeemed.
REDEMPTION = """
CREATE TABLE redemption (
  redemption_id uuid PRIMARY KEY,
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  reward_id text COLLATE "C" NOT NULL REFERENCES reward,
  kind text NOT NULL,
  points bigint NOT NULL CHECK (points >= 1),
  gives text,
  made_at timestamptz NOT NULL,
  day date NOT NULL,
  state text NOT NULL CHECK (state IN ('ordered', 'fulfilled', 'cancelled')),
  ended_at timestamptz,
  ended_by text,
  reason text,
  outcome text CHECK (outcome IN ('won', 'lost')),
  UNIQUE (member_id, seq),
  CHECK ((state = 'ordered') = (ended_at IS NULL)),
  CHECK ((kind = 'draw' AND state = 'fulfilled') = (outcome IS NOT NULL)),
  CHECK (outcome IS NULL OR reason IS NOT NULL)
) WITH (fillfactor = 90)
"""

# The last wall: whatever a program believes, a redemption ends once.
ENDS_ONCE = (
    """
    CREATE FUNCTION refuse_second_fulfilment() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF OLD.state <> 'ordered' OR NEW.state = 'ordered' THEN
        RAISE EXCEPTION 'redemption % is %: a redemption ends once', OLD.redemption_id, OLD.state;
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER redemption_ends_once BEFORE UPDATE ON redemption FOR EACH ROW EXECUTE FUNCTION refuse_second_fulfilment()",
)

INDEXES = (
    "CREATE INDEX adjustment_of_batch ON adjustment (batch_id, member_id) WHERE batch_id IS NOT NULL",
    "CREATE INDEX adjustment_waiting ON adjustment (number) WHERE state = 'proposed'",
    # What a member has of a reward, for its limits.
    "CREATE INDEX redemption_of_reward ON redemption (member_id, reward_id, day) WHERE state <> 'cancelled'",
    # What else an order is paid with: read when a hold names the order's amount.
    "CREATE INDEX hold_of_order ON hold (member_id, order_id) WHERE order_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in (BATCH, ADJUSTMENT, REWARD, REDEMPTION, *ENDS_ONCE, *INDEXES):
        op.execute(statement)
