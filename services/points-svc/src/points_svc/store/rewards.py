"""Rewards and redemptions. The one thing not to break: a piece is claimed in the one statement that also sees that one is left, after the
member's account has been locked; so rewards are locked behind accounts, one a transaction."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.rewards import Had, Redemption, Reward

COLUMNS = """reward_id, name, kind, points, stock, taken, valid_from, valid_until, per_member, per_period, period, at_once, gives,
  revision"""

# New, or changed as a whole; no row where more has been taken than there is to be.
PUT = text(f"""
INSERT INTO reward (reward_id, name, kind, points, stock, valid_from, valid_until, per_member, per_period, period, at_once, gives)
VALUES (:reward_id, :name, :kind, :points, :stock, :valid_from, :valid_until, :per_member, :per_period, :period, :at_once, :gives)
ON CONFLICT (reward_id) DO UPDATE SET
  name = EXCLUDED.name, kind = EXCLUDED.kind, points = EXCLUDED.points, stock = EXCLUDED.stock, valid_from = EXCLUDED.valid_from,
  valid_until = EXCLUDED.valid_until, per_member = EXCLUDED.per_member, per_period = EXCLUDED.per_period, period = EXCLUDED.period,
  at_once = EXCLUDED.at_once, gives = EXCLUDED.gives, revision = reward.revision + 1
WHERE EXCLUDED.stock IS NULL OR reward.taken <= EXCLUDED.stock
RETURNING {COLUMNS}
""")

NAMED = text(f"SELECT {COLUMNS} FROM reward WHERE reward_id = :reward_id")

PAGE = text(f"SELECT {COLUMNS} FROM reward WHERE reward_id > :after ORDER BY reward_id LIMIT :limit")

# Sees that one is left and takes it; who waited for another's claim looks again. None where the reward has changed since it was read.
CLAIM = text("""
UPDATE reward SET taken = taken + 1
WHERE reward_id = :reward_id AND revision = :revision AND (stock IS NULL OR taken < stock)
""")

# The redemption is cancelled in this transaction, once, so this runs once.
PUT_BACK = text("UPDATE reward SET taken = taken - 1 WHERE reward_id = :reward_id")

# A member's live redemptions of one reward. His account is locked, so nobody adds one meanwhile.
HAD = text("""
SELECT count(*) AS ever, count(*) FILTER (WHERE day >= :since) AS in_period
FROM redemption WHERE member_id = :member_id AND reward_id = :reward_id AND state <> 'cancelled'
""")

REDEMPTION_COLUMNS = """redemption_id, member_id, seq, reward_id, kind, points, gives, made_at, day, state, ended_at, ended_by, reason,
  outcome"""

ADD = text(f"""
INSERT INTO redemption ({REDEMPTION_COLUMNS})
VALUES (:redemption_id, :member_id, :seq, :reward_id, :kind, :points, :gives, :made_at, :day, :state, :ended_at, :ended_by, :reason,
  :outcome)
""")

END = text("""
UPDATE redemption SET state = :state, ended_at = :ended_at, ended_by = :ended_by, reason = :reason, outcome = :outcome
WHERE redemption_id = :redemption_id
""")

OWNER = text("SELECT member_id FROM redemption WHERE redemption_id = :redemption_id")

REDEMPTION = text(f"SELECT {REDEMPTION_COLUMNS} FROM redemption WHERE redemption_id = :redemption_id")

# A member's redemptions, the latest first.
REDEMPTIONS = text(f"""
SELECT {REDEMPTION_COLUMNS} FROM redemption WHERE member_id = :member_id AND seq < :before ORDER BY seq DESC LIMIT :limit
""")

# Which lots paid it, in that order.
PARTS = text("SELECT lot, amount FROM consumption WHERE member_id = :member_id AND seq = :seq ORDER BY place")

# All of it has come back.
RETURNED = text("UPDATE consumption SET returned = amount WHERE member_id = :member_id AND seq = :seq")


class Rewards:
    """The catalogue and what was redeemed of it, within one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def put(self, reward: Reward) -> Reward | None:
        """As it stands afterwards; None: more of it has been taken than there is to be, and nothing was changed."""
        columns = asdict(reward)
        del columns["taken"], columns["revision"]
        row = (await self._tx.run(PUT, **columns)).one_or_none()
        return None if row is None else Reward(*row)

    async def named(self, reward_id: str) -> Reward | None:
        """One reward as it stands, not locked."""
        row = (await self._tx.run(NAMED, reward_id=reward_id)).one_or_none()
        return None if row is None else Reward(*row)

    async def page(self, after: str, limit: int) -> list[Reward]:
        """The next rewards by id."""
        return [Reward(*row) for row in await self._tx.run(PAGE, after=after, limit=limit)]

    async def claim(self, reward: Reward) -> bool:
        """Take one piece of the reward as it was read. False: none is left, or the reward is another by now."""
        return (await self._tx.run(CLAIM, reward_id=reward.reward_id, revision=reward.revision)).rowcount == 1

    async def put_back(self, reward_id: str) -> None:
        """One piece is free again."""
        await self._tx.run(PUT_BACK, reward_id=reward_id)

    async def had(self, member_id: UUID, reward_id: str, since: date) -> Had:
        """What a member, whose account is locked, has of a reward; `since`: the first day of the current period."""
        return Had(*(await self._tx.run(HAD, member_id=member_id, reward_id=reward_id, since=since)).one())

    async def add(self, made: Redemption) -> None:
        """A new redemption."""
        await self._tx.run(ADD, **asdict(made))

    async def end(self, ended: Redemption) -> None:
        """Fulfilled or cancelled."""
        await self._tx.run(
            END, redemption_id=ended.redemption_id, state=ended.state, ended_at=ended.ended_at,
            ended_by=ended.ended_by, reason=ended.reason, outcome=ended.outcome,
        )  # fmt: skip

    async def owner(self, redemption_id: UUID) -> UUID | None:
        """Whose redemption it is; None: there is none."""
        found: UUID | None = (await self._tx.run(OWNER, redemption_id=redemption_id)).scalar_one_or_none()
        return found

    async def redemption(self, redemption_id: UUID) -> Redemption | None:
        """One redemption as it stands."""
        row = (await self._tx.run(REDEMPTION, redemption_id=redemption_id)).one_or_none()
        return None if row is None else Redemption(*row)

    async def redemptions(self, member_id: UUID, before: int, limit: int) -> list[Redemption]:
        """A page of a member's redemptions, the latest first."""
        rows = await self._tx.run(REDEMPTIONS, member_id=member_id, before=before, limit=limit)
        return [Redemption(*row) for row in rows]

    async def parts(self, redemption: Redemption) -> tuple[tuple[int, int], ...]:
        """The (lot, points) that paid it, in that order."""
        rows = await self._tx.run(PARTS, member_id=redemption.member_id, seq=redemption.seq)
        return tuple((row.lot, row.amount) for row in rows)

    async def note_returned(self, redemption: Redemption) -> None:
        """All that paid it has come back."""
        await self._tx.run(RETURNED, member_id=redemption.member_id, seq=redemption.seq)
