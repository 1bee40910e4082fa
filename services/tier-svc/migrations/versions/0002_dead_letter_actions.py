"""Who replayed or discarded which dead letter, and what came of it."""

from __future__ import annotations

from alembic import op

from laurel_kit.migrate import dead_letter_actions

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    dead_letter_actions(op)
