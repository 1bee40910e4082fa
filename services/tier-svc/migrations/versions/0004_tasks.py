"""What members have done for growth tasks. Written under the lane's cursor, like everything that a standing is judged by."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# One activity that counts for one task in one period (its first local day). `need`, `within_days`, `growth`, `least_minor`: what the
# version of its time asks and gives. `counts`: false once refunds have left too little of the order.
TASK_EFFORT = """
CREATE TABLE task_effort (
  member_id uuid NOT NULL,
  task text NOT NULL,
  period date NOT NULL,
  seq bigint NOT NULL,
  time timestamptz NOT NULL,
  day date NOT NULL,
  need integer NOT NULL,
  within_days integer NOT NULL,
  growth bigint NOT NULL,
  least_minor bigint NOT NULL,
  version integer NOT NULL,
  counts boolean NOT NULL,
  PRIMARY KEY (member_id, task, period, seq)
)
"""

# For refunds: which tasks an order counts for.
TASK_EFFORT_SEQ = "CREATE INDEX task_effort_seq ON task_effort (member_id, seq)"


def upgrade() -> None:
    op.execute(TASK_EFFORT)
    op.execute(TASK_EFFORT_SEQ)
