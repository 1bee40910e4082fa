"""Corrections of many members for one reason, and their reversal. The one thing not to break: a batch is posted whole or not at all, and
reversed at most once (T-L18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc import events
from points_svc.domain import adjusting, ledger
from points_svc.domain.account import Account, Why
from points_svc.domain.adjusting import POSTED, REJECTED, REVERSED, Adjustment, Batch
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused
from points_svc.handlers import adjust_points
from points_svc.handlers.adjust_points import DECIDED, MADE, NO_PROGRAMME
from points_svc.handlers.expire_holds import end_due
from points_svc.handlers.once import Answer, Keyed, once, refused_plainly, said
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore

BATCH_MAX = 1_000  # accounts that one transaction locks


@dataclass(frozen=True, slots=True)
class Wanted:
    """`points`: signed, by member."""

    points: Mapping[UUID, int]
    reason: str
    actor: str


class BatchUnknown(Exception):
    """There is no such batch."""


class MembersUnknown(Exception):
    """No accounts of these members."""

    def __init__(self, members: list[UUID]) -> None:
        super().__init__(", ".join(str(member) for member in members))
        self.members = members


def link_to(batch_id: UUID) -> str:
    """Where a batch is seen."""
    return f"/v1/adjustment-batches/{batch_id}"


async def adjust_many(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Post all at once where one person may, else propose them."""

    async def decide() -> Answer:
        accounts, rules = await _open(list(wanted.points), now, store)
        batch_id = derived_id("adjustment batch", asked.scope, asked.key)
        if rules is None:
            return refused_plainly(NO_PROGRAMME, link_to(batch_id))
        alone = adjusting.is_small(wanted.points.values(), rules)
        batch = Batch(batch_id, wanted.reason, wanted.actor, now, alone)
        made = [
            Adjustment(
                derived_id("adjustment", batch_id, member), batch_id, member, points, wanted.reason, wanted.actor, now, alone
            )
            for member, points in sorted(wanted.points.items())
        ]  # fmt: skip
        if alone:
            no = await _post_all(batch, made, accounts, store, actor=wanted.actor, now=now, rules=rules)
            if no is not None:
                return refused_plainly(no, link_to(batch_id))
        await store.add_batch(batch)
        await store.add_adjustments(made)
        return said(MADE, document(batch, made), link_to(batch_id))

    return await once(asked, now, store, decide)


async def decide_batch(
    asked: Keyed, batch_id: UUID, actor: str, now: datetime, store: PointsStore, *, approves: bool
) -> Answer:
    """A second person says yes, or anybody no."""

    async def decide() -> Answer:
        batch, made, accounts, rules = await _open_batch(batch_id, now, store)
        no = adjusting.barred(batch.state, batch.proposed_by, actor, approves=approves)
        if rules is None:
            no = NO_PROGRAMME
        elif no is None and approves:
            no = await _post_all(batch, made, accounts, store, actor=actor, now=now, rules=rules)
        elif no is None:
            batch.state, batch.decided_by, batch.decided_at = REJECTED, actor, now
            for one in made:
                one.state, one.decided_by, one.decided_at = REJECTED, actor, now
        if no is not None:
            return refused_plainly(no, link_to(batch_id))
        await store.change_batch(batch)
        await store.change_adjustments(made)
        return said(DECIDED, document(batch, made), link_to(batch_id))

    return await once(asked, now, store, decide)


async def reverse_batch(
    asked: Keyed, batch_id: UUID, actor: str, now: datetime, store: PointsStore, *, reason: str
) -> Answer:
    """Move everything back, as far as it is still there. A batch that needed two persons is not reversed by its proposer alone."""

    async def decide() -> Answer:
        batch, made, accounts, rules = await _open_batch(batch_id, now, store)
        no = _not_reversible(batch, actor) if rules is not None else NO_PROGRAMME
        no = no or _whom_it_refuses({
            one.member_id: adjusting.not_reversible(accounts[one.member_id], one.points) for one in made
        })  # fmt: skip
        if no is not None or rules is None:
            return refused_plainly(no or NO_PROGRAMME, link_to(batch_id))
        parts = await store.adjustment_parts([one.adjustment_id for one in made])
        await store.read_lots([(accounts[one.member_id], lot) for one in made for lot, _ in parts[one.adjustment_id]])
        for one in made:
            account = accounts[one.member_id]
            why: Why = {
                "rule": "reversal", "version": rules.version, "adjustment_id": one.adjustment_id, "batch_id": batch_id,
                "points": -one.points, "wanted": -one.points, "reason": reason, "reversed_by": actor,
            }  # fmt: skip
            ledger.open_page(account, f"reversal {one.adjustment_id}", now)
            one.reversed_points = adjusting.reverse(
                account, one.points, parts[one.adjustment_id], now, rules=rules, why=why
            )
            ledger.close_page(account)
        batch.state, batch.reversed_by, batch.reversed_at, batch.reversed_because = REVERSED, actor, now, reason
        await _keep(accounts, store)
        await store.change_batch(batch)
        await store.change_adjustments(made)
        return said(DECIDED, document(batch, made), link_to(batch_id))

    return await once(asked, now, store, decide)


def _not_reversible(batch: Batch, actor: str) -> Refused | None:
    if batch.state != POSTED:
        return Refused("batch_reversed" if batch.state == REVERSED else "not_posted", {"state": batch.state})
    if not batch.alone and adjusting.is_same_person(actor, batch.proposed_by):
        return Refused("same_actor", {"state": batch.state, "proposed_by": batch.proposed_by})
    return None


async def _open(members: Sequence[UUID], now: datetime, store: PointsStore) -> tuple[dict[UUID, Account], Rules | None]:
    """The accounts, locked in ascending order, with what can be spent; and the rules of all of them."""
    accounts = await store.lock_known(members)
    missing = [member for member in members if member not in accounts]
    if missing:
        raise MembersUnknown(missing)
    await sweep_first(accounts.values(), store)
    holding = [account for account in accounts.values() if account.held]
    await end_due(holding, now, store)
    await store.read_live_lots(accounts.values())
    lowest = min(account.day.partition for account in accounts.values())
    return accounts, await store.rules_in_force(lowest, now)


async def _open_batch(
    batch_id: UUID, now: datetime, store: PointsStore
) -> tuple[Batch, list[Adjustment], dict[UUID, Account], Rules | None]:
    """A batch is read to be decided after its accounts have been locked; whose they are never changes."""
    members = [one.member_id for one in await store.adjustments_of(batch_id)]
    if not members:
        raise BatchUnknown
    accounts, rules = await _open(members, now, store)
    batch = await store.batch(batch_id, locked=True)
    if batch is None:
        raise BatchUnknown
    return batch, await store.adjustments_of(batch_id), accounts, rules


async def _post_all(
    batch: Batch,
    made: list[Adjustment],
    accounts: dict[UUID, Account],
    store: PointsStore,
    *,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Refused | None:
    """All, or none: what refuses one member refuses the batch, and says whom."""
    no = _whom_it_refuses({
        one.member_id: adjusting.refusal(accounts[one.member_id], one.points, now) for one in made
    })  # fmt: skip
    if no is not None:
        return no
    for one in made:
        adjust_points.post(accounts[one.member_id], one, actor, now, rules)
        ledger.close_page(accounts[one.member_id])
    batch.state, batch.decided_by, batch.decided_at = POSTED, actor, now
    await _keep(accounts, store)
    return None


def _whom_it_refuses(no: Mapping[UUID, Refused | None]) -> Refused | None:
    refusals = [{"member_id": member, "type": r.kind, **r.figures} for member, r in no.items() if r is not None]
    return Refused("batch_refused", {"refusals": refusals}) if refusals else None


async def _keep(accounts: dict[UUID, Account], store: PointsStore) -> None:
    moved = [account for account in accounts.values() if account.entries]
    await store.save(moved)
    store.say(events.statements_of(moved))


def document(batch: Batch, made: Sequence[Adjustment]) -> dict[str, Any]:
    """A batch as everybody sees it."""
    return {
        "batch_id": batch.batch_id,
        "reason": batch.reason,
        "state": batch.state,
        "proposed_by": batch.proposed_by,
        "proposed_at": batch.proposed_at,
        "four_eyes": not batch.alone,
        "decided_by": batch.decided_by,
        "decided_at": batch.decided_at,
        "reversed_by": batch.reversed_by,
        "reversed_at": batch.reversed_at,
        "reversed_because": batch.reversed_because,
        "points": sum(one.points for one in made),
        "items": [adjust_points.document(one) for one in made],
    }
