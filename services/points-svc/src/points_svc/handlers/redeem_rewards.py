"""Points are redeemed for a reward, and redemptions end (domain.md 3.5). The one thing not to break: the account is locked first, then the
reward's row; points and stock move in one transaction, both or neither."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc.domain import calendar, holds, ledger, returning, rewards, spending
from points_svc.domain.account import GIVEN_BACK, REDEEMED, Account, Hold, Why
from points_svc.domain.rewards import CANCELLED, FULFILLED, ORDERED, Redemption, Reward
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused
from points_svc.handlers.hold_points import close, hold_id_of, open_account
from points_svc.handlers.once import Answer, Keyed, once, refused, refused_plainly, said
from points_svc.store import PointsStore

MADE = 201
DONE = 200


class RewardUnknown(Exception):
    """There is no such reward."""


class RedemptionUnknown(Exception):
    """There is no such redemption."""


def link_to(redemption_id: UUID) -> str:
    """Where a redemption is seen."""
    return f"/v1/redemptions/{redemption_id}"


async def put_reward(asked: Keyed, reward: Reward, now: datetime, store: PointsStore) -> Answer:
    """A reward as it is from now on; redemptions keep what they were made with."""

    async def decide() -> Answer:
        link = f"/v1/rewards/{reward.reward_id}"
        taken = await store.put_reward(reward)
        if taken is None:
            return refused_plainly(Refused("stock_below_taken", {"stock": reward.stock}), link)
        stands = await store.reward(reward.reward_id)
        return said(DONE, document_of_reward(stands or reward), link)

    return await once(asked, now, store, decide)


async def redeem(asked: Keyed, member_id: UUID, reward_id: str, now: datetime, store: PointsStore) -> Answer:
    """Spend the points and take one of the stock."""

    async def decide() -> Answer:
        account = await open_account(member_id, now, store)
        reward = await store.reward(reward_id)
        if reward is None:
            raise RewardUnknown
        rules = await store.rules_in_force(account.day.partition, now)
        redemption_id = derived_id("redemption", asked.scope, asked.key)
        ledger.open_page(account, f"redemption {redemption_id}", now)
        made = await _redeem(asked, account, reward, redemption_id, rules=rules, now=now, store=store)
        await close(account, store)
        if isinstance(made, Refused):
            return refused(made, account, f"/v1/members/{member_id}/redemptions")
        await store.add_redemption(made)
        return said(MADE, document(made), link_to(redemption_id))

    return await once(asked, now, store, decide)


async def _redeem(
    asked: Keyed,
    account: Account,
    reward: Reward,
    redemption_id: UUID,
    *,
    rules: Rules | None,
    now: datetime,
    store: PointsStore,
) -> Redemption | Refused:
    if rules is None:
        return Refused("no_programme")
    day = calendar.local_day(now, rules.zone)
    had = await store.had_of(account.member_id, reward.reward_id, rewards.period_start(reward.period, day))
    no = rewards.refusal(reward, *had, now) or spending.refusal(account, reward.points, now)
    if no is None and not await store.claim_reward(reward):
        no = rewards.sold_out(reward)
    if no is not None:
        return no
    why: Why = {
        "rule": "reward", "version": rules.version, "redemption_id": redemption_id, "reward_id": reward.reward_id,
        "reward": reward.name, "kind": reward.kind, "points": reward.points, "key": asked.key,
        "order": "soonest expiry first",
    }  # fmt: skip
    hold = holds.spend(account, hold_id_of(asked), reward.points, now, why=why)
    if not isinstance(hold, Hold):
        raise TypeError(f"what could be spent was refused: {hold.kind}")
    made = Redemption(
        redemption_id,
        account.member_id,
        account.seq,
        reward.reward_id,
        reward.kind,
        reward.points,
        reward.gives,
        now,
        day,
    )
    if reward.at_once:
        made.state, made.ended_at, made.ended_by = FULFILLED, now, "at once"
    return made


async def end_redemption(
    asked: Keyed,
    redemption_id: UUID,
    actor: str,
    now: datetime,
    store: PointsStore,
    *,
    fulfils: bool,
    reason: str | None,
    outcome: str | None = None,
) -> Answer:
    """Fulfil it; or cancel it, and give back points and stock."""

    async def decide() -> Answer:
        before = await store.redemption(redemption_id)
        if before is None:
            raise RedemptionUnknown
        account = await open_account(before.member_id, now, store)
        ledger.open_page(account, f"cancellation {redemption_id}", now)
        found = await store.redemption(redemption_id) or before
        rules = await store.rules_in_force(account.day.partition, now)
        no = rewards.not_endable(found, outcome, fulfils=fulfils)
        if no is None and not fulfils:
            no = await _give_back(account, found, actor, reason, rules=rules, now=now, store=store)
        await close(account, store)
        if no is not None:
            return refused(no, account, link_to(redemption_id))
        found.state, found.ended_at, found.ended_by = FULFILLED if fulfils else CANCELLED, now, actor
        found.reason, found.outcome = reason, outcome
        await store.end_redemption(found)
        if not fulfils:
            await store.return_reward(found.reward_id)
        return said(DONE, document(found), link_to(redemption_id))

    return await once(asked, now, store, decide)


async def _give_back(
    account: Account,
    found: Redemption,
    actor: str,
    reason: str | None,
    *,
    rules: Rules | None,
    now: datetime,
    store: PointsStore,
) -> Refused | None:
    if rules is None:
        return Refused("no_programme")
    why: Why = {
        "rule": "cancellation", "version": rules.version, "redemption_id": found.redemption_id,
        "reward_id": found.reward_id, "points": found.points, "cancelled_by": actor, "reason": reason,
    }  # fmt: skip
    paid = await store.read_paid(account, found)
    parts = tuple((payment.lot, payment.amount) for payment in paid)
    returning.give_back(account, parts, GIVEN_BACK, now, rules=rules, why=why, source=REDEEMED)
    for payment in paid:
        payment.returned, payment.is_changed = payment.amount, True
    return None


def document(redemption: Redemption) -> dict[str, Any]:
    """A redemption as everybody sees it."""
    return {
        "redemption_id": redemption.redemption_id,
        "member_id": redemption.member_id,
        "reward_id": redemption.reward_id,
        "kind": redemption.kind,
        "points": redemption.points,
        "gives": redemption.gives if redemption.state == FULFILLED and redemption.outcome != "lost" else None,
        "state": redemption.state,
        "made_at": redemption.made_at,
        "ended_at": redemption.ended_at,
        "ended_by": redemption.ended_by,
        "reason": redemption.reason,
        "outcome": redemption.outcome,
        "entry": redemption.seq,
        "open": redemption.state == ORDERED,
    }


def document_of_reward(reward: Reward) -> dict[str, Any]:
    """A reward as everybody sees it."""
    return {
        "reward_id": reward.reward_id,
        "name": reward.name,
        "kind": reward.kind,
        "points": reward.points,
        "stock": reward.stock,
        "left": None if reward.stock is None else reward.stock - reward.taken,
        "valid_from": reward.valid_from,
        "valid_until": reward.valid_until,
        "per_member": reward.per_member,
        "per_period": reward.per_period,
        "period": reward.period,
        "at_once": reward.at_once,
        "gives": reward.gives,
    }
