"""Points for growth tasks: what each is worth, and every change of it as it was said to points-svc."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What the version of the activity's time gives. Until now a programme with points for a task was refused.
EFFORT_POINTS = "ALTER TABLE task_effort ADD COLUMN points bigint NOT NULL DEFAULT 0"

# The changes as they were said; they only grow. `number` counts per member. `cause`: the activity that changed it, at `time`; `seq`,
# `done_at`, `day`, `need`, `version`: of the activity that the task is done with, or was.
TASK_REWARD = """
CREATE TABLE task_reward (
  member_id uuid NOT NULL,
  number bigint NOT NULL,
  task text NOT NULL,
  period date NOT NULL,
  before bigint NOT NULL,
  points bigint NOT NULL,
  cause bigint NOT NULL,
  time timestamptz NOT NULL,
  seq bigint NOT NULL,
  done_at timestamptz NOT NULL,
  day date NOT NULL,
  need integer NOT NULL,
  version integer NOT NULL,
  PRIMARY KEY (member_id, number)
)
"""


def upgrade() -> None:
    op.execute(EFFORT_POINTS)
    op.execute(TASK_REWARD)
