"""What is asked over HTTP, and what is said again: reads only. The one thing not to break: facts come in the order of their ordinals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit import sql as kit
from laurel_kit.postgres import Transaction
from tier_svc.domain.clubs import ClubFact
from tier_svc.domain.facts import Fact
from tier_svc.domain.overlaying import Override, TakenBack
from tier_svc.store import rows

_FACT = """
s.member_id, s.ordinal, s.holds_after, s.kind, s.tier_from, s.tier_to, s.since, s.until, s.held_since, s.at, s.cause, s.rule,
s.metrics, s.version, s.replaced_from, s.path, s.effective_from, s.effective_to
"""

# One member's facts, oldest first.
FACTS_READ = text(f"""
SELECT {_FACT} FROM standing s WHERE s.member_id = :member_id AND s.ordinal > :after ORDER BY s.ordinal LIMIT :limit
""")

# The latest first.
FACTS_LATEST = text(
    f"SELECT {_FACT} FROM standing s WHERE s.member_id = :member_id ORDER BY s.ordinal DESC LIMIT :limit"
)

# Every override of a member that was ever numbered.
OVERRIDES_READ = text("""
SELECT seq, tier, since, until, mode, reason, actor, act, steps, starts_at FROM override WHERE member_id = :member_id ORDER BY seq
""")

# And what staff has said of ending one early.
TAKEN_BACK_READ = text("""
SELECT seq, of_seq, since, at, reason, actor FROM override_taken_back WHERE member_id = :member_id ORDER BY seq
""")

_CLUB_FACT = """
c.member_id, c.club, c.ordinal, c.holds_after, c.kind, c.tier_from, c.tier_to, c.since, c.until, c.held_since, c.at, c.cause, c.rule,
c.metrics, c.version
"""

# Members' facts about clubs, oldest first, with their partition.
CLUB_FACTS_READ = text(f"""
SELECT m.partition, {_CLUB_FACT} FROM member m JOIN club_fact c ON c.member_id = m.member_id
WHERE m.member_id = ANY(CAST(:ids AS uuid[])) ORDER BY m.member_id, c.club, c.ordinal
""")

# Facts to say again, with the partition they are said into; the member rows are locked, so that nobody says a new one in between.
FACTS_AGAIN = text(f"""
SELECT m.partition, {_FACT} FROM member m JOIN standing s ON s.member_id = m.member_id
WHERE m.member_id = ANY(CAST(:ids AS uuid[])) ORDER BY m.member_id, s.ordinal
""")
MEMBERS_LOCK = text("""
SELECT member_id FROM member WHERE member_id > :after AND (ordinal > 0 OR clubs IS NOT NULL OR EXISTS (
  SELECT FROM task_reward r WHERE r.member_id = member.member_id))
ORDER BY member_id LIMIT :limit FOR NO KEY UPDATE
""")
MEMBER_KNOWN = text("SELECT 1 FROM member WHERE member_id = :member_id")
MEMBER_LOCK = text("SELECT member_id FROM member WHERE member_id = :member_id FOR NO KEY UPDATE")

# Which tier was held at an instant, as corrected.
PATH_AT = text("""
SELECT tier, starts_at FROM tier_path WHERE member_id = :member_id AND starts_at <= :instant ORDER BY starts_at DESC LIMIT 1
""")

# A page of all members.
STANDINGS_PAGE = text("""
SELECT member_id, tier, since, until, CAST(overrides AS text) AS overrides
FROM member WHERE member_id > :after ORDER BY member_id LIMIT :limit
""")

COUNT_TIERS = text("SELECT tier, count(*) AS members FROM member GROUP BY tier")
COUNT_FACTS = text("""
SELECT kind, count(*) AS facts, count(*) FILTER (WHERE tier_from <> tier_to) AS moves FROM standing GROUP BY kind
""")
# A tier that is reached again is kept too, by an activity and not at an end.
COUNT_ENDS = text("SELECT count(*) AS ends FROM standing WHERE kind IN ('kept', 'lapsed') AND cause LIKE 'end %'")


class Answers:
    """Questions about members, all read only."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def facts(self, member_id: UUID, after: int, limit: int) -> list[Fact]:
        """A member's facts after an ordinal."""
        found = await self._tx.run(FACTS_READ, member_id=member_id, after=after, limit=limit)
        return [rows.fact(row) for row in found.all()]

    async def facts_latest(self, member_id: UUID, limit: int) -> list[Fact]:
        """A member's last facts, the latest first."""
        found = await self._tx.run(FACTS_LATEST, member_id=member_id, limit=limit)
        return [rows.fact(row) for row in found.all()]

    async def overrides(self, member_id: UUID) -> list[Override]:
        """All overrides of a member, by number, as they were decided."""
        return [rows.override(row) for row in (await self._tx.run(OVERRIDES_READ, member_id=member_id)).all()]

    async def taken_back(self, member_id: UUID) -> list[TakenBack]:
        """What has ended overrides of a member early, by number."""
        return [TakenBack(*row) for row in (await self._tx.run(TAKEN_BACK_READ, member_id=member_id)).all()]

    async def club_facts(self, member_ids: Sequence[UUID]) -> list[tuple[UUID, int, ClubFact]]:
        """All facts about the clubs of some members, each with its partition."""
        if not member_ids:
            return []
        found = (await self._tx.run(CLUB_FACTS_READ, ids=list(member_ids))).all()
        return [(row.member_id, row.partition, rows.club_fact(row)) for row in found]

    async def facts_to_say_again(
        self, member_id: UUID | None, after: UUID, limit: int
    ) -> tuple[list[UUID], list[tuple[UUID, int, Fact]]]:
        """The next members (or the one asked for), locked, and all their facts with the partition of each."""
        if member_id is None:
            locked = await self._tx.run(MEMBERS_LOCK, after=after, limit=limit)
        else:
            locked = await self._tx.run(MEMBER_LOCK, member_id=member_id)
        ids = [row.member_id for row in locked.all()]
        found = (await self._tx.run(FACTS_AGAIN, ids=ids)).all() if ids else []
        return ids, [(row.member_id, row.partition, rows.fact(row)) for row in found]

    async def tier_at(self, member_id: UUID, instant: datetime) -> tuple[str, datetime | None]:
        """The tier held at an instant and since when, as corrected; "" is the lowest since enrolment."""
        row = (await self._tx.run(PATH_AT, member_id=member_id, instant=instant)).first()
        return (row.tier, row.starts_at) if row is not None else ("", None)

    async def knows(self, member_id: UUID) -> bool:
        """Whether anything is known about a member."""
        return (await self._tx.run(MEMBER_KNOWN, member_id=member_id)).first() is not None

    async def cursors(self, topic: str) -> list[tuple[int, int]]:
        """How far each partition of a topic has been assessed: (partition, next offset)."""
        rows = (await self._tx.run(kit.CURSORS_READ, grp=self._tx.group)).all()
        return [(row.partition, row.next_offset) for row in rows if row.topic == topic]

    async def page(self, after: UUID, limit: int) -> Sequence[Any]:
        """Members by id, with tier, since, until and the overrides that are not over."""
        return (await self._tx.run(STANDINGS_PAGE, after=after, limit=limit)).all()

    async def members_by_tier(self) -> dict[str, int]:
        """How many members hold each tier; "" is the lowest since enrolment."""
        return {row.tier: row.members for row in (await self._tx.run(COUNT_TIERS)).all()}

    async def ends_judged(self) -> int:
        """How many period ends were judged for the first time."""
        return int((await self._tx.run(COUNT_ENDS)).scalar_one())

    async def facts_by_kind(self) -> dict[str, tuple[int, int]]:
        """How many facts of each kind were said, and how many of them moved the member to another tier."""
        return {row.kind: (row.facts, row.moves) for row in (await self._tx.run(COUNT_FACTS)).all()}
