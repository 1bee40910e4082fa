"""Rounds of expiry: a closed day that some accounts have not come to yet; and by when what is pending was last said."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Written when a day closes, gone when it has come to every account and a later one has followed.
EXPIRY_ROUND = """
CREATE TABLE expiry_round (
  partition integer NOT NULL, as_of timestamptz NOT NULL, day date NOT NULL, version integer NOT NULL, PRIMARY KEY (partition, as_of))
"""

# Where expiry slides, `lives_until`: how long everything lasts after the latest purchase that earned.
SAID_AT = "ALTER TABLE account ADD COLUMN said_at timestamptz, ADD COLUMN lives_until timestamptz"

# Points that were given a longer life: which lot they came from.
EXTENDS = (
    "ALTER TABLE lot ADD COLUMN extends bigint",
    "CREATE INDEX lot_extends ON lot (member_id, extends) WHERE extends IS NOT NULL",
)

# Each reminder once; and how far the members of a partition have been looked at after its last closed day.
REMINDERS = (
    """
    CREATE TABLE reminder (
      member_id uuid NOT NULL, expires_at timestamptz NOT NULL, days_ahead smallint NOT NULL, points bigint NOT NULL CHECK (points > 0),
      as_of timestamptz NOT NULL, PRIMARY KEY (member_id, expires_at, days_ahead))
    """,
    """
    CREATE TABLE reminder_pass (
      partition integer PRIMARY KEY, as_of timestamptz NOT NULL, after uuid, is_done boolean NOT NULL)
    """,
)

# What a capped rule has given in a local period.
EARNED_IN_PERIOD = """
CREATE TABLE earned_in_period (
  member_id uuid NOT NULL, rule text NOT NULL, per text NOT NULL, since date NOT NULL, points bigint NOT NULL CHECK (points >= 0),
  PRIMARY KEY (member_id, rule, per, since))
"""

# As the entries say: the latest time of a cause that moved the account.
SAID_SO_FAR = """
UPDATE account a SET said_at = t.at
FROM (SELECT member_id, max(at) AS at FROM transfer GROUP BY member_id) t WHERE t.member_id = a.member_id
"""


def upgrade() -> None:
    for statement in (EXPIRY_ROUND, SAID_AT, SAID_SO_FAR, EARNED_IN_PERIOD, *EXTENDS, *REMINDERS):
        op.execute(statement)
