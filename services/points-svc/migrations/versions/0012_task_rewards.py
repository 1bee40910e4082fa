"""Points for growth tasks: what each task is worth to a member in each period, as tier-svc has said last."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# `period`: its first local day. `number`: of what was said last, per member; `lot`: where the points have come into.
TASK_REWARD = """
CREATE TABLE task_reward (
  member_id uuid NOT NULL,
  task text NOT NULL,
  period date NOT NULL,
  number bigint NOT NULL,
  points bigint NOT NULL CHECK (points >= 0),
  lot bigint,
  PRIMARY KEY (member_id, task, period),
  CHECK (points = 0 OR lot IS NOT NULL)
)
"""


def upgrade() -> None:
    op.execute(TASK_REWARD)
