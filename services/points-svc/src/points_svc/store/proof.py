"""The books prove themselves: one query per invariant of reliability.md 3.2, each counting what breaks it; those that somebody can break
alone stand in breakers.py. The one thing not to break: these queries share nothing with the code that writes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.store import chain, reward_proof, wallet_proof
from points_svc.store.breakers import BREAKERS

# Points by themselves, and each currency by itself: they are never added up.
BY_ACCOUNT = text("""
SELECT unit, account, sum(amount) FROM (
  SELECT coalesce(w.currency, 'points') AS unit, t.credit AS account, sum(t.amount) AS amount
  FROM transfer t LEFT JOIN wallet w ON w.account_id = t.member_id GROUP BY 1, 2
  UNION ALL SELECT coalesce(w.currency, 'points'), t.debit, -sum(t.amount)
  FROM transfer t LEFT JOIN wallet w ON w.account_id = t.member_id GROUP BY 1, 2) AS sides
GROUP BY unit, account ORDER BY unit, account
""")

INVARIANTS = {
    # I13: what stands in clearing is what is under way; each handover left once and came in once, at its receiver or back at its sender.
    "clearing": """
      WITH moved AS MATERIALIZED (
        SELECT member_id, cause, coalesce(sum(amount) FILTER (WHERE credit = 'clearing'), 0) AS gone,
          coalesce(sum(amount) FILTER (WHERE debit = 'clearing'), 0) AS come
        FROM transfer WHERE (debit = 'clearing' OR credit = 'clearing') AND kind NOT IN ('extended', 'redated', 'activated')
        GROUP BY member_id, cause)
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
                 - (SELECT count(*) FROM arrival WHERE because IS NULL))
           + (SELECT count(*) FROM handover_under_way u FULL JOIN (
                SELECT h.handover_id FROM handover h LEFT JOIN arrival a USING (handover_id)
                WHERE h.state = 'under_way' AND (a.handover_id IS NULL OR a.because IS NOT NULL)) o USING (handover_id)
              WHERE u.handover_id IS NULL OR o.handover_id IS NULL)""",
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
    # I15: what tasks are worth to a member is what their entries have left.
    "tasks": """
      SELECT count(*) FROM (SELECT member_id, sum(points) AS points FROM task_reward GROUP BY member_id) r
      FULL JOIN (SELECT member_id, sum(CASE kind WHEN 'task_done' THEN amount ELSE -amount END) AS points
                 FROM transfer WHERE kind IN ('task_done', 'task_taken_back') GROUP BY member_id) t USING (member_id)
      WHERE coalesce(r.points, 0) <> coalesce(t.points, 0)""",
    # Whatever a closed day has passed is gone, or the sweep will find its account.
    "swept": """
      SELECT count(*) FROM account a JOIN partition_day d USING (partition)
      WHERE a.activity > 0 AND d.as_of > coalesce(a.began_after, '-infinity') AND coalesce(a.next_expiry > d.as_of, true)
        AND EXISTS (SELECT FROM lot l WHERE l.member_id = a.member_id AND l.remaining > 0 AND l.expires_at <= d.as_of
                      AND coalesce(l.born_after < d.as_of, true))""",
    # What moves from lot to lot within an account comes in whole, into a lot that was earned with the one it came from; an extension (lots
    # below 2^61) only into one that lasts longer than the one its entry took from, which need not be the first: a tier may have shortened
    # that. What was extended and is then confirmed lasts as long as before.
    "extended": """
      SELECT (SELECT count(*) FROM (
                SELECT FROM transfer WHERE kind IN ('extended', 'redated', 'activated') GROUP BY member_id, cause
                HAVING sum(CASE WHEN credit = 'clearing' THEN amount WHEN debit = 'clearing' THEN -amount END) IS DISTINCT FROM 0) moved)
           + (SELECT count(*) FROM lot l LEFT JOIN lot o ON o.member_id = l.member_id AND o.lot = l.extends
              WHERE l.extends IS NOT NULL AND coalesce(l.earned_at <> o.earned_at OR o.extends IS NOT NULL, true))
           + (SELECT count(*) FROM lot l
              LEFT JOIN transfer t ON t.member_id = l.member_id AND t.seq = l.lot - (1::bigint << 60)
              LEFT JOIN consumption c ON c.member_id = t.member_id AND c.seq = t.seq
              LEFT JOIN lot f ON f.member_id = c.member_id AND f.lot = c.lot
              WHERE l.extends IS NOT NULL AND l.lot < 1::bigint << 61
                AND coalesce(l.expires_at < f.expires_at OR (l.expires_at = f.expires_at AND t.kind <> 'activated'), true))""",
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
}
# Of what is somebody's own: as many as are broken, by the same rows that name him (breakers.py).
COUNTED = {name: f"SELECT count(*) FROM ({query}) AS broken" for name, query in BREAKERS.items()}
ROUNDS = {"I11": f"SELECT ({chain.BROKEN_ROUNDS}) + ({COUNTED['I11']})"}  # rounds are nobody's own
EVERYTHING = COUNTED | INVARIANTS | chain.INVARIANTS | reward_proof.INVARIANTS | wallet_proof.INVARIANTS | ROUNDS
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
