"""Stored value: a second wallet per member, in money: an account of its own in the same books. Two more sides say where money is from."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# NOT VALID: what stands in the ledger was checked by narrower rules; nobody waits while it is read again.
SIDES = (
    "('available', 'held', 'debt', 'issuance', 'expired', 'redeemed', 'adjustment', 'clearing', 'cash', 'promotion')"
)
MORE_SIDES = f"""
ALTER TABLE transfer
  DROP CONSTRAINT transfer_debit_check, ADD CONSTRAINT transfer_debit_check CHECK (debit IN {SIDES}) NOT VALID,
  DROP CONSTRAINT transfer_credit_check, ADD CONSTRAINT transfer_credit_check CHECK (credit IN {SIDES}) NOT VALID
"""

# Whose stored value an account of the books is, and in which currency, for ever. `account_id` is what `member_id` says in the tables of
# the ledger; the account's row has partition -1, because no lane speaks of it.
WALLET = """
CREATE TABLE wallet (
  account_id uuid PRIMARY KEY,
  member_id uuid NOT NULL UNIQUE,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  opened_at timestamptz NOT NULL,
  CHECK (account_id <> member_id)
)
"""

# Money that could change its owner or its currency would be no money.
ONLY_GROWS = (
    """
    CREATE TRIGGER wallet_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    "REVOKE UPDATE, DELETE, TRUNCATE ON wallet FROM CURRENT_USER, PUBLIC",
)


def upgrade() -> None:
    for statement in (MORE_SIDES, WALLET, *ONLY_GROWS):
        op.execute(statement)
