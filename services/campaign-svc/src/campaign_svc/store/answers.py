"""What is asked over HTTP: awards, decisions, budgets, sums, and what is said again. Reads only. The one thing not to break: an answer
comes from the rows that the decision left, never from how things stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from campaign_svc.domain.awards import Award, Occasion, TakenBack
from campaign_svc.domain.programme import Ruleset
from campaign_svc.store import rows
from campaign_svc.store.shelf import ProgrammeShelf
from campaign_svc.store.statements import AWARD_COLUMNS, OCCASION_COLUMNS, PROGRAMMES_READ
from laurel_kit.postgres import Transaction

PLACE_LAST = 2**62  # above every member_seq

BACK_COLUMNS = "a.back_cause, a.back_number, a.back_at, a.back_said_number, a.back_why"

MEMBER_EXISTS = text("SELECT 1 FROM member WHERE member_id = :member_id")

# A member's awards, the newest number first.
AWARDS_OF_MEMBER = text(f"""
SELECT {AWARD_COLUMNS}, {BACK_COLUMNS} FROM award a
WHERE a.member_id = :member_id AND a.said_number < :before ORDER BY a.said_number DESC LIMIT :limit
""")

# The awards that these causes granted.
AWARDS_OF_CAUSES = text(f"""
SELECT {AWARD_COLUMNS}, {BACK_COLUMNS} FROM award a
WHERE a.member_id = :member_id AND (a.cause, a.number) IN (
  SELECT cause, number FROM unnest(CAST(:causes AS text[]), CAST(:numbers AS bigint[])) AS w(cause, number))
ORDER BY a.said_number
""")

# What fired campaigns of a member, the latest in his stream first; a standing stands behind the activity that it holds after.
OCCASIONS_OF_MEMBER = text(f"""
SELECT {OCCASION_COLUMNS} FROM occasion o
WHERE o.member_id = :member_id AND (o.place, o.cause, o.number) < (:place, :cause, :number)
ORDER BY o.place DESC, o.cause DESC, o.number DESC LIMIT :limit
""")

ORDER_OF_MEMBER = text(f"""
SELECT {OCCASION_COLUMNS} FROM occasion o WHERE o.member_id = :member_id AND o.order_id = :order_id
""")

PROGRAMME_VERSIONS = text("""
SELECT p.version, p.sha256, (SELECT count(*) FROM activation a WHERE a.version = p.version) AS activated_partitions
FROM programme p ORDER BY p.version
""")

BUDGETS = text("SELECT campaign_id, used FROM budget")

SUMS = text("""
SELECT campaign_id, kind, count(*) FILTER (WHERE item = 0) AS grants, count(*) AS awards, count(back_said_number) AS taken_back,
  coalesce(sum(points), 0) AS points, coalesce(sum(points) FILTER (WHERE back_said_number IS NOT NULL), 0) AS points_taken_back
FROM award GROUP BY campaign_id, kind ORDER BY campaign_id, kind
""")

MEMBERS_COUNT = text("SELECT count(*) AS members FROM member")


@dataclass(frozen=True, slots=True)
class KeptAward:
    """An award and, where it was taken back, how."""

    award: Award
    taken_back: TakenBack | None


def kept_award(row: Any) -> KeptAward:
    award = rows.award(row)
    if row.back_said_number is None:
        return KeptAward(award, None)
    return KeptAward(
        award, TakenBack(award, row.back_cause, row.back_number, row.back_at, row.back_said_number, row.back_why)
    )


class Answers:
    """One reading transaction."""

    def __init__(self, tx: Transaction, shelf: ProgrammeShelf) -> None:
        self._tx = tx
        self._shelf = shelf

    async def knows(self, member_id: UUID) -> bool:
        return (await self._tx.run(MEMBER_EXISTS, member_id=member_id)).first() is not None

    async def awards(self, member_id: UUID, *, before: int, limit: int) -> list[KeptAward]:
        found = await self._tx.run(AWARDS_OF_MEMBER, member_id=member_id, before=before, limit=limit)
        return [kept_award(row) for row in found]

    async def awards_of(self, member_id: UUID, occasions: Sequence[Occasion]) -> dict[tuple[str, int], list[KeptAward]]:
        """The awards of these occasions, by kind and number of the cause."""
        found = await self._tx.run(
            AWARDS_OF_CAUSES,
            member_id=member_id,
            causes=[occasion.cause for occasion in occasions],
            numbers=[occasion.number for occasion in occasions],
        )
        awards: dict[tuple[str, int], list[KeptAward]] = {}
        for kept in map(kept_award, found):
            awards.setdefault((kept.award.cause, kept.award.number), []).append(kept)
        return awards

    async def occasions(self, member_id: UUID, *, before: tuple[int, str, int], limit: int) -> list[Occasion]:
        place, cause, number = before
        found = await self._tx.run(
            OCCASIONS_OF_MEMBER, member_id=member_id, place=place, cause=cause, number=number, limit=limit
        )
        return [rows.occasion(row) for row in found]

    async def order(self, member_id: UUID, order_id: str) -> list[Occasion]:
        found = await self._tx.run(ORDER_OF_MEMBER, member_id=member_id, order_id=order_id)
        return [rows.occasion(row) for row in found]

    async def rules(self, versions: Sequence[int]) -> dict[int, Ruleset]:
        """The rule sets of versions that decisions were made by; they are stored, or the decision would not be."""
        missing = self._shelf.missing(versions)
        if missing:
            for row in await self._tx.run(PROGRAMMES_READ, versions=missing):
                self._shelf.add(row)
        return self._shelf.rules

    async def programme_versions(self) -> list[tuple[int, str, bool]]:
        """Version, hash, and whether any partition has been told that it is in force."""
        found = await self._tx.run(PROGRAMME_VERSIONS)
        return [(row.version, row.sha256, row.activated_partitions > 0) for row in found]

    async def budgets_used(self) -> dict[str, int]:
        return {row.campaign_id: row.used for row in await self._tx.run(BUDGETS)}

    async def sums(self) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self._tx.run(SUMS)]

    async def members_count(self) -> int:
        return int((await self._tx.run(MEMBERS_COUNT)).scalar_one())
