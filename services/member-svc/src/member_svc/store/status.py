"""The member's status: one row per member, kept from what the others say. The one thing not to break: a row remembers the last number it
has heard from each of them, so that nothing counts twice and a gap is noticed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction

Sayer = Literal["tiers", "campaigns", "points"]

# Rows of the members that are spoken of, locked ascending.
STATUS_LOCK = text("""
SELECT member_id, tiers_number, campaigns_number, points_number, CAST(coupons AS text) AS coupons
FROM member_status WHERE member_id = ANY(CAST(:ids AS uuid[]))
ORDER BY member_id
FOR NO KEY UPDATE
""")

# Members we have not heard of, e.g. while their database is being rebuilt.
STATUS_INSERT = text("""
INSERT INTO member_status (member_id) SELECT unnest(CAST(:ids AS uuid[])) ORDER BY 1 ON CONFLICT DO NOTHING
""")

STANDINGS_SAVE = text("""
UPDATE member_status s SET tier = n.tier, since = n.since, until = n.until, tiers_number = n.number
FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:tiers AS text[]), CAST(:sinces AS timestamptz[]),
            CAST(:untils AS timestamptz[])) AS n(member_id, number, tier, since, until)
WHERE s.member_id = n.member_id
""")

POINTS_SAVE = text("""
UPDATE member_status s SET posted = n.posted, held = n.held, debt = n.debt, earned_net = n.earned_net,
  ladder = CAST(n.ladder AS jsonb), pending = CAST(n.pending AS jsonb), points_number = n.number
FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:posted AS bigint[]), CAST(:held AS bigint[]),
            CAST(:debts AS bigint[]), CAST(:earned AS bigint[]), CAST(:ladders AS text[]), CAST(:pendings AS text[]))
  AS n(member_id, number, posted, held, debt, earned_net, ladder, pending)
WHERE s.member_id = n.member_id
""")

COUPONS_SAVE = text("""
UPDATE member_status s SET coupons = CAST(n.coupons AS jsonb), campaigns_number = n.number
FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:coupons AS text[])) AS n(member_id, number, coupons)
WHERE s.member_id = n.member_id
""")

# A number that is given up: its record became a dead letter.
SKIPS = {
    "tiers": text("UPDATE member_status SET tiers_number = :number WHERE member_id = :member_id"),
    "campaigns": text("UPDATE member_status SET campaigns_number = :number WHERE member_id = :member_id"),
    "points": text("UPDATE member_status SET points_number = :number WHERE member_id = :member_id"),
}

# One row, one read; the question that is asked most.
STATUS_READ = """
SELECT member_id, state, enrolled_at, tier, since, until, posted, held, debt, earned_net, CAST(ladder AS text) AS ladder,
       CAST(pending AS text) AS pending, CAST(coupons AS text) AS coupons, tiers_number, campaigns_number, points_number
FROM member_status WHERE member_id = ANY($1::uuid[])
"""


class Last(NamedTuple):
    """What a status row has heard last from each sayer; `coupons` is its JSON."""

    tiers: int
    campaigns: int
    points: int
    coupons: str


class NewStanding(NamedTuple):
    """The tier a member holds now."""

    member_id: UUID
    number: int
    tier: str
    since: datetime | None
    until: datetime | None


class NewBalance(NamedTuple):
    """Points as they stand now; `ladder` and `pending` are JSON lists of (instant, points)."""

    member_id: UUID
    number: int
    posted: int
    held: int
    debt: int
    earned_net: int
    ladder: str
    pending: str


class NewCoupons(NamedTuple):
    """The coupons a member has now, as JSON."""

    member_id: UUID
    number: int
    coupons: str


class StoredStatus(NamedTuple):
    """A status row; lists are JSON."""

    member_id: UUID
    state: str
    enrolled_at: datetime | None
    tier: str | None
    since: datetime | None
    until: datetime | None
    posted: int
    held: int
    debt: int
    earned_net: int
    ladder: str
    pending: str
    coupons: str
    tiers_number: int
    campaigns_number: int
    points_number: int


class Statuses:
    """Status rows inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, member_ids: Collection[UUID]) -> dict[UUID, Last]:
        """Lock the rows of members, ascending; missing ones are made."""
        ids = sorted(member_ids)
        found = await self._locked(ids)
        missing = [member_id for member_id in ids if member_id not in found]
        if missing:
            await self._tx.run(STATUS_INSERT, ids=missing)
            found |= await self._locked(missing)
        return found

    async def _locked(self, ids: Sequence[UUID]) -> dict[UUID, Last]:
        rows = await self._tx.run(STATUS_LOCK, ids=list(ids))
        return {
            member_id: Last(tiers, campaigns, points, coupons)
            for member_id, tiers, campaigns, points, coupons in rows.all()
        }

    async def save_standings(self, standings: Sequence[NewStanding]) -> None:
        """Keep tiers."""
        if standings:
            ids, numbers, tiers, sinces, untils = map(list, zip(*standings, strict=True))
            await self._tx.run(STANDINGS_SAVE, ids=ids, numbers=numbers, tiers=tiers, sinces=sinces, untils=untils)

    async def save_balances(self, balances: Sequence[NewBalance]) -> None:
        """Keep points."""
        if balances:
            ids, numbers, posted, held, debts, earned, ladders, pendings = map(list, zip(*balances, strict=True))
            await self._tx.run(
                POINTS_SAVE, ids=ids, numbers=numbers, posted=posted, held=held, debts=debts, earned=earned,
                ladders=ladders, pendings=pendings,
            )  # fmt: skip

    async def save_coupons(self, coupons: Sequence[NewCoupons]) -> None:
        """Keep coupons."""
        if coupons:
            ids, numbers, texts = map(list, zip(*coupons, strict=True))
            await self._tx.run(COUPONS_SAVE, ids=ids, numbers=numbers, coupons=texts)

    async def skip(self, sayer: Sayer, member_id: UUID, number: int) -> None:
        """Give up a number whose record became a dead letter."""
        await self.lock([member_id])
        await self._tx.run(SKIPS[sayer], member_id=member_id, number=number)

    async def read(self, member_ids: Sequence[UUID]) -> dict[UUID, StoredStatus]:
        """The rows of these members."""
        rows = await self._tx.fetch(STATUS_READ, list(member_ids))
        return {row[0]: StoredStatus(*row) for row in rows}
