"""What an account keeps in JSON is kept as it was written: it is read back whole, by us, at every activity of the member. As jsonb it was
taken apart and put together again each time, a third of what it cost to write an account with a year of lots."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

AS_WRITTEN = """
ALTER TABLE account
  ALTER COLUMN ahead DROP DEFAULT, ALTER COLUMN ahead TYPE json USING CAST(ahead AS json), ALTER COLUMN ahead SET DEFAULT '[]',
  ALTER COLUMN ladder DROP DEFAULT, ALTER COLUMN ladder TYPE json USING CAST(ladder AS json), ALTER COLUMN ladder SET DEFAULT '{}',
  ALTER COLUMN pending DROP DEFAULT, ALTER COLUMN pending TYPE json USING CAST(pending AS json), ALTER COLUMN pending SET DEFAULT '{}',
  ALTER COLUMN referral TYPE json USING CAST(referral AS json)
"""


def upgrade() -> None:
    op.execute(AS_WRITTEN)
