"""The invariants that somebody can break alone, one query each, a row for each break: the trial balance counts them (proof.py), and only
where it has counted one it is asked whose they are. The one thing not to break: whoever is named here stands still until a person has
looked, so each question names nobody whose own rows are as they should be."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.store import wallet_proof

MOVED = """
  SELECT member_id,
    coalesce(sum(amount) FILTER (WHERE credit IN ('available', 'held')), 0)
      - coalesce(sum(amount) FILTER (WHERE debit IN ('available', 'held')), 0) AS posted,
    coalesce(sum(amount) FILTER (WHERE credit = 'held'), 0) - coalesce(sum(amount) FILTER (WHERE debit = 'held'), 0) AS held,
    coalesce(sum(amount) FILTER (WHERE debit = 'debt'), 0) - coalesce(sum(amount) FILTER (WHERE credit = 'debt'), 0) AS debt,
    count(*) AS entries, max(seq) AS last
  FROM transfer GROUP BY member_id"""

LOTS = """
  SELECT t.member_id, t.lot, sum(t.amount) AS points FROM transfer t WHERE t.lot IS NOT NULL GROUP BY t.member_id, t.lot
  UNION ALL SELECT c.member_id, c.lot, -sum(c.amount) FROM consumption c
    JOIN transfer t USING (member_id, seq) WHERE t.debit = 'available' GROUP BY c.member_id, c.lot"""

# What each cause did to holds: reserved, spent or gave back.
HOLDINGS = """
  SELECT member_id, cause, coalesce(sum(amount) FILTER (WHERE credit = 'held'), 0) AS reserved,
    coalesce(sum(amount) FILTER (WHERE debit = 'held' AND credit = 'redeemed'), 0) AS captured,
    coalesce(sum(amount) FILTER (WHERE debit = 'held' AND credit = 'available'), 0) AS released
  FROM transfer WHERE debit = 'held' OR credit = 'held' GROUP BY member_id, cause"""

# Debt comes from nothing but points taken back.
MAKE_DEBT = "('taken_back', 'rated_again', 'award_taken_back', 'share_taken_back', 'task_taken_back')"

# A row for each break, with whose it is; proof.py counts the same rows. I1, I10 and rounds of I11 are nobody's own.
BREAKERS = {
    # I2: what is posted lies in lots or is held, and while there is debt they hold only what is over by the member's clock.
    "I2": """
      SELECT a.member_id FROM account a
      LEFT JOIN (SELECT member_id, sum(remaining) AS left FROM lot GROUP BY member_id) l USING (member_id)
      LEFT JOIN partition_day d USING (partition)
      WHERE a.posted - a.held <> coalesce(l.left, 0)
         OR (a.debt > 0 AND EXISTS (SELECT FROM lot o WHERE o.member_id = a.member_id AND o.remaining > 0
                                      AND o.expires_at > greatest(a.reached, d.as_of)))""",
    # I3: what an account holds is the sum of its open holds, and each holds what its entry took from lots.
    "I3": """
      SELECT member_id FROM account a
      FULL JOIN (SELECT member_id, sum(points) AS points FROM hold WHERE state = 'held' GROUP BY member_id) h USING (member_id)
      WHERE coalesce(a.held, -1) <> coalesce(h.points, 0)
      UNION ALL SELECT member_id FROM hold h
      LEFT JOIN (SELECT member_id, seq, sum(amount) AS points FROM consumption GROUP BY member_id, seq) c USING (member_id, seq)
      WHERE h.points <> coalesce(c.points, 0)""",
    # I4: an account is the sum of its entries.
    "I4": f"""
      SELECT member_id FROM account a FULL JOIN ({MOVED}) m USING (member_id)
      WHERE coalesce(a.posted, -1) <> coalesce(m.posted, 0) OR coalesce(a.held, -1) <> coalesce(m.held, 0)
         OR coalesce(a.debt, -1) <> coalesce(m.debt, 0)""",
    # I5: nothing is negative, and debt comes only from points taken back.
    "I5": f"""
      SELECT member_id FROM transfer WHERE debit = 'debt' AND kind NOT IN {MAKE_DEBT}
      UNION ALL SELECT member_id FROM account WHERE posted < 0 OR held < 0 OR debt < 0
      UNION ALL SELECT member_id FROM lot WHERE remaining < 0 OR expired < 0""",
    # I6: every entry has a cause, and every purchase has an entry or a reason why it has none.
    "I6": """
      SELECT member_id FROM transfer WHERE cause = '' OR why = '{}'
      UNION ALL SELECT member_id FROM purchase p
      WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.member_id = p.member_id AND t.cause = 'activity ' || p.seq)
        AND NOT EXISTS (SELECT FROM no_effect n WHERE n.member_id = p.member_id AND n.cause = 'activity ' || p.seq)""",
    # I7: an order's net points are the sum of its entries and never negative; refunds do not exceed the order.
    "I7": """
      SELECT member_id FROM purchase p
      LEFT JOIN (SELECT member_id, order_id, sum(CASE WHEN credit = 'available' THEN amount ELSE -amount END) AS net
                 FROM transfer WHERE order_id IS NOT NULL AND kind IN ('earned', 'rated_again', 'taken_back')
                 GROUP BY member_id, order_id) t USING (member_id, order_id)
      CROSS JOIN LATERAL (SELECT sum((part->>1)::bigint) AS left, min((part->>1)::bigint) AS least
                          FROM jsonb_array_elements(p.parts) AS part) lines
      WHERE p.net <> coalesce(t.net, 0) OR p.net < 0 OR lines.least < 0 OR lines.left > p.amount_minor
         OR p.unallocated_minor > lines.left""",
    # I8: a member's entries are numbered without a gap.
    "I8": f"""
      SELECT member_id FROM account a LEFT JOIN ({MOVED}) m USING (member_id)
      WHERE a.seq <> coalesce(m.entries, 0) OR a.seq <> coalesce(m.last, 0)""",
    # I9: every cause that moved an account was said: its number is the next one.
    "I9": """
      SELECT member_id FROM account a
      FULL JOIN (SELECT member_id, count(*) AS causes FROM transfer WHERE leg = 1 GROUP BY member_id) t USING (member_id)
      WHERE coalesce(a.said, -1) <> coalesce(t.causes, 0)""",
    # I11: every member's entries are sealed without a gap.
    "I11": """
      SELECT member_id FROM sealed_up_to u
      FULL JOIN (SELECT member_id, max(last) AS last, sum(last - first + 1) AS entries FROM sealed GROUP BY member_id) d USING (member_id)
      LEFT JOIN account a USING (member_id)
      WHERE u.seq IS DISTINCT FROM d.last OR d.last <> d.entries OR d.last > coalesce(a.seq, 0)""",
    # I12: a hold reserves once and ends once, and what it reserved is spent or given back, all of it.
    "I12": f"""
      WITH holdings AS ({HOLDINGS}), made AS (
        SELECT h.*, t.cause AS made_by FROM hold h LEFT JOIN transfer t ON t.member_id = h.member_id AND t.seq = h.seq)
      SELECT m.member_id FROM made m
      LEFT JOIN holdings r ON r.member_id = m.member_id AND r.cause = m.made_by
      LEFT JOIN holdings e ON e.member_id = m.member_id AND e.cause = m.ended_by
      WHERE coalesce(r.reserved, 0) <> m.points OR coalesce(e.captured, 0) <> m.captured
         OR coalesce(e.released, 0) <> (CASE m.state WHEN 'held' THEN 0 ELSE m.points - m.captured END)
      UNION ALL SELECT g.member_id FROM holdings g
      LEFT JOIN (SELECT member_id, made_by AS cause, count(*) AS holds FROM made GROUP BY member_id, made_by) m USING (member_id, cause)
      WHERE (g.reserved > 0)::int <> coalesce(m.holds, 0)
      UNION ALL SELECT g.member_id FROM holdings g
      LEFT JOIN (SELECT member_id, ended_by AS cause, count(*) AS holds FROM made GROUP BY member_id, ended_by) m USING (member_id, cause)
      WHERE (g.captured + g.released > 0)::int <> coalesce(m.holds, 0)""",
    # A lot holds what was put into it less what was taken.
    "lots": f"""
      SELECT member_id FROM lot l FULL JOIN
        (SELECT member_id, lot, sum(points) AS points FROM ({LOTS}) AS moved GROUP BY member_id, lot) m USING (member_id, lot)
      WHERE coalesce(l.remaining, -1) <> coalesce(m.points, 0)""",
    # What was taken from available, or spent, adds up lot by lot.
    "consumption": """
      SELECT member_id FROM transfer t
      LEFT JOIN (SELECT member_id, seq, sum(amount) AS amount FROM consumption GROUP BY member_id, seq) c USING (member_id, seq)
      WHERE (t.debit = 'available' OR t.credit = 'redeemed') <> (c.amount IS NOT NULL) OR coalesce(c.amount, t.amount) <> t.amount""",
    # The ladder on the account says what its lots say.
    "ladder": """
      SELECT member_id FROM (
        SELECT member_id, CAST(key AS timestamptz) AS expires_at, CAST(value AS bigint) AS points
        FROM account, json_each_text(ladder)) a
      FULL JOIN (SELECT member_id, expires_at, sum(remaining) AS points FROM lot WHERE remaining > 0
                 GROUP BY member_id, expires_at) l USING (member_id, expires_at)
      WHERE a.points IS DISTINCT FROM l.points""",
    # What has come back of points spent on orders is what the entries say: `returned` may be changed, and so it is proved.
    "returned": """
      SELECT member_id FROM (
        SELECT t.member_id, t.order_id, sum(c.returned) AS returned FROM transfer t JOIN consumption c USING (member_id, seq)
        WHERE t.credit = 'redeemed' AND t.order_id IS NOT NULL GROUP BY t.member_id, t.order_id) AS paid
      FULL JOIN (SELECT member_id, order_id, sum(amount) AS points FROM transfer
                 WHERE debit = 'redeemed' AND order_id IS NOT NULL GROUP BY member_id, order_id) AS back USING (member_id, order_id)
      WHERE coalesce(paid.returned, 0) <> coalesce(back.points, 0)""",
}
# The same members every time, so that what is cut off now comes up when these have been mended.
STATEMENTS = {
    name: text(f"SELECT DISTINCT member_id FROM ({query}) AS broken ORDER BY member_id LIMIT :limit")
    for name, query in (BREAKERS | wallet_proof.BREAKERS).items()
}


async def breakers(tx: Transaction, invariants: Collection[str], limit: int) -> dict[UUID, list[str]]:
    """Who breaks which of these invariants: at most `limit` members of each."""
    found: dict[UUID, list[str]] = {}
    for name in invariants:
        if name in STATEMENTS:
            for member_id in (await tx.run(STATEMENTS[name], limit=limit)).scalars():
                found.setdefault(member_id, []).append(name)
    return found
