"""The statements of a batch, one constant each. The one thing not to break: arrays go in by unnest and are sorted by member, and nothing
here waits for a lock: the lane's cursor is the lock of all its members."""

from __future__ import annotations

from sqlalchemy import text

_MEMBER = """
m.member_id, m.partition, m.last_seq, m.clock, m.born_as_of, m.tier, m.since, m.until, m.held_since, m.restart_at, m.decided_on,
m.restart_before, m.last_end, m.ordinal, m.as_of, m.gauged_by, m.spend_total, m.largest_order, m.growth_total, m.windows, m.due_at,
m.joined_on, CAST(m.overrides AS text) AS overrides, CAST(m.clubs AS text) AS clubs
"""

# The members of a batch.
MEMBERS_READ = text(f"SELECT {_MEMBER} FROM member m WHERE m.member_id = ANY(CAST(:ids AS uuid[]))")

# The members of some partitions of whom something is judged up to the day that is closed there, without those of the batch.
MEMBERS_DUE = text(f"""
SELECT {_MEMBER}
FROM unnest(CAST(:partitions AS integer[]), CAST(:as_ofs AS timestamptz[])) AS closed(partition, as_of)
JOIN member m ON m.partition = closed.partition AND m.wakes_at <= closed.as_of
WHERE NOT EXISTS (SELECT FROM unnest(CAST(:ids AS uuid[])) AS told(member_id) WHERE told.member_id = m.member_id)
LIMIT CAST(:most AS bigint)
""")

# The daily buckets that leave a window on the way to the new day, or that must be known to be active.
DAYS_READ = text("""
SELECT d.member_id, d.day, d.spend_minor, d.orders, d.growth, d.complaints, d.active
FROM unnest(CAST(:ids AS uuid[]), CAST(:firsts AS date[]), CAST(:lasts AS date[])) AS leaving(member_id, first, last)
JOIN member_day d ON d.member_id = leaving.member_id AND d.day BETWEEN leaving.first AND leaving.last
""")

_PURCHASE = """
p.member_id, p.seq, p.order_id, p.time, p.day, p.clock, p.amount_minor, p.left_minor, p.left_qualifying_minor, p.unallocated_minor,
p.not_qualifying
"""

# The orders that a batch refunds.
ORDERS_READ = text(f"""
SELECT {_PURCHASE}
FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS text[])) AS refunded(member_id, order_id)
JOIN purchase p ON p.member_id = refunded.member_id AND p.order_id = refunded.order_id
""")

# The whole past of members who must be judged with it.
PAST_ORDERS = text(
    f"SELECT {_PURCHASE} FROM purchase p WHERE p.member_id = ANY(CAST(:ids AS uuid[])) ORDER BY p.member_id, p.seq"
)
PAST_DEEDS = text("""
SELECT member_id, seq, time, day, clock, kind FROM deed WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, seq
""")
PAST_ENDS = text("""
SELECT member_id, at, tier, since, held_since, restart_at, decided_on, restart_before, due_at
FROM period_end WHERE member_id = ANY(CAST(:ids AS uuid[])) ORDER BY member_id, at
""")

# Members whose standing has not changed: only the stream and the sums move on. Most of every batch, so it carries little.
MEMBERS_MOVE = text("""
UPDATE member m SET last_seq = moved.last_seq, clock = moved.clock, as_of = moved.as_of, gauged_by = moved.gauged_by,
                    spend_total = moved.spend_total, largest_order = moved.largest_order, growth_total = moved.growth_total,
                    windows = CAST(moved.windows AS bigint[])
FROM unnest(CAST(:ids AS uuid[]), CAST(:last_seqs AS bigint[]), CAST(:clocks AS timestamptz[]), CAST(:as_ofs AS date[]),
            CAST(:gauged_bys AS integer[]), CAST(:spend_totals AS bigint[]), CAST(:largest_orders AS bigint[]),
            CAST(:growth_totals AS bigint[]), CAST(:windows AS text[]))
  AS moved(member_id, last_seq, clock, as_of, gauged_by, spend_total, largest_order, growth_total, windows)
WHERE m.member_id = moved.member_id
""")

# New members, and where those of a batch stand after it whose standing has changed.
MEMBERS_SAVE = text("""
INSERT INTO member (member_id, partition, last_seq, clock, born_as_of, tier, since, until, held_since, restart_at, decided_on,
                    restart_before, last_end, ordinal, as_of, gauged_by, spend_total, largest_order, growth_total, windows,
                    due_at, joined_on, wakes_at, overrides, clubs)
SELECT member_id, partition, last_seq, clock, born_as_of, tier, since, until, held_since, restart_at, decided_on,
       restart_before, last_end, ordinal, as_of, gauged_by, spend_total, largest_order, growth_total, CAST(windows AS bigint[]),
       due_at, joined_on, wakes_at, CAST(overrides AS jsonb), CAST(clubs AS jsonb)
FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:last_seqs AS bigint[]), CAST(:clocks AS timestamptz[]),
            CAST(:born_as_ofs AS timestamptz[]), CAST(:tiers AS text[]), CAST(:sinces AS timestamptz[]),
            CAST(:untils AS timestamptz[]), CAST(:held_sinces AS date[]), CAST(:restarts AS timestamptz[]),
            CAST(:decided_ons AS date[]), CAST(:restarts_before AS timestamptz[]), CAST(:last_ends AS timestamptz[]),
            CAST(:ordinals AS bigint[]), CAST(:as_ofs AS date[]), CAST(:gauged_bys AS integer[]), CAST(:spend_totals AS bigint[]),
            CAST(:largest_orders AS bigint[]), CAST(:growth_totals AS bigint[]), CAST(:windows AS text[]),
            CAST(:dues AS timestamptz[]), CAST(:joineds AS date[]), CAST(:wakes AS timestamptz[]),
            CAST(:overrides AS text[]), CAST(:clubs AS text[]))
  AS said(member_id, partition, last_seq, clock, born_as_of, tier, since, until, held_since, restart_at, decided_on,
          restart_before, last_end, ordinal, as_of, gauged_by, spend_total, largest_order, growth_total, windows,
          due_at, joined_on, wakes_at, overrides, clubs)
ON CONFLICT (member_id) DO UPDATE SET
  partition = excluded.partition, last_seq = excluded.last_seq, clock = excluded.clock, born_as_of = excluded.born_as_of,
  tier = excluded.tier, since = excluded.since, until = excluded.until, held_since = excluded.held_since,
  restart_at = excluded.restart_at, decided_on = excluded.decided_on, restart_before = excluded.restart_before,
  last_end = excluded.last_end, ordinal = excluded.ordinal, as_of = excluded.as_of, gauged_by = excluded.gauged_by,
  spend_total = excluded.spend_total, largest_order = excluded.largest_order, growth_total = excluded.growth_total,
  windows = excluded.windows, due_at = excluded.due_at, joined_on = excluded.joined_on, wakes_at = excluded.wakes_at,
  overrides = excluded.overrides, clubs = excluded.clubs
""")

# A number that a discarded dead letter gives up. A member of whom nothing else is known gets his partition with his next record.
NUMBER_SKIP = text("""
INSERT INTO member (member_id, partition, last_seq) VALUES (:member_id, -1, :number)
ON CONFLICT (member_id) DO UPDATE SET last_seq = excluded.last_seq WHERE member.last_seq < excluded.last_seq
""")

# New orders, of which everything is left; copied in, like all that is only added.
PURCHASE_COLUMNS = (
    "member_id", "seq", "order_id", "time", "day", "clock", "amount_minor", "left_minor", "left_qualifying_minor",
    "unallocated_minor", "not_qualifying",
)  # fmt: skip

# What refunds have left of orders.
PURCHASES_CHANGE = text("""
UPDATE purchase p SET left_minor = changed."left", left_qualifying_minor = changed.left_qualifying,
                      unallocated_minor = changed.unallocated
FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:lefts AS bigint[]), CAST(:left_qualifyings AS bigint[]),
            CAST(:unallocateds AS bigint[])) AS changed(member_id, seq, "left", left_qualifying, unallocated)
WHERE p.member_id = changed.member_id AND p.seq = changed.seq
""")

# What the batch puts on top of the daily buckets.
DAYS_ADD = text("""
INSERT INTO member_day (member_id, day, spend_minor, orders, growth, complaints, active)
SELECT member_id, day, spend, orders, growth, complaints, active
FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS date[]), CAST(:spends AS bigint[]), CAST(:orders AS integer[]),
            CAST(:growths AS bigint[]), CAST(:complaints AS integer[]), CAST(:actives AS boolean[]))
  AS added(member_id, day, spend, orders, growth, complaints, active)
ON CONFLICT (member_id, day) DO UPDATE SET
  spend_minor = member_day.spend_minor + excluded.spend_minor, orders = member_day.orders + excluded.orders,
  growth = member_day.growth + excluded.growth, complaints = member_day.complaints + excluded.complaints,
  active = member_day.active OR excluded.active
""")

DEEDS_ADD = text("""
INSERT INTO deed (member_id, seq, time, day, clock, kind)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:times AS timestamptz[]), CAST(:days AS date[]),
                     CAST(:clocks AS timestamptz[]), CAST(:kinds AS text[]))
""")

# Ends and ways that are judged again are replaced from the first of these ends on.
ENDS_UNDO = text("""
DELETE FROM period_end e USING unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[])) AS undone(member_id, instant)
WHERE e.member_id = undone.member_id AND e.at >= undone.instant
""")
PATH_UNDO = text("""
DELETE FROM tier_path t USING unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[])) AS undone(member_id, instant)
WHERE t.member_id = undone.member_id AND t.starts_at >= undone.instant
""")
ENDS_ADD = text("""
INSERT INTO period_end (member_id, at, tier, since, held_since, restart_at, decided_on, restart_before, due_at)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[]), CAST(:tiers AS text[]),
                     CAST(:sinces AS timestamptz[]), CAST(:held_sinces AS date[]), CAST(:restarts AS timestamptz[]),
                     CAST(:decided_ons AS date[]), CAST(:restarts_before AS timestamptz[]), CAST(:dues AS timestamptz[]))
""")
# Two moves at one instant: the later one is what held.
PATH_ADD = text("""
INSERT INTO tier_path (member_id, starts_at, tier)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[]), CAST(:tiers AS text[]))
ON CONFLICT (member_id, starts_at) DO UPDATE SET tier = excluded.tier
""")

FACTS_ADD = text("""
INSERT INTO standing (member_id, ordinal, holds_after, kind, tier_from, tier_to, since, until, held_since, at, cause, rule,
                      metrics, version, replaced_from, path, effective_from, effective_to)
SELECT member_id, ordinal, holds_after, kind, tier_from, tier_to, since, until, held_since, at, cause, rule,
       CAST(metrics AS jsonb), version, replaced_from, CAST(path AS jsonb), effective_from, effective_to
FROM unnest(CAST(:ids AS uuid[]), CAST(:ordinals AS bigint[]), CAST(:holds_afters AS bigint[]), CAST(:kinds AS text[]),
            CAST(:froms AS text[]), CAST(:tos AS text[]), CAST(:sinces AS timestamptz[]), CAST(:untils AS timestamptz[]),
            CAST(:held_sinces AS date[]), CAST(:ats AS timestamptz[]), CAST(:causes AS text[]), CAST(:rules AS text[]),
            CAST(:metrics AS text[]), CAST(:versions AS integer[]), CAST(:replaced_froms AS timestamptz[]), CAST(:paths AS text[]),
            CAST(:effective_froms AS text[]), CAST(:effective_tos AS text[]))
  AS said(member_id, ordinal, holds_after, kind, tier_from, tier_to, since, until, held_since, at, cause, rule, metrics, version,
          replaced_from, path, effective_from, effective_to)
""")

# Overrides as they came, and once more when the tier of a sanction is settled at its start.
OVERRIDES_KEEP = text("""
INSERT INTO override (member_id, seq, act, tier, mode, since, until, reason, actor, steps, starts_at)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:acts AS text[]), CAST(:tiers AS text[]),
                     CAST(:modes AS text[]), CAST(:sinces AS timestamptz[]), CAST(:untils AS timestamptz[]),
                     CAST(:reasons AS text[]), CAST(:actors AS text[]), CAST(:steps AS integer[]), CAST(:starts AS timestamptz[]))
ON CONFLICT (member_id, seq) DO UPDATE SET tier = excluded.tier, starts_at = excluded.starts_at
""")

# What staff has said of ending an override early; it only grows.
OVERRIDES_TAKEN_BACK_ADD = text("""
INSERT INTO override_taken_back (member_id, seq, of_seq, since, at, reason, actor)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:ofs AS bigint[]), CAST(:sinces AS timestamptz[]),
                     CAST(:ats AS timestamptz[]), CAST(:reasons AS text[]), CAST(:actors AS text[]))
""")

CLUB_FACTS_ADD = text("""
INSERT INTO club_fact (member_id, club, ordinal, holds_after, kind, tier_from, tier_to, since, until, held_since, at, cause, rule,
                       metrics, version)
SELECT member_id, club, ordinal, holds_after, kind, tier_from, tier_to, since, until, held_since, at, cause, rule,
       CAST(metrics AS jsonb), version
FROM unnest(CAST(:ids AS uuid[]), CAST(:clubs AS text[]), CAST(:ordinals AS bigint[]), CAST(:holds_afters AS bigint[]),
            CAST(:kinds AS text[]), CAST(:froms AS text[]), CAST(:tos AS text[]), CAST(:sinces AS timestamptz[]),
            CAST(:untils AS timestamptz[]), CAST(:held_sinces AS date[]), CAST(:ats AS timestamptz[]), CAST(:causes AS text[]),
            CAST(:rules AS text[]), CAST(:metrics AS text[]), CAST(:versions AS integer[]))
  AS said(member_id, club, ordinal, holds_after, kind, tier_from, tier_to, since, until, held_since, at, cause, rule, metrics, version)
""")

# What stands about the partitions of a batch: their last closed day and their activations, in the order of the log.
LANES_READ = text("""
SELECT lane.partition, d.as_of, a.version, a.sha256, a.effective_from
FROM unnest(CAST(:partitions AS integer[])) AS lane(partition)
LEFT JOIN partition_day d ON d.partition = lane.partition
LEFT JOIN activation a ON a.partition = lane.partition
ORDER BY lane.partition, a.at_offset
""")
DAYS_CLOSE = text("""
INSERT INTO partition_day (partition, as_of)
SELECT * FROM unnest(CAST(:partitions AS integer[]), CAST(:as_ofs AS timestamptz[]))
ON CONFLICT (partition) DO UPDATE SET as_of = excluded.as_of
""")
ACTIVATIONS_ADD = text("""
INSERT INTO activation (partition, at_offset, version, sha256, effective_from)
SELECT * FROM unnest(CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]), CAST(:versions AS integer[]),
                     CAST(:hashes AS text[]), CAST(:froms AS timestamptz[]))
ON CONFLICT DO NOTHING
""")

PROGRAMMES_READ = text("""
SELECT version, sha256, CAST(document AS text) AS document, loaded_at
FROM programme WHERE version = ANY(CAST(:versions AS integer[]))
""")
PROGRAMMES_LIST = text("SELECT version, sha256, loaded_at FROM programme ORDER BY version")
PROGRAMME_ADD = text("""
INSERT INTO programme (version, sha256, document, loaded_at)
VALUES (:version, :sha256, CAST(:document AS jsonb), :loaded_at)
ON CONFLICT DO NOTHING
""")
# The newest version that is activated anywhere.
ACTIVATED_LAST = text("SELECT max(version) AS version FROM activation")
