"""The chain over what the ledger holds, accounts that a proof has frozen, and no right left to change what only grows."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# One row per sealing round; `hash` is over the round before and everything that this round sealed.
SEAL = """
CREATE TABLE seal (
  round bigint PRIMARY KEY CHECK (round > 0),
  at timestamptz NOT NULL,
  members integer NOT NULL CHECK (members > 0),
  entries bigint NOT NULL CHECK (entries > 0),
  previous bytea NOT NULL CHECK (octet_length(previous) = 32),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32)
)
"""

# Which entries of a member a round sealed: one digest each, in their order, so that a break names its entry.
SEALED = """
CREATE TABLE sealed (
  member_id uuid NOT NULL,
  first bigint NOT NULL CHECK (first > 0),
  last bigint NOT NULL CHECK (last >= first),
  round bigint NOT NULL,
  digests bytea NOT NULL,
  PRIMARY KEY (member_id, first),
  UNIQUE (round, member_id),
  CHECK (octet_length(digests) = 32 * (last - first + 1))
)
"""

# How far each member is sealed: what `sealed` says, kept where the next round finds it without reading all of that.
SEALED_UP_TO = """
CREATE TABLE sealed_up_to (
  member_id uuid PRIMARY KEY,
  seq bigint NOT NULL
) WITH (fillfactor = 60)
"""

ONLY_GROW = [
    f"""
    CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """
    for table in ("seal", "sealed")
]

# An owner has the rights on a table that have not been taken from him either. Who may still give them back to himself is the owner: the
# trigger and the chain stand behind this.
NO_RIGHTS = [
    f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER, PUBLIC" for table in ("transfer", "seal", "sealed")
]

# `halted`: by a proof, not by the member or the staff (`frozen`). Nothing but these statements writes it.
HALTED = "ALTER TABLE account ADD COLUMN halted boolean NOT NULL DEFAULT false"

# Which account was frozen when and why, and who lifted that for which reason.
ACCOUNT_FREEZE = """
CREATE TABLE account_freeze (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  member_id uuid NOT NULL,
  frozen_at timestamptz NOT NULL,
  broken text[] NOT NULL,
  lifted_at timestamptz,
  lifted_by text,
  reason text,
  CHECK ((lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (reason IS NULL))
)
"""

# An account is frozen once at a time.
FREEZES_OF = (
    "CREATE UNIQUE INDEX account_freeze_open ON account_freeze (member_id) WHERE lifted_at IS NULL",
    "CREATE INDEX account_freeze_of ON account_freeze (member_id, number)",
)


def upgrade() -> None:
    for statement in (SEAL, SEALED, SEALED_UP_TO, *ONLY_GROW, *NO_RIGHTS, HALTED, ACCOUNT_FREEZE, *FREEZES_OF):
        op.execute(statement)
