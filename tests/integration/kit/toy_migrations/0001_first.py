"""The toy's tables."""

from __future__ import annotations

from alembic import op

from laurel_kit.migrate import kit_tables
from tests.integration.kit.toy import TABLE

revision = "0001"
down_revision = None


def upgrade() -> None:
    kit_tables(op)
    op.execute(TABLE)
