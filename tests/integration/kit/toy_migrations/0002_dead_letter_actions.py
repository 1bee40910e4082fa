"""What people did about the toy's dead letters."""

from __future__ import annotations

from alembic import op

from laurel_kit.migrate import dead_letter_actions

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    dead_letter_actions(op)
