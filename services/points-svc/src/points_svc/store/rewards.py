"""Rewards and redemptions. The one thing not to break: stock is claimed in one guarded statement, after the account has been locked."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Payment
from points_svc.domain.rewards import Redemption, Reward
from points_svc.store import ledger

COLUMNS = "reward_id, name, kind, points, stock, valid_from, valid_until, per_member, per_period, period, at_once, gives, taken"
REDEEMED_COLUMNS = """redemption_id, member_id, seq, reward_id, kind, points, gives, made_at, day, state, ended_at, ended_by, reason,
  outcome"""

# New, or in place of what stood; not below what is taken: then no row comes back.
PUT = text("""
INSERT INTO reward (reward_id, name, kind, points, stock, valid_from, valid_until, per_member, per_period, period, at_once, gives)
VALUES (:reward_id, :name, :kind, :points, CAST(:stock AS bigint), :valid_from, CAST(:valid_until AS timestamptz),
  CAST(:per_member AS bigint), CAST(:per_period AS bigint), CAST(:period AS text), :at_once, CAST(:gives AS text))
ON CONFLICT (reward_id) DO UPDATE SET name = excluded.name, kind = excluded.kind, points = excluded.points,
  stock = excluded.stock, valid_from = excluded.valid_from, valid_until = excluded.valid_until,
  per_member = excluded.per_member, per_period = excluded.per_period, period = excluded.period, at_once = excluded.at_once,
  gives = excluded.gives
WHERE excluded.stock IS NULL OR reward.taken <= excluded.stock
RETURNING taken
""")

# One is taken if one is left and the price is still the one that was decided upon. A second one waits here and then looks again.
CLAIM = text("""
UPDATE reward SET taken = taken + 1
WHERE reward_id = :reward_id AND points = :points AND kind = :kind AND (stock IS NULL OR taken < stock) RETURNING taken
""")

RETURN = text("UPDATE reward SET taken = taken - 1 WHERE reward_id = :reward_id")

NAMED = text(f"SELECT {COLUMNS} FROM reward WHERE reward_id = :reward_id")

LIST = text(f"SELECT {COLUMNS} FROM reward WHERE reward_id > :after ORDER BY reward_id LIMIT :limit")

# How many a member has had that were not cancelled, ever and since a local day.
HAD = text("""
SELECT count(*) AS ever, count(*) FILTER (WHERE day >= :since) AS lately FROM redemption
WHERE member_id = :member_id AND reward_id = :reward_id AND state <> 'cancelled'
""")

ADD = text("""
INSERT INTO redemption (redemption_id, member_id, seq, reward_id, kind, points, gives, made_at, day, state, ended_at, ended_by)
VALUES (:redemption_id, :member_id, :seq, :reward_id, :kind, :points, CAST(:gives AS text), :made_at, :day, :state,
  CAST(:ended_at AS timestamptz), CAST(:ended_by AS text))
""")

END = text("""
UPDATE redemption SET state = :state, ended_at = :ended_at, ended_by = :ended_by, reason = CAST(:reason AS text),
  outcome = CAST(:outcome AS text)
WHERE redemption_id = :redemption_id
""")

REDEEMED = text(f"SELECT {REDEEMED_COLUMNS} FROM redemption WHERE redemption_id = :redemption_id")

# A member's redemptions, the latest first.
PAGE = text(f"""
SELECT {REDEEMED_COLUMNS} FROM redemption WHERE member_id = :member_id AND seq < :before ORDER BY seq DESC LIMIT :limit
""")

# Which lots paid.
PAID = text("""
SELECT seq, place, lot, amount, returned FROM consumption WHERE member_id = :member_id AND seq = :seq ORDER BY place
""")


class RewardStore:
    """The part of the books that keeps the catalogue."""

    tx: Transaction

    async def put_reward(self, reward: Reward) -> int | None:
        """How many are taken of it; None: more than the new stock, and nothing is changed."""
        columns = {name: value for name, value in asdict(reward).items() if name != "taken"}
        taken: int | None = (await self.tx.run(PUT, **columns)).scalar_one_or_none()
        return taken

    async def reward(self, reward_id: str) -> Reward | None:
        """One reward as it stands."""
        row = (await self.tx.run(NAMED, reward_id=reward_id)).one_or_none()
        return None if row is None else Reward(*row)

    async def rewards_after(self, after: str, limit: int) -> list[Reward]:
        """A page of the catalogue."""
        return [Reward(*row) for row in await self.tx.run(LIST, after=after, limit=limit)]

    async def claim_reward(self, reward: Reward) -> bool:
        """Whether one was left at this price, and is taken now."""
        row = await self.tx.run(CLAIM, reward_id=reward.reward_id, points=reward.points, kind=reward.kind)
        return row.one_or_none() is not None

    async def return_reward(self, reward_id: str) -> None:
        """One is there again."""
        await self.tx.run(RETURN, reward_id=reward_id)

    async def had_of(self, member_id: UUID, reward_id: str, since: date) -> tuple[int, int]:
        """How many a member has had, ever and since a local day; his account is locked."""
        row = (await self.tx.run(HAD, member_id=member_id, reward_id=reward_id, since=since)).one()
        return row.ever, row.lately

    async def add_redemption(self, redemption: Redemption) -> None:
        """A new one."""
        columns: dict[str, Any] = asdict(redemption)
        del columns["reason"], columns["outcome"]
        await self.tx.run(ADD, **columns)

    async def end_redemption(self, redemption: Redemption) -> None:
        """Fulfilled or cancelled."""
        ended = ("redemption_id", "state", "ended_at", "ended_by", "reason", "outcome")
        await self.tx.run(END, **{name: getattr(redemption, name) for name in ended})

    async def redemption(self, redemption_id: UUID) -> Redemption | None:
        """One redemption as it stands."""
        row = (await self.tx.run(REDEEMED, redemption_id=redemption_id)).one_or_none()
        return None if row is None else Redemption(*row)

    async def redemptions_before(self, member_id: UUID, before: int, limit: int) -> list[Redemption]:
        """A page of a member's redemptions, the latest first."""
        rows = await self.tx.run(PAGE, member_id=member_id, before=before, limit=limit)
        return [Redemption(*row) for row in rows]

    async def read_paid(self, account: Account, redemption: Redemption) -> list[Payment]:
        """What paid a redemption, with its lots; kept under its cause, so that what comes back is noted beside it."""
        rows = await self.tx.run(PAID, member_id=account.member_id, seq=redemption.seq)
        paid = [Payment(*row) for row in rows]
        account.payments[f"redemption {redemption.redemption_id}"] = paid
        await ledger.read_lots(self.tx, [(account, payment.lot) for payment in paid])
        return paid
