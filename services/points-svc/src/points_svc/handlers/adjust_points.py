"""A member's points are corrected by hand (domain.md 3.5). The one thing not to break: above the programme's limit nothing moves until a
second person has said so, and what is decided is decided once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc.domain import adjusting, ledger
from points_svc.domain.account import Account, Why
from points_svc.domain.adjusting import POSTED, REJECTED, Adjustment
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused
from points_svc.handlers.hold_points import close, open_account
from points_svc.handlers.once import Answer, Keyed, once, refused, said
from points_svc.store import PointsStore

MADE = 201
DECIDED = 200
NO_PROGRAMME = Refused("no_programme")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A correction as asked for, checked in form; `points` signed."""

    member_id: UUID
    points: int
    reason: str
    actor: str


class AdjustmentUnknown(Exception):
    """There is no such correction."""


def link_to(adjustment_id: UUID) -> str:
    """Where a correction is seen."""
    return f"/v1/adjustments/{adjustment_id}"


async def adjust_points(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Post it at once where one person may, else propose it."""

    async def decide() -> Answer:
        account = await open_account(wanted.member_id, now, store)
        rules = await store.rules_in_force(account.day.partition, now)
        ledger.open_page(account, "", now)  # what is over is over; what follows is a cause of its own
        made = Adjustment(
            derived_id("adjustment", asked.scope, asked.key), None, wanted.member_id, wanted.points, wanted.reason,
            wanted.actor, now, rules is not None and adjusting.is_small([wanted.points], rules),
        )  # fmt: skip
        no: Refused | None = NO_PROGRAMME
        if rules is not None:
            no = post(account, made, wanted.actor, now, rules) if made.alone else None
        await close(account, store)
        if no is not None:
            return refused(no, account, f"/v1/members/{wanted.member_id}/statement")
        await store.add_adjustments([made])
        return said(MADE, document(made), link_to(made.adjustment_id))

    return await once(asked, now, store, decide)


async def decide_adjustment(
    asked: Keyed, adjustment_id: UUID, actor: str, now: datetime, store: PointsStore, *, approves: bool
) -> Answer:
    """A second person says yes, or anybody no. Where the points are not there, it stays proposed."""

    async def decide() -> Answer:
        before = await store.adjustment(adjustment_id)
        if before is None:
            raise AdjustmentUnknown
        account = await open_account(before.member_id, now, store)
        ledger.open_page(account, "", now)
        found = await store.adjustment(adjustment_id)
        rules = await store.rules_in_force(account.day.partition, now)
        if found is None or rules is None:
            return refused(NO_PROGRAMME, account, link_to(adjustment_id))
        no = adjusting.barred(found.state, found.proposed_by, actor, approves=approves)
        if found.batch_id is not None:
            no = Refused("in_batch", {"batch_id": found.batch_id})
        if no is None and approves:
            no = post(account, found, actor, now, rules)
        elif no is None:
            found.state, found.decided_by, found.decided_at = REJECTED, actor, now
        await close(account, store)
        if no is not None:
            return refused(no, account, link_to(adjustment_id))
        await store.change_adjustments([found])
        return said(DECIDED, document(found), link_to(adjustment_id))

    return await once(asked, now, store, decide)


def post(account: Account, adjustment: Adjustment, actor: str, now: datetime, rules: Rules) -> Refused | None:
    """Move the points and note who said so. None: done."""
    why: Why = {
        "rule": "adjustment", "version": rules.version, "adjustment_id": adjustment.adjustment_id,
        "points": adjustment.points, "reason": adjustment.reason, "proposed_by": adjustment.proposed_by,
        "posted_by": actor, "alone_max": rules.alone_max,
    }  # fmt: skip
    if adjustment.batch_id is not None:
        why["batch_id"] = adjustment.batch_id
    ledger.open_page(account, f"adjustment {adjustment.adjustment_id}", now)
    seq = account.seq + 1
    no = adjusting.adjust(account, adjustment.points, now, rules, why)
    if no is None:
        adjustment.state, adjustment.decided_by, adjustment.decided_at, adjustment.seq = POSTED, actor, now, seq
    return no


def document(adjustment: Adjustment) -> dict[str, Any]:
    """A correction as everybody sees it."""
    return {
        "adjustment_id": adjustment.adjustment_id,
        "batch_id": adjustment.batch_id,
        "member_id": adjustment.member_id,
        "points": adjustment.points,
        "reason": adjustment.reason,
        "state": adjustment.state,
        "proposed_by": adjustment.proposed_by,
        "proposed_at": adjustment.proposed_at,
        "four_eyes": not adjustment.alone,
        "decided_by": adjustment.decided_by,
        "decided_at": adjustment.decided_at,
        "entry": adjustment.seq,
        "reversed_points": adjustment.reversed_points,
    }
