"""What must hold between rewards, redemptions and the ledger. The one thing not to break: these queries share nothing with the code that
writes."""

from __future__ import annotations

INVARIANTS = {
    # What is taken of a reward's stock is what live redemptions have, and never more than there is.
    "stock": """
      SELECT count(*) FROM reward r
      LEFT JOIN (SELECT reward_id, count(*) AS live FROM redemption WHERE state <> 'cancelled' GROUP BY reward_id) l USING (reward_id)
      WHERE r.taken <> coalesce(l.live, 0) OR r.taken > r.stock""",
    # A redemption spends its points once; a cancelled one, and no other, gives all of them back to the lots that paid.
    "redemptions": """
      WITH spent AS (SELECT member_id, seq, cause, amount FROM transfer
                     WHERE credit = 'redeemed' AND cause LIKE 'redemption %'),
        back AS (SELECT member_id, cause, sum(amount) AS points FROM transfer
                 WHERE debit = 'redeemed' AND cause LIKE 'cancellation %' GROUP BY member_id, cause),
        cancelled AS (SELECT member_id, 'cancellation ' || redemption_id AS cause, points FROM redemption WHERE state = 'cancelled')
      SELECT (SELECT count(*) FROM redemption r
              FULL JOIN spent s ON s.member_id = r.member_id AND s.seq = r.seq AND s.cause = 'redemption ' || r.redemption_id
              WHERE coalesce(r.points, 0) <> coalesce(s.amount, 0))
           + (SELECT count(*) FROM cancelled c FULL JOIN back b ON b.member_id = c.member_id AND b.cause = c.cause
              WHERE coalesce(c.points, 0) <> coalesce(b.points, 0))
           + (SELECT count(*) FROM redemption r JOIN consumption c ON c.member_id = r.member_id AND c.seq = r.seq
              WHERE c.returned <> (CASE r.state WHEN 'cancelled' THEN c.amount ELSE 0 END))""",
}
