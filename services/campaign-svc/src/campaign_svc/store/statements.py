"""The statements of the consume loop: whole batches as arrays. The one thing not to break: members are locked before anything else is
read by which a decision is made, ascending; budgets are locked last, ascending."""

from __future__ import annotations

from sqlalchemy import text

MEMBER_COLUMNS = """m.member_id, m.partition, m.last_seq, m.last_ordinal, m.said_number, m.tier, m.ordinal, m.orders_count,
  CAST(m.ahead AS text) AS ahead"""

# Members that are seen for the first time.
MEMBERS_ADD = text("""
INSERT INTO member (member_id, partition)
SELECT member_id, partition FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[])) AS new(member_id, partition)
ORDER BY member_id
ON CONFLICT DO NOTHING
""")

# Locks and reads the members; of a row that had to be waited for, its newest version comes back.
MEMBERS_LOCK = text(f"""
SELECT {MEMBER_COLUMNS} FROM member m
WHERE m.member_id = ANY(CAST(:ids AS uuid[]))
ORDER BY m.member_id
FOR NO KEY UPDATE
""")

MEMBERS_SAVE = text("""
UPDATE member m SET last_seq = s.last_seq, last_ordinal = s.last_ordinal, said_number = s.said_number, tier = s.tier,
  ordinal = s.ordinal, orders_count = s.orders_count, ahead = CAST(s.ahead AS jsonb)
FROM unnest(CAST(:ids AS uuid[]), CAST(:last_seqs AS bigint[]), CAST(:last_ordinals AS bigint[]), CAST(:said_numbers AS bigint[]),
            CAST(:tiers AS text[]), CAST(:ordinals AS bigint[]), CAST(:orders_counts AS bigint[]), CAST(:aheads AS text[]))
  AS s(member_id, last_seq, last_ordinal, said_number, tier, ordinal, orders_count, ahead)
WHERE m.member_id = s.member_id
""")

OCCASION_COLUMNS = """o.member_id, o.place, o.cause, o.number, o.partition, o.trigger, o.at, o.version, o.tier, o.ordinal,
  CAST(o.facts AS text) AS facts, o.order_id, o.amount_minor, o.left_minor, CAST(o.lines AS text) AS lines,
  CAST(o.outcomes AS text) AS outcomes"""

# The orders that refunds name.
ORDERS_READ = text(f"""
SELECT {OCCASION_COLUMNS} FROM unnest(CAST(:members AS uuid[]), CAST(:orders AS text[])) AS w(member_id, order_id)
JOIN occasion o ON o.member_id = w.member_id AND o.order_id = w.order_id
""")

# What a member has been decided by that stands above a number of his stream, in its order.
OCCASIONS_AFTER = text(f"""
SELECT {OCCASION_COLUMNS} FROM occasion o WHERE o.member_id = :member_id AND o.place > :place ORDER BY o.place, o.cause, o.number
""")

NEW_OCCASION = (
    "member_id", "place", "cause", "number", "partition", "trigger", "at", "version", "tier", "ordinal", "facts", "order_id",
    "amount_minor", "left_minor", "lines", "outcomes",
)  # fmt: skip

# A refund, or a standing that came late, has changed what was recorded in an earlier batch.
OCCASIONS_CHANGE = text("""
UPDATE occasion o SET left_minor = c.left_minor, lines = CAST(c.lines AS jsonb), tier = c.tier, ordinal = c.ordinal,
  outcomes = CAST(c.outcomes AS jsonb)
FROM unnest(CAST(:members AS uuid[]), CAST(:places AS bigint[]), CAST(:causes AS text[]), CAST(:numbers AS bigint[]),
            CAST(:lefts AS bigint[]), CAST(:lines AS text[]), CAST(:tiers AS text[]), CAST(:ordinals AS bigint[]),
            CAST(:outcomes AS text[]))
  AS c(member_id, place, cause, number, left_minor, lines, tier, ordinal, outcomes)
WHERE o.member_id = c.member_id AND o.place = c.place AND o.cause = c.cause AND o.number = c.number
""")

# How often a campaign has been granted to a member, per tier; an award of several items is one grant.
GRANTS_COUNT = text("""
SELECT a.member_id, a.campaign_id, a.tier, count(*) AS granted
FROM unnest(CAST(:members AS uuid[]), CAST(:campaigns AS text[])) AS w(member_id, campaign_id)
JOIN award a ON a.member_id = w.member_id AND a.campaign_id = w.campaign_id AND a.item = 0
GROUP BY a.member_id, a.campaign_id, a.tier
""")

AWARD_COLUMNS = """a.award_id, a.member_id, a.partition, a.campaign_id, a.cause, a.number, a.item, a.kind, a.points, a.coupon, a.order_id,
  a.tier, a.version, a.at, a.said_number, a.why"""

# The awards that stand of what is judged again, in the order in which they were said.
AWARDS_STANDING = text(f"""
SELECT {AWARD_COLUMNS}
FROM unnest(CAST(:members AS uuid[]), CAST(:campaigns AS text[]), CAST(:causes AS text[]), CAST(:numbers AS bigint[]))
  AS w(member_id, campaign_id, cause, number)
JOIN award a ON a.member_id = w.member_id AND a.campaign_id = w.campaign_id AND a.cause = w.cause AND a.number = w.number
WHERE a.back_said_number IS NULL
ORDER BY a.said_number
""")

AWARDS_ADD = text("""
INSERT INTO award (member_id, campaign_id, cause, number, item, award_id, partition, kind, points, coupon, order_id, tier,
                   version, at, said_number, why)
SELECT * FROM unnest(
  CAST(:members AS uuid[]), CAST(:campaigns AS text[]), CAST(:causes AS text[]), CAST(:numbers AS bigint[]),
  CAST(:items AS smallint[]), CAST(:award_ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:kinds AS text[]),
  CAST(:points AS bigint[]), CAST(:coupons AS text[]), CAST(:orders AS text[]), CAST(:tiers AS text[]), CAST(:versions AS integer[]),
  CAST(:ats AS timestamptz[]), CAST(:said_numbers AS bigint[]), CAST(:whys AS text[]))
""")

# Guarded: an award is taken back once. The caller compares the count.
AWARDS_TAKE_BACK = text("""
UPDATE award a SET back_cause = b.back_cause, back_number = b.back_number, back_at = b.back_at,
  back_said_number = b.back_said_number, back_why = b.back_why
FROM unnest(CAST(:members AS uuid[]), CAST(:campaigns AS text[]), CAST(:causes AS text[]), CAST(:numbers AS bigint[]),
            CAST(:items AS smallint[]), CAST(:back_causes AS text[]), CAST(:back_numbers AS bigint[]),
            CAST(:back_ats AS timestamptz[]), CAST(:back_said_numbers AS bigint[]), CAST(:back_whys AS text[]))
  AS b(member_id, campaign_id, cause, number, item, back_cause, back_number, back_at, back_said_number, back_why)
WHERE a.member_id = b.member_id AND a.campaign_id = b.campaign_id AND a.cause = b.cause AND a.number = b.number
  AND a.item = b.item AND a.back_said_number IS NULL
""")

# A budget's row appears when the programme that has it is loaded.
BUDGETS_ADD = text("""
INSERT INTO budget (campaign_id) SELECT * FROM unnest(CAST(:campaigns AS text[])) AS new(campaign_id) ORDER BY 1 ON CONFLICT DO NOTHING
""")

# The last lock of a transaction. A budget that is used up is not locked: it never has anything again, so nobody queues for it.
BUDGETS_LOCK = text("""
SELECT b.campaign_id, b.used FROM budget b
JOIN unnest(CAST(:campaigns AS text[]), CAST(:sizes AS bigint[])) AS w(campaign_id, size) ON b.campaign_id = w.campaign_id
WHERE b.used < w.size
ORDER BY b.campaign_id
FOR NO KEY UPDATE OF b
""")

BUDGETS_USE = text("""
UPDATE budget b SET used = b.used + u.more
FROM unnest(CAST(:campaigns AS text[]), CAST(:more AS bigint[])) AS u(campaign_id, more) WHERE b.campaign_id = u.campaign_id
""")

EMPTIED_ADD = text("""
INSERT INTO emptied (campaign_id, budget, partition, version, at)
SELECT * FROM unnest(CAST(:campaigns AS text[]), CAST(:budgets AS bigint[]), CAST(:partitions AS integer[]),
                     CAST(:versions AS integer[]), CAST(:ats AS timestamptz[]))
ON CONFLICT DO NOTHING
""")

ACTIVATIONS_ADD = text("""
INSERT INTO activation (partition, version, sha256, effective_from)
SELECT * FROM unnest(CAST(:partitions AS integer[]), CAST(:versions AS integer[]), CAST(:hashes AS text[]), CAST(:froms AS timestamptz[]))
ON CONFLICT DO NOTHING
""")

ACTIVATIONS_READ = text("""
SELECT partition, version, sha256, effective_from FROM activation WHERE partition = ANY(CAST(:partitions AS integer[]))
ORDER BY partition, effective_from NULLS FIRST, version
""")

# A version that is in force somewhere, stored here as another document.
ACTIVATIONS_OF_OTHERS = text("""
SELECT DISTINCT a.version FROM activation a JOIN programme p ON p.version = a.version AND p.sha256 <> a.sha256 ORDER BY 1
""")

DAYS_MOVE = text("""
INSERT INTO partition_day (partition, as_of)
SELECT * FROM unnest(CAST(:partitions AS integer[]), CAST(:days AS timestamptz[]))
ON CONFLICT (partition) DO UPDATE SET as_of = greatest(partition_day.as_of, excluded.as_of)
""")

PROGRAMMES_READ = text(
    "SELECT version, sha256, CAST(document AS text) AS document FROM programme WHERE version = ANY(CAST(:versions AS integer[]))"
)

# A dead letter of a numbered topic was given up: its number counts as passed.
SEQ_SKIP = text("UPDATE member SET last_seq = :number WHERE member_id = :member_id AND last_seq = :number - 1")
ORDINAL_SKIP = text(
    "UPDATE member SET last_ordinal = :number WHERE member_id = :member_id AND last_ordinal = :number - 1"
)
