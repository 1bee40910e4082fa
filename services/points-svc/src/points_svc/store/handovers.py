"""Points between members: what is under way at the sender, what has arrived at the receiver, and bonuses for what others did. The one thing
not to break: whether a handover has been taken is read after the receiver's account has been locked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account
from points_svc.domain.between import Arrival, Bonus, Handover
from points_svc.store import ledger

# With what each took from which lot, in that order.
COLUMNS = """h.member_id, h.handover_id, h.receiver_id, h.seq, h.points, h.reason, h.made_at, h.state, h.ended_at,
  array_agg(c.lot ORDER BY c.place) AS lots, array_agg(c.amount ORDER BY c.place) AS amounts"""
FROM = "FROM handover h JOIN consumption c ON c.member_id = h.member_id AND c.seq = h.seq"

# Handovers by name.
NAMED = text(f"SELECT {COLUMNS} {FROM} WHERE h.handover_id = ANY(CAST(:ids AS uuid[])) GROUP BY h.handover_id")

ARRIVED = text("""
SELECT handover_id, points, at, because FROM arrival WHERE handover_id = ANY(CAST(:ids AS uuid[]))
""")

# New ones, under way from here on.
ADD = text("""
WITH made AS (
  INSERT INTO handover (handover_id, member_id, receiver_id, seq, points, reason, made_at, state, ended_at)
  SELECT * FROM unnest(
    CAST(:handover_id AS uuid[]), CAST(:ids AS uuid[]), CAST(:receiver_id AS uuid[]), CAST(:seq AS bigint[]),
    CAST(:points AS bigint[]), CAST(:reason AS text[]), CAST(:made_at AS timestamptz[]), CAST(:state AS text[]),
    CAST(:ended_at AS timestamptz[]))
  RETURNING handover_id
)
INSERT INTO handover_under_way SELECT handover_id FROM made
""")

# A handover ends once, whatever a program believes; what is back is under way no more.
END = text("""
WITH ended AS (
  UPDATE handover h SET state = n.state, ended_at = n.ended_at
  FROM unnest(CAST(:handover_id AS uuid[]), CAST(:state AS text[]), CAST(:ended_at AS timestamptz[])) AS n(handover_id, state, ended_at)
  WHERE h.handover_id = n.handover_id AND h.state = 'under_way'
  RETURNING h.handover_id
)
DELETE FROM handover_under_way u USING ended e WHERE u.handover_id = e.handover_id
""")

# Twice the same is refused by the key: what has been taken cannot be taken again, and is under way no more; what could not be taken is,
# until it is back.
ADD_ARRIVALS = text("""
WITH arrived AS (
  INSERT INTO arrival (handover_id, member_id, points, at, because)
  SELECT * FROM unnest(CAST(:handover_id AS uuid[]), CAST(:ids AS uuid[]), CAST(:points AS bigint[]), CAST(:at AS timestamptz[]),
                       CAST(:because AS text[]))
  RETURNING handover_id, because
)
DELETE FROM handover_under_way u USING arrived a WHERE u.handover_id = a.handover_id AND a.because IS NULL
""")

BONUSES = text("""
SELECT member_id, bonus_id, kind, month, points, lot, undone FROM bonus WHERE bonus_id = ANY(CAST(:ids AS uuid[]))
""")

# How many bonuses of a kind have given anything in a month.
BONUSES_SO_FAR = text("""
SELECT w.member_id, w.kind, w.month, count(*) AS bonuses
FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:months AS date[])) AS w(member_id, kind, month)
JOIN bonus r ON r.member_id = w.member_id AND r.kind = w.kind AND r.month = w.month AND r.points > 0
GROUP BY w.member_id, w.kind, w.month
""")

# New ones, and those that are undone.
WRITE_BONUSES = text("""
INSERT INTO bonus (bonus_id, member_id, kind, month, points, lot, undone)
SELECT * FROM unnest(
  CAST(:bonus_id AS uuid[]), CAST(:ids AS uuid[]), CAST(:kind AS text[]), CAST(:month AS date[]), CAST(:points AS bigint[]),
  CAST(:lot AS bigint[]), CAST(:undone AS boolean[]))
ON CONFLICT (bonus_id) DO UPDATE SET undone = excluded.undone
""")

Months = dict[tuple[UUID, str, date], int]


class Between:
    """What a handler may ask about what goes between members, inside one transaction; as `store.between`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def named(self, handover_id: UUID) -> tuple[UUID, Handover, Arrival | None] | None:
        """One handover: who sent it, and what became of it at the receiver; not locked."""
        row = (await self._tx.run(NAMED, ids=[handover_id])).one_or_none()
        if row is None:
            return None
        return row.member_id, read_one(row), (await self.arrived([handover_id])).get(handover_id)

    async def arrived(self, ids: Collection[UUID]) -> dict[UUID, Arrival]:
        """Those of these handovers that have been taken or refused."""
        if not ids:
            return {}
        return {row.handover_id: Arrival(*row) for row in await self._tx.run(ARRIVED, ids=list(ids))}

    async def read(self, accounts: Mapping[UUID, Account], ids: Collection[UUID]) -> None:
        """Handovers by name into their senders' accounts, with the lots they came from."""
        if not ids:
            return
        lots = []
        for row in await self._tx.run(NAMED, ids=list(ids)):
            account = accounts.get(row.member_id)
            if account is not None:
                handover = account.handovers.setdefault(row.handover_id, read_one(row))
                lots += [(account, lot) for lot, _ in handover.parts]
        await ledger.read_lots(self._tx, lots)

    async def read_bonuses(self, accounts: Mapping[UUID, Account], ids: Collection[UUID]) -> None:
        """Bonuses by name into their accounts; those undone need their lots, and every lot that holds anything."""
        if not ids:
            return
        for member_id, *columns in await self._tx.run(BONUSES, ids=list(ids)):
            accounts[member_id].bonuses[columns[0]] = Bonus(*columns)

    async def bonuses_so_far(self, wanted: Collection[tuple[UUID, str, date]]) -> Months:
        """How many bonuses have given anything, by member, kind and month."""
        if not wanted:
            return {}
        ids, kinds, months = map(list, zip(*wanted, strict=True))
        rows = await self._tx.run(BONUSES_SO_FAR, ids=ids, kinds=kinds, months=months)
        return {(row.member_id, row.kind, row.month): row.bonuses for row in rows}


async def write(tx: Transaction, concerned: Iterable[Account]) -> None:
    """New handovers, those handed back, arrivals and bonuses; a statement only where there are any."""
    concerned = list(concerned)
    handovers = [(a.member_id, one) for a in concerned if a.handovers for one in a.handovers.values()]
    new = [(member_id, one) for member_id, one in handovers if one.is_new]
    if new:
        await tx.run(
            ADD,
            handover_id=[one.handover_id for _, one in new],
            ids=[member_id for member_id, _ in new],
            receiver_id=[one.receiver_id for _, one in new],
            seq=[one.seq for _, one in new],
            points=[one.points for _, one in new],
            reason=[one.reason for _, one in new],
            made_at=[one.made_at for _, one in new],
            state=[one.state for _, one in new],
            ended_at=[one.ended_at for _, one in new],
        )
    ended = [one for _, one in handovers if one.is_changed and not one.is_new]
    if ended:
        await tx.run(
            END,
            handover_id=[one.handover_id for one in ended],
            state=[one.state for one in ended],
            ended_at=[one.ended_at for one in ended],
        )
    arrivals = [(a.member_id, one) for a in concerned if a.arrivals for one in a.arrivals.values()]
    if arrivals:
        await tx.run(
            ADD_ARRIVALS,
            handover_id=[one.handover_id for _, one in arrivals],
            ids=[member_id for member_id, _ in arrivals],
            points=[one.points for _, one in arrivals],
            at=[one.at for _, one in arrivals],
            because=[one.because for _, one in arrivals],
        )
    bonuses = [(a.member_id, one) for a in concerned if a.bonuses for one in a.bonuses.values() if one.is_changed]
    if bonuses:
        await tx.run(
            WRITE_BONUSES,
            bonus_id=[one.bonus_id for _, one in bonuses],
            ids=[member_id for member_id, _ in bonuses],
            kind=[one.kind for _, one in bonuses],
            month=[one.month for _, one in bonuses],
            points=[one.points for _, one in bonuses],
            lot=[one.lot for _, one in bonuses],
            undone=[one.undone for _, one in bonuses],
        )


def read_one(row: Any) -> Handover:
    return Handover(
        row.handover_id, row.receiver_id, row.seq, row.points, row.reason, row.made_at,
        tuple(zip(row.lots, row.amounts, strict=True)), row.state, row.ended_at,
    )  # fmt: skip
