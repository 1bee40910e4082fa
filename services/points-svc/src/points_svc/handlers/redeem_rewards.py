"""Rewards are offered, redeemed, fulfilled and cancelled (domain.md 3.5). The one thing not to break: the account is locked first and the
reward behind it, and points and stock move in one transaction."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc.domain import calendar, ledger, rewards
from points_svc.domain.account import Account
from points_svc.domain.rewards import CANCELLED, Had, Redemption, Reward
from points_svc.domain.spending import Refused
from points_svc.handlers.hold_points import close, hold_id_of, open_account
from points_svc.handlers.once import Answer, Keyed, once, refused, refused_plainly, said
from points_svc.store import PointsStore

MADE = 201
DONE = 200
NO_PROGRAMME = Refused("no_programme")


class RewardUnknown(Exception):
    """There is no such reward."""


class RedemptionUnknown(Exception):
    """There is no such redemption."""


def link_to(redemption_id: UUID) -> str:
    """Where a redemption is seen."""
    return f"/v1/redemptions/{redemption_id}"


async def offer_reward(asked: Keyed, wanted: Reward, now: datetime, store: PointsStore) -> Answer:
    """Put a reward into the catalogue, or change it; what was redeemed before stays as it was."""

    async def decide() -> Answer:
        link = f"/v1/rewards/{wanted.reward_id}"
        stands = await store.rewards.put(wanted)
        if stands is not None:
            return said(DONE, reward_document(stands), link)
        before = await store.rewards.named(wanted.reward_id)
        taken = 0 if before is None else before.taken
        return refused_plainly(Refused("stock_below_taken", {"stock": wanted.stock, "taken": taken}), link)

    return await once(asked, now, store, decide)


async def redeem_reward(asked: Keyed, member_id: UUID, reward_id: str, now: datetime, store: PointsStore) -> Answer:
    """Spend points on one piece of a reward."""

    async def decide() -> Answer:
        account = await open_account(member_id, now, store)
        rules = await store.rules_in_force(account.day.partition, now)
        redemption_id = derived_id("redemption", asked.scope, asked.key)
        ledger.open_page(account, f"redemption {redemption_id}", now)
        made: Redemption | None = None
        no: Refused | None = NO_PROGRAMME
        if rules is not None:
            day = calendar.local_day(now, rules.zone)
            reward, had, no = await _claim(account, reward_id, day, now, store)
            if no is None:
                why = rewards.why_of(reward, had, rules, redemption_id, day) | {"key": asked.key}
                made = rewards.redeem(
                    account, reward, now, redemption_id=redemption_id, hold_id=hold_id_of(asked), day=day, why=why
                )
        await close(account, store)
        if made is None:
            return refused(no or NO_PROGRAMME, account, f"/v1/rewards/{reward_id}")
        await store.rewards.add(made)
        return said(MADE, document(made), link_to(redemption_id))

    return await once(asked, now, store, decide)


async def _claim(
    account: Account, reward_id: str, day: date, now: datetime, store: PointsStore
) -> tuple[Reward, Had, Refused | None]:
    """Decide, and take a piece of just that reward which was decided on; if it has changed meanwhile, decide again."""
    before: Reward | None = None
    while True:
        reward = await store.rewards.named(reward_id)
        if reward is None:
            raise RewardUnknown
        had = await store.rewards.had(account.member_id, reward_id, rewards.period_since(reward.period, day))
        if before is not None and before.revision == reward.revision:
            return reward, had, rewards.sold_out(reward)
        no = rewards.refusal(account, reward, had, now)
        if no is not None or await store.rewards.claim(reward):
            return reward, had, no
        before = reward


async def fulfil_redemption(
    asked: Keyed,
    redemption_id: UUID,
    now: datetime,
    store: PointsStore,
    *,
    actor: str,
    outcome: str | None,
    reason: str | None,
) -> Answer:
    """Handed over, or drawn. The same once more, under another key, is answered as it was done."""

    async def decide() -> Answer:
        account, redemption = await _open(redemption_id, now, store)
        if rewards.is_fulfilled_so(redemption, outcome):
            return said(DONE, document(redemption), link_to(redemption_id), replayed=True)
        no = rewards.fulfil(redemption, actor, outcome, reason, now)
        await close(account, store)
        if no is not None:
            return refused(no, account, link_to(redemption_id))
        await store.rewards.end(redemption)
        return said(DONE, document(redemption), link_to(redemption_id))

    return await once(asked, now, store, decide)


async def cancel_redemption(
    asked: Keyed, redemption_id: UUID, now: datetime, store: PointsStore, *, actor: str, reason: str | None
) -> Answer:
    """Points and piece come back. Once more, under another key, is answered as it was done."""

    async def decide() -> Answer:
        account, redemption = await _open(redemption_id, now, store)
        if redemption.state == CANCELLED:
            return said(DONE, document(redemption), link_to(redemption_id), replayed=True)
        rules = await store.rules_in_force(account.day.partition, now)
        no: Refused | None = NO_PROGRAMME
        if rules is not None:
            parts = await store.rewards.parts(redemption)
            await store.read_lots([(account, lot) for lot, _ in parts])
            no = rewards.cancel(account, redemption, parts, now, rules, actor=actor, reason=reason)
        await close(account, store)
        if no is not None:
            return refused(no, account, link_to(redemption_id))
        await store.rewards.end(redemption)
        await store.rewards.note_returned(redemption)
        await store.rewards.put_back(redemption.reward_id)
        return said(DONE, document(redemption), link_to(redemption_id))

    return await once(asked, now, store, decide)


async def _open(redemption_id: UUID, now: datetime, store: PointsStore) -> tuple[Account, Redemption]:
    """The redemption, read after its member's account has been locked, and a page for what comes of it."""
    member_id = await store.rewards.owner(redemption_id)
    if member_id is None:
        raise RedemptionUnknown
    account = await open_account(member_id, now, store)
    redemption = await store.rewards.redemption(redemption_id)
    if redemption is None:
        raise RedemptionUnknown
    ledger.open_page(account, f"cancellation {redemption_id}", now)
    return account, redemption


async def show_rewards(after: str, limit: int, store: PointsStore) -> dict[str, Any]:
    """A page of the catalogue by id."""
    found = await store.rewards.page(after, limit)
    last = found[-1].reward_id if len(found) == limit else None
    return {"items": [reward_document(one) for one in found], "next": last}


async def show_redemptions(member_id: UUID, before: int, limit: int, store: PointsStore) -> dict[str, Any] | None:
    """A page of a member's redemptions, the latest first; None: no such member."""
    if await store.read_account(member_id) is None:
        return None
    found = await store.rewards.redemptions(member_id, before, limit)
    last = found[-1].seq if len(found) == limit else None
    return {"items": [document(one) for one in found], "next": last}


def reward_document(reward: Reward) -> dict[str, Any]:
    """A reward as everybody sees it."""
    return {
        "reward_id": reward.reward_id,
        "name": reward.name,
        "kind": reward.kind,
        "points": reward.points,
        "stock": reward.stock,
        "taken": reward.taken,
        "left": reward.left,
        "valid_from": reward.valid_from,
        "valid_until": reward.valid_until,
        "per_member": reward.per_member,
        "per_period": reward.per_period,
        "period": reward.period,
        "at_once": reward.at_once,
        "gives": reward.gives,
        "revision": reward.revision,
    }


def document(redemption: Redemption) -> dict[str, Any]:
    """A redemption as everybody sees it; it depends on the redemption alone."""
    return {
        "redemption_id": redemption.redemption_id,
        "member_id": redemption.member_id,
        "reward_id": redemption.reward_id,
        "kind": redemption.kind,
        "points": redemption.points,
        "gives": redemption.gives,
        "state": redemption.state,
        "outcome": redemption.outcome,
        "made_at": redemption.made_at,
        "ended_at": redemption.ended_at,
        "ended_by": redemption.ended_by,
        "reason": redemption.reason,
        "entry": redemption.seq,
    }
