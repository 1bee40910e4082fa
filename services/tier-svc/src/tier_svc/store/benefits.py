"""What members have chosen, their uses of benefits, and what is taken of what is scarce. The one thing not to break: a member's uses are
counted under the lock of his row in `profile`, and a piece is taken by one statement that takes none beyond the total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from tier_svc.domain.benefits import Reason
from tier_svc.domain.ladder import Rules
from tier_svc.domain.spans import Span
from tier_svc.store.rows import effective

FOR_EVER = "ever"  # the span of a total without a period
DAY_LAST = date.max

# Where a member stands and what he has chosen; one row, no lock.
HOLDER_READ = text("""
SELECT m.partition, m.tier, CAST(m.overrides AS text) AS overrides, m.clock, p.pack, p.birthday
FROM member m LEFT JOIN profile p ON p.member_id = m.member_id WHERE m.member_id = :member_id
""")

# The lock of a member's uses. The row is made when it is first needed.
PROFILE_ADD = text("INSERT INTO profile (member_id) VALUES (:member_id) ON CONFLICT DO NOTHING")
PROFILE_LOCK = text("SELECT pack, birthday FROM profile WHERE member_id = :member_id FOR UPDATE")
# What a member chooses replaces what he had chosen; his row is locked by then.
PROFILE_PUT = text("UPDATE profile SET pack = :pack, birthday = :birthday WHERE member_id = :member_id")
# Members who are forgotten: nothing they have told stays.
PROFILES_FORGET = text("DELETE FROM profile WHERE member_id = ANY(CAST(:ids AS uuid[]))")

# How often a member has used some benefits, each over a span of local days; as it stood at an instant.
USED_READ = text("""
SELECT asked.benefit_id, count(u.use_id) AS used
FROM unnest(CAST(:benefits AS text[]), CAST(:sinces AS date[]), CAST(:untils AS date[])) AS asked(benefit_id, since, until)
JOIN benefit_use u ON u.member_id = :member_id AND u.benefit_id = asked.benefit_id AND u.day >= asked.since AND u.day < asked.until
                  AND u.made_at <= :at AND (u.given_back_at IS NULL OR u.given_back_at > :at)
GROUP BY asked.benefit_id
""")
# The same as of now, by the index over live uses.
USED_NOW = text("""
SELECT asked.benefit_id, count(u.use_id) AS used
FROM unnest(CAST(:benefits AS text[]), CAST(:sinces AS date[]), CAST(:untils AS date[])) AS asked(benefit_id, since, until)
JOIN benefit_use u ON u.member_id = :member_id AND u.benefit_id = asked.benefit_id AND u.day >= asked.since AND u.day < asked.until
                  AND u.given_back_at IS NULL
GROUP BY asked.benefit_id
""")

# What is taken of some benefits by all members.
TAKEN_READ = text("""
SELECT s.benefit_id, s.taken
FROM unnest(CAST(:benefits AS text[]), CAST(:pers AS text[]), CAST(:sinces AS date[])) AS asked(benefit_id, per, since)
JOIN benefit_stock s ON s.benefit_id = asked.benefit_id AND s.per = asked.per AND s.since = asked.since
""")
# One piece, if the total allows one more: the row's lock makes callers take turns, and its condition is judged anew behind each of them.
STOCK_CLAIM = text("""
INSERT INTO benefit_stock AS s (benefit_id, per, since, taken) SELECT :benefit_id, :per, :since, 1 WHERE :total > 0
ON CONFLICT (benefit_id, per, since) DO UPDATE SET taken = s.taken + 1 WHERE s.taken < :total
RETURNING taken
""")
# A piece that is given back; the use it belonged to has ended in this transaction, so it comes back once.
STOCK_RETURN = text("""
UPDATE benefit_stock SET taken = taken - 1 WHERE benefit_id = :benefit_id AND per = :per AND since = :since
""")

_USE = """
number, use_id, member_id, benefit_id, kind, tier, version, day, value, gives, order_id, stock_per, stock_since, made_at, given_back_at,
given_back_by, reason, CAST(why AS text) AS why
"""
# A use, with the reasons as they stood.
USE_ADD = text(f"""
INSERT INTO benefit_use (use_id, member_id, benefit_id, kind, tier, version, day, value, gives, order_id, stock_per, stock_since,
                         why, made_at)
VALUES (:use_id, :member_id, :benefit_id, :kind, :tier, :version, :day, :value, :gives, :order_id, :stock_per, :stock_since,
        CAST(:why AS jsonb), :made_at)
RETURNING {_USE}
""")
# One use, as it stands.
USE_READ = text(f"SELECT {_USE} FROM benefit_use WHERE use_id = :use_id")
# A use ends once: nothing is returned where it had ended before.
USE_END = text(f"""
UPDATE benefit_use SET given_back_at = :at, given_back_by = :actor, reason = :reason
WHERE use_id = :use_id AND given_back_at IS NULL RETURNING {_USE}
""")
# A page of a member's uses, the latest first.
USES_PAGE = text(f"""
SELECT {_USE} FROM benefit_use WHERE member_id = :member_id AND number < :before ORDER BY number DESC LIMIT :limit
""")

# How many members stand at each tier with each pack; whom of them used which benefit; and how often each was used at which tier.
ENTITLED_COUNT = text("""
SELECT m.tier, CAST(m.overrides AS text) AS overrides, p.pack, count(*) AS members
FROM member m LEFT JOIN profile p ON p.member_id = m.member_id GROUP BY m.tier, m.overrides, p.pack
""")
USERS_COUNT = text("""
SELECT u.benefit_id, m.tier, CAST(m.overrides AS text) AS overrides, p.pack, count(DISTINCT u.member_id) AS members
FROM benefit_use u JOIN member m ON m.member_id = u.member_id LEFT JOIN profile p ON p.member_id = u.member_id
WHERE u.day >= :since AND u.day < :until AND u.given_back_at IS NULL GROUP BY u.benefit_id, m.tier, m.overrides, p.pack
""")
USES_COUNT = text("""
SELECT benefit_id, tier, count(*) FILTER (WHERE given_back_at IS NULL) AS uses,
       count(*) FILTER (WHERE given_back_at IS NOT NULL) AS given_back
FROM benefit_use WHERE day >= :since AND day < :until GROUP BY benefit_id, tier
""")


@dataclass(frozen=True, slots=True)
class HolderRow:
    """What is known of a member. `tier`: the computed one ("" is the lowest); `overrides`: what lies on top of it, as stored."""

    partition: int
    tier: str
    overrides: str | None
    clock: datetime | None
    pack: str | None
    birthday: str | None


@dataclass(frozen=True, slots=True)
class NewUse:
    """A use that is about to be written."""

    use_id: UUID
    member_id: UUID
    benefit_id: str
    kind: str
    tier: str
    version: int
    day: date
    value: int | None
    gives: str | None
    order_id: str | None
    stock_per: str | None
    stock_since: date | None
    made_at: datetime


class UsageRows(NamedTuple):
    """Members by (tier, pack); users by (benefit, tier, pack); uses and give-backs by (benefit, tier)."""

    entitled: Mapping[tuple[str, str | None], int]
    users: Mapping[tuple[str, str, str | None], int]
    uses: Mapping[tuple[str, str], tuple[int, int]]


class Benefits:
    """Reads and writes of profiles, uses and stock."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def holder(self, member_id: UUID) -> HolderRow | None:
        """Where a member stands and what he has chosen."""
        row = (await self._tx.run(HOLDER_READ, member_id=member_id)).one_or_none()
        return None if row is None else HolderRow(*row)

    async def lock(self, member_id: UUID) -> tuple[str | None, str | None]:
        """The member's uses belong to this transaction until it ends; pack and birthday."""
        found = (await self._tx.run(PROFILE_LOCK, member_id=member_id)).one_or_none()
        if found is None:
            await self._tx.run(PROFILE_ADD, member_id=member_id)
            found = (await self._tx.run(PROFILE_LOCK, member_id=member_id)).one()
        return found.pack, found.birthday

    async def put_profile(self, member_id: UUID, pack: str | None, birthday: str | None) -> None:
        """What the member has chosen, as a whole."""
        await self._tx.run(PROFILE_PUT, member_id=member_id, pack=pack, birthday=birthday)

    async def forget(self, members: Sequence[UUID]) -> None:
        """Nothing of what these members have told stays."""
        await self._tx.run(PROFILES_FORGET, ids=list(members))

    async def used(self, member_id: UUID, spans: Mapping[str, Span], at: datetime | None) -> dict[str, int]:
        """Live uses by benefit, each over its span; as of an instant, or (None) now."""
        if not spans:
            return {}
        asked = {
            "member_id": member_id,
            "benefits": list(spans),
            "sinces": [span.since for span in spans.values()],
            "untils": [span.until or DAY_LAST for span in spans.values()],
        }
        found = await (self._tx.run(USED_NOW, **asked) if at is None else self._tx.run(USED_READ, **asked, at=at))
        return {row.benefit_id: row.used for row in found.all()}

    async def taken(self, spans: Mapping[str, tuple[str | None, Span]]) -> dict[str, int]:
        """What all members have taken, by benefit, each over its span of the total."""
        if not spans:
            return {}
        found = await self._tx.run(
            TAKEN_READ,
            benefits=list(spans),
            pers=[per or FOR_EVER for per, _ in spans.values()],
            sinces=[span.since for _, span in spans.values()],
        )
        return dict.fromkeys(spans, 0) | {row.benefit_id: row.taken for row in found.all()}

    async def claim(self, benefit_id: str, per: str | None, since: date, total: int) -> bool:
        """Take one piece; False: there is none left."""
        found = await self._tx.run(STOCK_CLAIM, benefit_id=benefit_id, per=per or FOR_EVER, since=since, total=total)
        return found.one_or_none() is not None

    async def put_back(self, benefit_id: str, per: str, since: date) -> None:
        """A piece is there again."""
        await self._tx.run(STOCK_RETURN, benefit_id=benefit_id, per=per, since=since)

    async def add(self, use: NewUse, why: Sequence[Reason]) -> Any:
        """Write a use; the row as it stands."""
        written = [{"asks": each.asks, "says": each.says} for each in why]
        values = {name: getattr(use, name) for name in use.__dataclass_fields__}
        return (await self._tx.run(USE_ADD, **values, why=msgspec.json.encode(written).decode())).one()

    async def use(self, use_id: UUID) -> Any | None:
        """One use."""
        return (await self._tx.run(USE_READ, use_id=use_id)).one_or_none()

    async def end(self, use_id: UUID, at: datetime, actor: str, reason: str | None) -> Any | None:
        """Given back; None: it had been before."""
        return (await self._tx.run(USE_END, use_id=use_id, at=at, actor=actor, reason=reason)).one_or_none()

    async def uses(self, member_id: UUID, before: int, limit: int) -> Sequence[Any]:
        """A page of a member's uses, the latest first."""
        return (await self._tx.run(USES_PAGE, member_id=member_id, before=before, limit=limit)).all()

    async def usage(self, since: date, until: date, rules: Rules) -> UsageRows:
        """Who could and who did, over local days [since, until), by the tiers that apply now under these rules."""
        entitled: Counter[tuple[str, str | None]] = Counter()
        for row in await self._tx.run(ENTITLED_COUNT):
            entitled[effective(row, rules), row.pack] += row.members
        users: Counter[tuple[str, str, str | None]] = Counter()
        for row in await self._tx.run(USERS_COUNT, since=since, until=until):
            users[row.benefit_id, effective(row, rules), row.pack] += row.members
        uses = (await self._tx.run(USES_COUNT, since=since, until=until)).all()
        return UsageRows(entitled, users, {(row.benefit_id, row.tier): (row.uses, row.given_back) for row in uses})
