"""The books are proved by the calendar, and whoever's are broken stands still (reliability.md 3.2). The one thing not to break:
reading is an audit and freezing a transaction of its own; an account is frozen for what was committed, never for what was half read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from points_svc.domain.account import Why
from points_svc.handlers.hold_points import MemberUnknown
from points_svc.handlers.once import Answer, Keyed, once, said
from points_svc.handlers.verify_ledger import verify_members
from points_svc.store import PointsStore
from points_svc.store.freezes import Freeze
from points_svc.store.proving import ProofStore

# Of one invariant and one proof. Where more are broken, the cause is ours and not theirs: a person must look before the shop stands still.
MEMBERS_FROZEN_MAX = 1_000
# Each proof also reads so many members' entries beside their seals and rebuilds them: 10,000 every 15 minutes, a million in a day.
PAGES_PER_PROOF = 20
MEMBERS_PER_PAGE = 500
LIFTED = 200
NOT_FROZEN = 409


@dataclass(slots=True)
class Walk:
    """How far the reading of all members has got; from the beginning again when the process starts."""

    after: UUID | None = None


@dataclass(slots=True)
class Found:
    """How often each invariant is broken, and by whom."""

    invariants: dict[str, int]
    broken: dict[UUID, list[str]] = field(default_factory=dict)


async def prove_books(walk: Walk, store: ProofStore) -> Found:
    """The trial balance, whoever breaks it, and the next members of the walk, all of one moment."""
    invariants: dict[str, int] = (await store.trial_balance())["invariants"]
    found = Found(dict(invariants), await store.breakers([n for n, c in invariants.items() if c], MEMBERS_FROZEN_MAX))
    found.invariants["rebuilt"] = 0
    for _ in range(PAGES_PER_PROOF):
        page = await verify_members(walk.after, MEMBERS_PER_PAGE, store)
        for one in page["breaks"]:
            name = "rebuilt" if one["what"] == "differs" else "I11"
            found.invariants[name] += 1
            names = found.broken.setdefault(one["member_id"], [])
            if name not in names:
                names.append(name)
        walk.after = page["next"]
        if walk.after is None:
            break
    return found


async def freeze_broken(broken: Mapping[UUID, Sequence[str]], now: datetime, store: ProofStore) -> int:
    """Nothing leaves these accounts any more; they go on earning. How many accounts are frozen now."""
    await store.freeze(broken, now)
    return await store.frozen()


@dataclass(frozen=True, slots=True)
class Lift:
    """Who lets an account move again, and why."""

    member_id: UUID
    actor: str
    reason: str


async def lift_freeze(asked: Keyed, wanted: Lift, now: datetime, store: PointsStore) -> Answer:
    """The account moves again. Where its books are still broken, the next proof freezes it anew."""

    async def decide() -> Answer:
        account = await store.lock_any(wanted.member_id)  # a wallet's books are proved like all others
        if account is None:
            raise MemberUnknown
        link = f"/v1/members/{wanted.member_id}/account-freezes"
        lifted = await ProofStore(store.tx).lift(wanted.member_id, now, actor=wanted.actor, reason=wanted.reason)
        if lifted is None:
            problem: Why = {
                "type": "account_not_frozen", "title": "No proof has frozen this account", "status": NOT_FROZEN,
            }  # fmt: skip
            return said(NOT_FROZEN, problem, link)
        return said(LIFTED, freeze_document(lifted), link)

    return await once(asked, now, store, decide)


def freeze_document(freeze: Freeze) -> dict[str, Any]:
    """As everybody sees it."""
    return {
        "member_id": freeze.member_id,
        "frozen_at": freeze.frozen_at,
        "broken": freeze.broken,
        "lifted_at": freeze.lifted_at,
        "lifted_by": freeze.lifted_by,
        "reason": freeze.reason,
    }
