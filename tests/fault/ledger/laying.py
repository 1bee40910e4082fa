"""Books that are full from the start, laid straight into the tables: members with so many lots, each with its entry. The one thing not to
break: the trial balance of what is laid is 0 and every invariant holds, so that a test shows what it did itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from points_svc.domain.account import AWARD_LOTS_FROM

EARNED_AT = datetime(2025, 3, 1, tzinfo=UTC)
ACCOUNT = ("member_id", "partition", "posted", "seq", "said", "award", "reached", "active", "ladder", "next_expiry")
TRANSFER = ("member_id", "seq", "cause", "leg", "at", "kind", "debit", "credit", "amount", "lot", "why")
LOT = ("member_id", "lot", "kind", "granted", "remaining", "earned_at", "available_at", "expires_at")
WHY = '{"rule": "campaign"}'


@dataclass(frozen=True)
class Laid:
    """A lot of a member: `number` counts his awards."""

    number: int
    points: int
    expires_at: datetime
    earned_at: datetime = EARNED_AT

    @property
    def lot(self) -> int:
        return AWARD_LOTS_FROM + self.number


async def lay(url: str, lots_of: Iterable[tuple[UUID, Sequence[Laid]]], members_per_copy: int = 500) -> None:
    """Registered members with these lots, numbered from 1."""
    connection = await asyncpg.connect(url)
    try:
        some: list[tuple[UUID, Sequence[Laid]]] = []
        for one in lots_of:
            some.append(one)
            if len(some) == members_per_copy:
                await _copy(connection, some)
                some = []
        await _copy(connection, some)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _copy(connection: asyncpg.Connection, some: Sequence[tuple[UUID, Sequence[Laid]]]) -> None:
    accounts, transfers, lots = [], [], []
    for member_id, laid in some:
        ladder: dict[datetime, int] = defaultdict(int)
        for one in laid:
            ladder[one.expires_at] += one.points
            transfers.append(
                (
                    member_id, one.number, f"award {one.number}", 1, one.earned_at, "awarded", "issuance", "available", one.points,
                    one.lot, WHY,
                )
            )  # fmt: skip
            lots.append(
                (
                    member_id, one.lot, "award", one.points, one.points, one.earned_at, one.earned_at, one.expires_at,
                )
            )  # fmt: skip
        n = len(laid)
        text = msgspec.json.encode(dict(ladder)).decode()
        reached = max(one.earned_at for one in laid)
        accounts.append((member_id, 0, sum(ladder.values()), n, n, n, reached, True, text, min(ladder)))
    await connection.copy_records_to_table("account", columns=ACCOUNT, records=accounts)
    await connection.copy_records_to_table("transfer", columns=TRANSFER, records=transfers)
    await connection.copy_records_to_table("lot", columns=LOT, records=lots)
