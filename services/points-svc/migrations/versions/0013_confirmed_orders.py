"""Points that wait until their order is confirmed: which orders are."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# NULL: not yet, or its points have never waited for it.
CONFIRMED_AT = "ALTER TABLE purchase ADD COLUMN confirmed_at timestamptz"


def upgrade() -> None:
    op.execute(CONFIRMED_AT)
