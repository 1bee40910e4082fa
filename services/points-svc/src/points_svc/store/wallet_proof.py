"""What must hold of stored value beyond what holds of every account. The one thing not to break: these queries share nothing with the code
that writes, and they read nothing but wallets' own rows."""

from __future__ import annotations

from collections.abc import Mapping

ONLY_MONEY = frozenset({"cash", "promotion"})  # accounts of the books that points never see
ONLY_POINTS = frozenset({"debt", "issuance", "adjustment", "clearing"})  # and those that money never sees

# A row for each break, with whose it is; INVARIANTS counts the same rows.
BREAKERS = {
    # A wallet's lots are paid or bonus. Paid value comes in by cash, goes out by cash, and never expires; bonus value is given, forfeited
    # or over, and never cash.
    "wallets": """
      SELECT l.member_id FROM wallet w JOIN lot l ON l.member_id = w.account_id
      WHERE l.kind NOT IN ('paid', 'bonus', 'returned') OR (l.kind = 'paid') <> (l.lot < 1099511627776)
         OR (l.kind = 'paid' AND l.expired > 0)
      UNION ALL SELECT t.member_id FROM wallet w JOIN transfer t ON t.member_id = w.account_id
      LEFT JOIN lot l ON l.member_id = t.member_id AND l.lot = t.lot
      WHERE (t.debit = 'cash' AND l.kind IS DISTINCT FROM 'paid') OR (t.debit = 'promotion' AND l.kind IS DISTINCT FROM 'bonus')
      UNION ALL SELECT t.member_id FROM wallet w JOIN transfer t ON t.member_id = w.account_id
      JOIN consumption c ON c.member_id = t.member_id AND c.seq = t.seq
      JOIN lot l ON l.member_id = c.member_id AND l.lot = c.lot
      WHERE (t.credit = 'cash' AND l.kind <> 'paid') OR (t.credit IN ('promotion', 'expired') AND l.kind = 'paid')""",
    # What has come back of a payment is what refunds say has come back of it.
    "value_refunds": """
      WITH paid AS (
        SELECT h.member_id, CAST(h.hold_id AS text) AS payment, sum(c.returned) AS returned FROM wallet w
        JOIN hold h ON h.member_id = w.account_id AND h.state = 'captured'
        JOIN transfer t ON t.member_id = h.member_id AND t.cause = h.ended_by AND t.credit = 'redeemed'
        JOIN consumption c ON c.member_id = t.member_id AND c.seq = t.seq GROUP BY h.member_id, h.hold_id),
      back AS (
        SELECT t.member_id, t.why->>'payment_id' AS payment, sum(t.amount) AS returned FROM wallet w
        JOIN transfer t ON t.member_id = w.account_id AND t.debit = 'redeemed' GROUP BY 1, 2)
      SELECT member_id FROM paid FULL JOIN back USING (member_id, payment)
      WHERE coalesce(paid.returned, 0) <> coalesce(back.returned, 0)""",
    # Of a bonus no greater part is there, free or held, than of its paid value has not been paid out (while it was to go with that).
    "value_forfeits": """
      WITH gone AS (
        SELECT t.member_id, c.lot, sum(c.amount) AS amount FROM wallet w
        JOIN transfer t ON t.member_id = w.account_id AND t.credit = 'cash' AND t.why->>'bonus_on_cash_out' = 'forfeit'
        JOIN consumption c ON c.member_id = t.member_id AND c.seq = t.seq GROUP BY t.member_id, c.lot),
      held AS (
        SELECT h.member_id, c.lot, sum(c.amount) AS amount FROM wallet w
        JOIN hold h ON h.member_id = w.account_id AND h.state = 'held'
        JOIN consumption c ON c.member_id = h.member_id AND c.seq = h.seq GROUP BY h.member_id, c.lot)
      SELECT b.member_id FROM gone JOIN lot p ON p.member_id = gone.member_id AND p.lot = gone.lot
      JOIN lot b ON b.member_id = p.member_id AND b.lot = p.lot + 1099511627776
      LEFT JOIN held ON held.member_id = b.member_id AND held.lot = b.lot
      WHERE (b.remaining + coalesce(held.amount, 0)) * p.granted > b.granted * (p.granted - gone.amount)""",
}
# A wallet is an account in no lane, and an account in no lane is a wallet; where one lacks the other, it is nobody's own.
LONELY = """
      SELECT count(*) FROM wallet w FULL JOIN (SELECT member_id FROM account WHERE partition < 0) a ON a.member_id = w.account_id
      WHERE w.account_id IS NULL OR a.member_id IS NULL"""
COUNTED = {name: f"SELECT count(*) FROM ({query}) AS broken" for name, query in BREAKERS.items()}
INVARIANTS = COUNTED | {"wallets": f"SELECT ({LONELY}) + ({COUNTED['wallets']})"}


def strangers(units: Mapping[str, Mapping[str, int]]) -> int:
    """How many accounts of the books are used by the wrong unit: points and money are never mixed."""
    return sum(
        account in (ONLY_MONEY if unit == "points" else ONLY_POINTS)
        for unit, by_account in units.items()
        for account in by_account
    )
