"""Points get a longer life on request (domain.md 3.4). The one thing not to break: a key extends once, and who asked for it and why stands
in every entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from points_svc.domain import extending, ledger
from points_svc.domain.account import Account, Why
from points_svc.domain.extending import Longer, Moved
from points_svc.domain.spending import Refused
from points_svc.handlers.hold_points import close, open_account
from points_svc.handlers.once import Answer, Keyed, once, refused, said
from points_svc.store import PointsStore

EXTENDED = 201


@dataclass(frozen=True, slots=True)
class Wanted:
    """An extension as asked for, checked in form. `lots`: None for all that live."""

    member_id: UUID
    reason: str
    actor: str
    last_day: date | None = None
    days: int | None = None
    lots: tuple[int, ...] | None = None


async def extend_lots(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Move what is left of lots into lots that last longer."""
    link = f"/v1/members/{wanted.member_id}/statement"

    async def decide() -> Answer:
        account = await open_account(wanted.member_id, now, store)
        rules = await store.rules_in_force(account.day.partition, now)
        if rules is None:
            return refused(Refused("no_programme"), account, link)
        await store.read_lots([(account, lot.extends) for lot in account.lots.values() if lot.extends is not None])
        why: Why = {
            "rule": "extension", "version": rules.version, "key": asked.key, "reason": wanted.reason, "actor": wanted.actor,
            "days_max": rules.extension_days_max,
        }  # fmt: skip
        ledger.open_page(account, f"extension {asked.key}", now)
        longer = Longer(wanted.last_day, wanted.days)
        moved = extending.extend(account, longer, wanted.lots, now=now, rules=rules, why=why)
        await close(account, store)
        if isinstance(moved, Refused):
            return refused(moved, account, link)
        return said(EXTENDED, _document(asked, wanted, account, moved, now), link)

    return await once(asked, now, store, decide)


def _document(asked: Keyed, wanted: Wanted, account: Account, moved: list[Moved], now: datetime) -> dict[str, Any]:
    return {
        "key": asked.key,
        "member_id": account.member_id,
        "at": now,
        "reason": wanted.reason,
        "actor": wanted.actor,
        "points": sum(one.points for one in moved),
        "lots": [
            {
                "lot": one.lot.lot,
                "points": one.points,
                "expired_before": one.lot.expires_at,
                "lives_on_in": one.longer.lot,
                "expires_at": one.longer.expires_at,
            }
            for one in moved
        ],
    }
