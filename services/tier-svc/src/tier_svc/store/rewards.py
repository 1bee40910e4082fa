"""Changes of what tasks are worth in points, as they are said and can be said again. The one thing not to break: a change is numbered once
per member, under the lane's cursor, in the order of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from tier_svc.domain.stream import Stream
from tier_svc.domain.tasks import Effort, Reward

# The last number of each of these members.
LAST_NUMBERS = text("""
SELECT member_id, max(number) AS last FROM task_reward WHERE member_id = ANY(CAST(:ids AS uuid[])) GROUP BY member_id
""")

# What a batch has changed.
ADD = text("""
INSERT INTO task_reward (member_id, number, task, period, before, points, cause, time, seq, done_at, day, need, version)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:tasks AS text[]), CAST(:periods AS date[]),
                     CAST(:befores AS bigint[]), CAST(:points AS bigint[]), CAST(:causes AS bigint[]), CAST(:times AS timestamptz[]),
                     CAST(:seqs AS bigint[]), CAST(:done_ats AS timestamptz[]), CAST(:days AS date[]), CAST(:needs AS integer[]),
                     CAST(:versions AS integer[]))
""")

# All that was ever said of some members, with their partition.
OF_MEMBERS = text("""
SELECT m.partition, r.* FROM member m JOIN task_reward r ON r.member_id = m.member_id
WHERE m.member_id = ANY(CAST(:ids AS uuid[])) ORDER BY r.member_id, r.number
""")

Said = tuple[UUID, int, Reward]  # whose, in which partition, what


class TaskRewards:
    """Keeps what is said about points for tasks."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def keep(self, streams: Sequence[Stream]) -> list[Said]:
        """What these members' tasks have come to in points, numbered; no statement where no task has."""
        changed = sorted(
            (each for each in streams if each.efforts is not None and each.efforts.rewards), key=lambda s: s.member_id
        )
        if not changed:
            return []
        ids = [stream.member_id for stream in changed]
        last = {row.member_id: row.last for row in (await self._tx.run(LAST_NUMBERS, ids=ids)).all()}
        said = [
            (stream.member_id, stream.partition, replace(reward, number=last.get(stream.member_id, 0) + place))
            for stream in changed
            if stream.efforts is not None
            for place, reward in enumerate(stream.efforts.rewards, 1)
        ]
        rewards = [reward for _, _, reward in said]
        await self._tx.run(
            ADD,
            ids=[member_id for member_id, _, _ in said],
            numbers=[reward.number for reward in rewards],
            tasks=[reward.effort.task for reward in rewards],
            periods=[date.fromordinal(reward.effort.period) for reward in rewards],
            befores=[reward.before for reward in rewards],
            points=[reward.points for reward in rewards],
            causes=[reward.cause for reward in rewards],
            times=[reward.time for reward in rewards],
            seqs=[reward.effort.seq for reward in rewards],
            done_ats=[reward.effort.time for reward in rewards],
            days=[date.fromordinal(reward.effort.day) for reward in rewards],
            needs=[reward.effort.need for reward in rewards],
            versions=[reward.effort.version for reward in rewards],
        )
        return said

    async def of_members(self, ids: Sequence[UUID]) -> list[Said]:
        """All that was ever said of some members, in its order."""
        if not ids:
            return []
        return [
            (row.member_id, row.partition, _reward(row))
            for row in (await self._tx.run(OF_MEMBERS, ids=list(ids))).all()
        ]


def _reward(row: Any) -> Reward:
    effort = Effort(
        row.task, row.period.toordinal(), row.seq, row.done_at, row.day.toordinal(), row.need, 0, 0, 0, row.version
    )
    return Reward(row.before, row.points, row.cause, row.time, effort, row.number)
