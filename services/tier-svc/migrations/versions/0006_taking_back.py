"""Overrides that are taken back early."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Every taking back that was ever numbered; it only grows. `of_seq`: the number of the override; `at`: the clock when it came, before which
# it ended nothing.
OVERRIDE_TAKEN_BACK = """
CREATE TABLE override_taken_back (
  member_id uuid NOT NULL,
  seq bigint NOT NULL,
  of_seq bigint NOT NULL,
  since timestamptz NOT NULL,
  at timestamptz NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL,
  PRIMARY KEY (member_id, seq)
)
"""


def upgrade() -> None:
    op.execute(OVERRIDE_TAKEN_BACK)
