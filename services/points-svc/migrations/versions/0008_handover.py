"""Points on their way between members, with who took them and who could not; and what one member's activities earn another."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# At the sender. `seq`: the entry that took the points; which lots gave them stands in `consumption`.
HANDOVER = """
CREATE TABLE handover (
  handover_id uuid PRIMARY KEY,
  member_id uuid NOT NULL,
  receiver_id uuid NOT NULL,
  seq bigint NOT NULL,
  points bigint NOT NULL CHECK (points BETWEEN 1 AND 1000000000000),
  reason text,
  made_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('under_way', 'returned')),
  ended_at timestamptz,
  UNIQUE (member_id, seq),
  CHECK (member_id <> receiver_id),
  CHECK ((state = 'returned') = (ended_at IS NOT NULL))
) WITH (fillfactor = 90)
"""

# At the receiver: each handover is taken or refused once. `because`: why it could not be taken.
ARRIVAL = """
CREATE TABLE arrival (
  handover_id uuid PRIMARY KEY,
  member_id uuid NOT NULL,
  points bigint NOT NULL CHECK (points > 0),
  at timestamptz NOT NULL,
  because text
)
"""

# At who is rewarded: each bonus is decided once. `month`: the first day of the local month its cap counts in; `lot`: None where the cap
# left nothing.
BONUS = """
CREATE TABLE bonus (
  bonus_id uuid PRIMARY KEY,
  member_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('referral', 'share')),
  month date,
  points bigint NOT NULL CHECK (points >= 0),
  lot bigint,
  undone boolean NOT NULL DEFAULT false,
  CHECK ((points > 0) = (lot IS NOT NULL))
)
"""

# A directory, by the share's own id: no member's row hangs on it. `order_id`: the purchase that followed it, for ever.
SHARE = """
CREATE TABLE share (
  share_id text COLLATE "C" PRIMARY KEY,
  sharer_id uuid,
  shared_at timestamptz,
  waiting_days integer,
  order_id text
)
"""

# Purchases that carry a share which no purchase has followed yet; and the one that did.
SHARE_PURCHASE = """
CREATE TABLE share_purchase (
  share_id text COLLATE "C" NOT NULL,
  order_id text NOT NULL,
  member_id uuid NOT NULL,
  number bigint NOT NULL,
  at timestamptz NOT NULL,
  day date NOT NULL,
  version integer NOT NULL,
  refunded_at timestamptz,
  PRIMARY KEY (share_id, order_id)
)
"""

# Of a new member whose referrer has not been paid yet: who it is, and the purchases on their way out of the refund window.
REFERRAL = "ALTER TABLE account ADD COLUMN referral jsonb, ADD COLUMN referral_due timestamptz"

INDEXES = (
    "CREATE INDEX handover_of ON handover (member_id, made_at)",
    "CREATE INDEX bonus_of_month ON bonus (member_id, kind, month) WHERE points > 0",
    "CREATE INDEX share_purchase_of_order ON share_purchase (order_id)",
    "CREATE INDEX account_referral_due ON account (partition, referral_due) WHERE referral_due IS NOT NULL",
    # What stands in clearing is proven without reading all entries.
    "CREATE INDEX transfer_clearing ON transfer (member_id) WHERE debit = 'clearing' OR credit = 'clearing'",
)


def upgrade() -> None:
    for statement in (HANDOVER, ARRIVAL, BONUS, SHARE, SHARE_PURCHASE, REFERRAL, *INDEXES):
        op.execute(statement)
