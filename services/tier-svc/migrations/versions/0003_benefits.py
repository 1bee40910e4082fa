"""Benefits in use: what members have chosen, which benefit was used when, what is taken of what is scarce; and answers by idempotency key.

All of it comes by HTTP, not by the stream: it changes what nothing is worth, and nobody else reads it. Lock order: the key, the member's
row in `profile`, the use, the row in `benefit_stock`. None of these is taken by the lane, which never waits for a till."""

from __future__ import annotations

from alembic import op

from laurel_kit.once import TABLES as KEYS

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What a member has told about himself for the sake of benefits: the pack he has chosen, and month and day (MM-DD) of his birthday, never
# the year. The row is also the lock under which his uses are counted.
PROFILE = """
CREATE TABLE profile (
  member_id uuid PRIMARY KEY,
  pack text,
  birthday text CHECK (birthday ~ '^[0-9]{2}-[0-9]{2}$')
)
"""

# One use of a benefit. `day`: the programme-local day it counts on; `stock_since`: the span of `benefit_stock` it was taken from (NULL:
# there was no total). `why`: the reasons as they stood. Given back at most once.
BENEFIT_USE = """
CREATE TABLE benefit_use (
  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  use_id uuid PRIMARY KEY,
  member_id uuid NOT NULL,
  benefit_id text NOT NULL,
  kind text NOT NULL,
  tier text NOT NULL,
  version integer NOT NULL,
  day date NOT NULL,
  value integer,
  gives text,
  order_id text,
  stock_per text,
  stock_since date,
  why jsonb NOT NULL,
  made_at timestamptz NOT NULL,
  given_back_at timestamptz,
  given_back_by text,
  reason text
)
"""

# Read under the member's lock at every use.
BENEFIT_USE_LIVE = (
    "CREATE INDEX benefit_use_live ON benefit_use (member_id, benefit_id, day) WHERE given_back_at IS NULL"
)
BENEFIT_USE_OF_MEMBER = "CREATE INDEX benefit_use_of_member ON benefit_use (member_id, number)"
BENEFIT_USE_BY_DAY = "CREATE INDEX benefit_use_by_day ON benefit_use (day, benefit_id)"

# What is taken of a benefit that has a total, per span of it. Counted while there is a total; the total itself stands in the programme.
BENEFIT_STOCK = """
CREATE TABLE benefit_stock (
  benefit_id text NOT NULL,
  per text NOT NULL,
  since date NOT NULL,
  taken bigint NOT NULL CHECK (taken >= 0),
  PRIMARY KEY (benefit_id, per, since)
) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    for statement in (
        *KEYS,
        PROFILE,
        BENEFIT_USE,
        BENEFIT_USE_LIVE,
        BENEFIT_USE_OF_MEMBER,
        BENEFIT_USE_BY_DAY,
        BENEFIT_STOCK,
    ):
        op.execute(statement)
