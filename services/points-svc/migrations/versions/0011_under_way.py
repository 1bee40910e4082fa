"""Which handovers are under way, by their own ids, so that nobody goes through all there ever were to say how many."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A directory: laid in when points leave, taken out when they lie with the receiver or are back. No member's row hangs on it.
UNDER_WAY = "CREATE TABLE handover_under_way (handover_id uuid PRIMARY KEY)"

# What left before this revision.
SO_FAR = """
INSERT INTO handover_under_way
SELECT h.handover_id FROM handover h LEFT JOIN arrival a USING (handover_id)
WHERE h.state = 'under_way' AND (a.handover_id IS NULL OR a.because IS NOT NULL)
"""


def upgrade() -> None:
    for statement in (UNDER_WAY, SO_FAR):
        op.execute(statement)
