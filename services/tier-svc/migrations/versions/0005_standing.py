"""Standings in full: grace, the day of joining, overrides on top, and when something is judged next without an activity."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# `due_at`: when `until` is judged, where that is later. `joined_on`: the local day of the first record. `overrides`: those not over yet,
# null for almost everybody. `clubs`: where he stands in structures beside the main ladder.
# `wakes_at`: the first of all that is judged without an activity.
MEMBER_COLUMNS = """
ALTER TABLE member ADD COLUMN due_at timestamptz, ADD COLUMN joined_on date, ADD COLUMN wakes_at timestamptz,
                   ADD COLUMN overrides jsonb, ADD COLUMN clubs jsonb
"""
PERIOD_END_COLUMN = "ALTER TABLE period_end ADD COLUMN due_at timestamptz"

# What applied, with overrides on top; null in facts from before there were any.
STANDING_COLUMNS = "ALTER TABLE standing ADD COLUMN effective_from text, ADD COLUMN effective_to text"

# Decisions about a member are not kept here: whoever began with one has joined on the day of his first activity.
JOINED = """
UPDATE member m SET wakes_at = m.until, joined_on = first.day
FROM member f LEFT JOIN LATERAL (
  SELECT day FROM (
    (SELECT seq, day FROM purchase WHERE member_id = f.member_id ORDER BY seq LIMIT 1) UNION ALL
    (SELECT seq, day FROM deed WHERE member_id = f.member_id ORDER BY seq LIMIT 1)) AS told
  ORDER BY seq LIMIT 1) AS first ON true
WHERE f.member_id = m.member_id
"""

# Of whom something is judged up to an instant, per partition: asked by every day.closed.
MEMBER_DUE_DROP = "DROP INDEX member_due"
MEMBER_WAKES = "CREATE INDEX member_wakes ON member (partition, wakes_at) WHERE wakes_at IS NOT NULL"

# Every override that was ever numbered. `tier` of a sanction: what it came to at its start; `starts_at`: from when on it lay on top.
OVERRIDE = """
CREATE TABLE override (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  act text NOT NULL,
  tier text NOT NULL,
  mode text NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL,
  steps integer NOT NULL,
  starts_at timestamptz,
  PRIMARY KEY (member_id, seq)
)
"""

# The facts about standings in clubs as they were said; they only grow.
CLUB_FACT = """
CREATE TABLE club_fact (
  member_id uuid NOT NULL,
  club text NOT NULL,
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
  PRIMARY KEY (member_id, club, ordinal)
)
"""


def upgrade() -> None:
    for statement in (
        MEMBER_COLUMNS, PERIOD_END_COLUMN, STANDING_COLUMNS, JOINED, MEMBER_DUE_DROP, MEMBER_WAKES, OVERRIDE, CLUB_FACT,
    ):  # fmt: skip
        op.execute(statement)
