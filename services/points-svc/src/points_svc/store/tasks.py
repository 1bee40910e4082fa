"""What growth tasks are worth to members, as tier-svc has said last. The one thing not to break: what was said is remembered for ever,
because it may be said again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.tasks import TaskReward

# One task of one member in one period each.
READ = text("""
SELECT r.member_id, r.task, r.period, r.number, r.points, r.lot
FROM unnest(CAST(:ids AS uuid[]), CAST(:tasks AS text[]), CAST(:periods AS date[])) AS wanted(member_id, task, period)
JOIN task_reward r USING (member_id, task, period)
""")

# What has been said last takes the place of what was said before.
WRITE = text("""
INSERT INTO task_reward (member_id, task, period, number, points, lot)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:tasks AS text[]), CAST(:periods AS date[]), CAST(:numbers AS bigint[]),
                     CAST(:points AS bigint[]), CAST(:lots AS bigint[]))
ON CONFLICT (member_id, task, period) DO UPDATE SET number = excluded.number, points = excluded.points, lot = excluded.lot
""")

Name = tuple[UUID, str, date]  # whose, which task, in which period


class TaskRewards:
    """As `store.tasks`. The accounts are locked before anything is read here."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def read(self, wanted: Collection[Name]) -> dict[Name, TaskReward]:
        """Those of these that anything has been said of."""
        if not wanted:
            return {}
        ids, tasks, periods = map(list, zip(*wanted, strict=True))
        rows = (await self._tx.run(READ, ids=ids, tasks=tasks, periods=periods)).all()
        return {(row[0], row[1], row[2]): TaskReward(*row[1:]) for row in rows}

    async def write(self, changed: Iterable[tuple[UUID, TaskReward]]) -> None:
        """As they stand now."""
        rows = list(changed)
        if rows:
            await self._tx.run(
                WRITE,
                ids=[member_id for member_id, _ in rows],
                tasks=[one.task for _, one in rows],
                periods=[one.period for _, one in rows],
                numbers=[one.number for _, one in rows],
                points=[one.points for _, one in rows],
                lots=[one.lot for _, one in rows],
            )
