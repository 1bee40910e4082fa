"""The books prove themselves: one query per invariant of reliability.md 3.2, each counting what breaks it. The one thing not to
break: these queries share nothing with the code that writes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.store import chain, reward_proof, wallet_proof

# Points by themselves, and each currency by itself: they are never added up.
BY_ACCOUNT = text("""
SELECT unit, account, sum(amount) FROM (
  SELECT coalesce(w.currency, 'points') AS unit, t.credit AS account, sum(t.amount) AS amount
  FROM transfer t LEFT JOIN wallet w ON w.account_id = t.member_id GROUP BY 1, 2
  UNION ALL SELECT coalesce(w.currency, 'points'), t.debit, -sum(t.amount)
  FROM transfer t LEFT JOIN wallet w ON w.account_id = t.member_id GROUP BY 1, 2) AS sides
GROUP BY unit, account ORDER BY unit, account
""")

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
MAKE_DEBT = "('taken_back', 'rated_again', 'award_taken_back', 'share_taken_back')"

INVARIANTS = {
    # I2: what is posted lies in lots or is held, and while there is debt they hold only what is over by the member's clock.
    "I2": """
      SELECT count(*) FROM account a
      LEFT JOIN (SELECT member_id, sum(remaining) AS left FROM lot GROUP BY member_id) l USING (member_id)
      LEFT JOIN partition_day d USING (partition)
      WHERE a.posted - a.held <> coalesce(l.left, 0)
         OR (a.debt > 0 AND EXISTS (SELECT FROM lot o WHERE o.member_id = a.member_id AND o.remaining > 0
                                      AND o.expires_at > greatest(a.reached, d.as_of)))""",
    # I3: what an account holds is the sum of its open holds, and each holds what its entry took from lots.
    "I3": """
      SELECT (SELECT count(*) FROM account a
              FULL JOIN (SELECT member_id, sum(points) AS points FROM hold WHERE state = 'held' GROUP BY member_id) h USING (member_id)
              WHERE coalesce(a.held, -1) <> coalesce(h.points, 0))
           + (SELECT count(*) FROM hold h
              LEFT JOIN (SELECT member_id, seq, sum(amount) AS points FROM consumption GROUP BY member_id, seq) c USING (member_id, seq)
              WHERE h.points <> coalesce(c.points, 0))""",
    # I4: an account is the sum of its entries.
    "I4": f"""
      SELECT count(*) FROM account a FULL JOIN ({MOVED}) m USING (member_id)
      WHERE coalesce(a.posted, -1) <> coalesce(m.posted, 0) OR coalesce(a.held, -1) <> coalesce(m.held, 0)
         OR coalesce(a.debt, -1) <> coalesce(m.debt, 0)""",
    # I5: nothing is negative, and debt comes only from points taken back.
    "I5": f"""
      SELECT (SELECT count(*) FROM transfer WHERE debit = 'debt'
                AND kind NOT IN {MAKE_DEBT})
           + (SELECT count(*) FROM account WHERE posted < 0 OR held < 0 OR debt < 0)
           + (SELECT count(*) FROM lot WHERE remaining < 0 OR expired < 0)""",
    # I6: every entry has a cause, and every purchase has an entry or a reason why it has none.
    "I6": """
      SELECT (SELECT count(*) FROM transfer WHERE cause = '' OR why = '{}')
           + (SELECT count(*) FROM purchase p
              WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.member_id = p.member_id AND t.cause = 'activity ' || p.seq)
                AND NOT EXISTS (SELECT FROM no_effect n WHERE n.member_id = p.member_id AND n.cause = 'activity ' || p.seq))""",
    # I7: an order's net points are the sum of its entries and never negative; refunds do not exceed the order.
    "I7": """
      SELECT count(*) FROM purchase p
      LEFT JOIN (SELECT member_id, order_id, sum(CASE WHEN credit = 'available' THEN amount ELSE -amount END) AS net
                 FROM transfer WHERE order_id IS NOT NULL AND kind IN ('earned', 'rated_again', 'taken_back')
                 GROUP BY member_id, order_id) t USING (member_id, order_id)
      CROSS JOIN LATERAL (SELECT sum((part->>1)::bigint) AS left, min((part->>1)::bigint) AS least
                          FROM jsonb_array_elements(p.parts) AS part) lines
      WHERE p.net <> coalesce(t.net, 0) OR p.net < 0 OR lines.least < 0 OR lines.left > p.amount_minor
         OR p.unallocated_minor > lines.left""",
    # I8: a member's entries are numbered without a gap.
    "I8": f"""
      SELECT count(*) FROM account a LEFT JOIN ({MOVED}) m USING (member_id)
      WHERE a.seq <> coalesce(m.entries, 0) OR a.seq <> coalesce(m.last, 0)""",
    # I12: a hold reserves once and ends once, and what it reserved is spent or given back, all of it.
    "I12": f"""
      WITH holdings AS ({HOLDINGS}), made AS (
        SELECT h.*, t.cause AS made_by FROM hold h LEFT JOIN transfer t ON t.member_id = h.member_id AND t.seq = h.seq)
      SELECT (SELECT count(*) FROM made m
              LEFT JOIN holdings r ON r.member_id = m.member_id AND r.cause = m.made_by
              LEFT JOIN holdings e ON e.member_id = m.member_id AND e.cause = m.ended_by
              WHERE coalesce(r.reserved, 0) <> m.points OR coalesce(e.captured, 0) <> m.captured
                 OR coalesce(e.released, 0) <> (CASE m.state WHEN 'held' THEN 0 ELSE m.points - m.captured END))
           + (SELECT count(*) FROM holdings g
              LEFT JOIN (SELECT member_id, made_by AS cause, count(*) AS holds FROM made GROUP BY member_id, made_by) m
                USING (member_id, cause)
              WHERE (g.reserved > 0)::int <> coalesce(m.holds, 0))
           + (SELECT count(*) FROM holdings g
              LEFT JOIN (SELECT member_id, ended_by AS cause, count(*) AS holds FROM made GROUP BY member_id, ended_by) m
                USING (member_id, cause)
              WHERE (g.captured + g.released > 0)::int <> coalesce(m.holds, 0))""",
    # I13: what stands in clearing is what is under way; each handover left once and came in once, at its receiver or back at its sender.
    "clearing": """
      WITH moved AS MATERIALIZED (
        SELECT member_id, cause, coalesce(sum(amount) FILTER (WHERE credit = 'clearing'), 0) AS gone,
          coalesce(sum(amount) FILTER (WHERE debit = 'clearing'), 0) AS come
        FROM transfer WHERE (debit = 'clearing' OR credit = 'clearing') AND kind <> 'extended' GROUP BY member_id, cause)
      SELECT (SELECT count(*) FROM (
                SELECT (SELECT coalesce(sum(gone - come), 0) FROM moved) AS clearing,
                       (SELECT coalesce(sum(h.points), 0) FROM handover h LEFT JOIN arrival a USING (handover_id)
                        WHERE h.state = 'under_way' AND (a.handover_id IS NULL OR a.because IS NOT NULL)) AS under_way) s
              WHERE clearing <> under_way)
           + (SELECT count(*) FROM handover h
              LEFT JOIN moved o ON o.member_id = h.member_id AND o.cause = 'transfer ' || h.handover_id
              LEFT JOIN moved b ON b.member_id = h.member_id AND b.cause = 'handback ' || h.handover_id
              WHERE coalesce(o.gone, 0) <> h.points
                 OR coalesce(b.come, 0) <> (CASE h.state WHEN 'returned' THEN h.points ELSE 0 END))
           + (SELECT count(*) FROM arrival a
              LEFT JOIN moved i ON i.member_id = a.member_id AND i.cause = 'handover ' || a.handover_id
              LEFT JOIN handover h USING (handover_id)
              WHERE coalesce(i.come, 0) <> (CASE WHEN a.because IS NULL THEN a.points ELSE 0 END)
                 OR h.points IS DISTINCT FROM a.points OR h.receiver_id IS DISTINCT FROM a.member_id
                 OR (h.state = 'returned' AND a.because IS NULL))
           + abs((SELECT count(*) FROM moved) - (SELECT count(*) + count(*) FILTER (WHERE state = 'returned') FROM handover)
                 - (SELECT count(*) FROM arrival WHERE because IS NULL))""",
    # I14: a bonus for what another member did is what its entries say, given once and taken back where it was undone.
    "bonuses": """
      WITH moved AS (
        SELECT member_id, cause, sum(amount) AS points FROM transfer
        WHERE kind IN ('referred', 'shared', 'share_taken_back') AND cause <> 'referral' GROUP BY member_id, cause)
      SELECT (SELECT count(*) FROM bonus r
              LEFT JOIN moved g ON g.member_id = r.member_id AND g.cause = 'bonus ' || r.bonus_id
              LEFT JOIN moved b ON b.member_id = r.member_id AND b.cause = 'undoing ' || r.bonus_id
              WHERE coalesce(g.points, 0) <> r.points OR coalesce(b.points, 0) <> (CASE WHEN r.undone THEN r.points ELSE 0 END))
           + abs((SELECT count(*) FROM moved) - (SELECT count(*) FILTER (WHERE points > 0)
                                                   + count(*) FILTER (WHERE points > 0 AND undone) FROM bonus))""",
    # Whatever a closed day has passed is gone, or the sweep will find its account.
    "swept": """
      SELECT count(*) FROM account a JOIN partition_day d USING (partition)
      WHERE a.activity > 0 AND d.as_of > coalesce(a.began_after, '-infinity') AND coalesce(a.next_expiry > d.as_of, true)
        AND EXISTS (SELECT FROM lot l WHERE l.member_id = a.member_id AND l.remaining > 0 AND l.expires_at <= d.as_of
                      AND coalesce(l.born_after < d.as_of, true))""",
    # An extension moves all it takes, into a lot that lasts longer than the one it came from and was earned with it.
    "extended": """
      SELECT (SELECT count(*) FROM (
                SELECT FROM transfer WHERE kind = 'extended' GROUP BY member_id, cause
                HAVING sum(CASE WHEN credit = 'clearing' THEN amount WHEN debit = 'clearing' THEN -amount END) IS DISTINCT FROM 0) moved)
           + (SELECT count(*) FROM lot l LEFT JOIN lot o ON o.member_id = l.member_id AND o.lot = l.extends
              WHERE l.extends IS NOT NULL AND coalesce(l.expires_at <= o.expires_at OR l.earned_at <> o.earned_at OR o.extends IS NOT NULL,
                                                       true))""",
    # What was corrected by hand was decided as the limit asks, moved once, and moved back no more than once (T-L18).
    "adjustments": """
      WITH moved AS (SELECT member_id, cause, sum(CASE WHEN debit = 'adjustment' THEN amount ELSE -amount END) AS points
                     FROM transfer WHERE kind = 'adjusted' GROUP BY member_id, cause)
      SELECT (SELECT count(*) FROM adjustment a
              LEFT JOIN moved p ON p.member_id = a.member_id AND p.cause = 'adjustment ' || a.adjustment_id
              LEFT JOIN moved r ON r.member_id = a.member_id AND r.cause = 'reversal ' || a.adjustment_id
              WHERE coalesce(p.points, 0) <> (CASE a.state WHEN 'posted' THEN a.points ELSE 0 END)
                 OR coalesce(r.points, 0) <> -sign(a.points) * coalesce(a.reversed_points, 0)
                 OR (a.state = 'posted' AND NOT a.alone AND a.decided_by = a.proposed_by))
           + (SELECT count(*) FROM moved m
              LEFT JOIN (SELECT member_id, 'adjustment ' || adjustment_id AS cause FROM adjustment
                         UNION ALL SELECT member_id, 'reversal ' || adjustment_id FROM adjustment) a
                ON a.member_id = m.member_id AND a.cause = m.cause
              WHERE a.cause IS NULL)
           + (SELECT count(*) FROM transfer WHERE (debit = 'adjustment' OR credit = 'adjustment') <> (kind = 'adjusted'))""",
    # A lot holds what was put into it less what was taken.
    "lots": f"""
      SELECT count(*) FROM lot l FULL JOIN
        (SELECT member_id, lot, sum(points) AS points FROM ({LOTS}) AS moved GROUP BY member_id, lot) m USING (member_id, lot)
      WHERE coalesce(l.remaining, -1) <> coalesce(m.points, 0)""",
    # What was taken from available, or spent, adds up lot by lot.
    "consumption": """
      SELECT count(*) FROM transfer t
      LEFT JOIN (SELECT member_id, seq, sum(amount) AS amount FROM consumption GROUP BY member_id, seq) c USING (member_id, seq)
      WHERE (t.debit = 'available' OR t.credit = 'redeemed') <> (c.amount IS NOT NULL) OR coalesce(c.amount, t.amount) <> t.amount""",
    # The ladder on the account says what its lots say.
    "ladder": """
      SELECT count(*) FROM (
        SELECT member_id, CAST(key AS timestamptz) AS expires_at, CAST(value AS bigint) AS points
        FROM account, jsonb_each_text(ladder)) a
      FULL JOIN (SELECT member_id, expires_at, sum(remaining) AS points FROM lot WHERE remaining > 0
                 GROUP BY member_id, expires_at) l USING (member_id, expires_at)
      WHERE a.points IS DISTINCT FROM l.points""",
}
# What has come back of points spent on orders is what the entries say has come back: `returned` may be changed, and so it is proved.
RETURNED = """
      SELECT count(*) FROM (
        SELECT t.member_id, t.order_id, sum(c.returned) AS returned FROM transfer t JOIN consumption c USING (member_id, seq)
        WHERE t.credit = 'redeemed' AND t.order_id IS NOT NULL GROUP BY t.member_id, t.order_id) AS paid
      FULL JOIN (SELECT member_id, order_id, sum(amount) AS points FROM transfer
                 WHERE debit = 'redeemed' AND order_id IS NOT NULL GROUP BY member_id, order_id) AS back USING (member_id, order_id)
      WHERE coalesce(paid.returned, 0) <> coalesce(back.points, 0)"""
EVERYTHING = INVARIANTS | chain.INVARIANTS | reward_proof.INVARIANTS | wallet_proof.INVARIANTS | {"returned": RETURNED}
STATEMENTS = {name: text(query) for name, query in EVERYTHING.items()}


async def trial_balance(tx: Transaction) -> dict[str, Any]:
    """The sum over all accounts of points (0), each account's own, the same of stored value per currency, and how often each invariant is
    broken (0). Reads everything there is: call it in `auditing`."""
    units: dict[str, dict[str, int]] = {"points": {}}
    for unit, account, amount in await tx.run(BY_ACCOUNT):
        units.setdefault(unit, {})[account] = int(amount)
    broken = {name: int((await tx.run(statement)).scalar_one()) for name, statement in STATEMENTS.items()}
    broken["wallets"] += wallet_proof.strangers(units)
    sums = {unit: sum(by_account.values()) for unit, by_account in units.items()}
    points = units.pop("points")
    return {
        "sum": sums["points"],
        "by_account": points,
        "stored_value": {unit: {"sum": sums[unit], "by_account": by_account} for unit, by_account in units.items()},
        "invariants": {"I1": sum(abs(total) for total in sums.values())} | broken,
    }
