"""How far a member is with the growth tasks of the programme in force, and what he has done before. The one thing not to break: it is told
by the same efforts and the same rule that growth is counted by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from tier_svc.domain.tasks import Done, Effort, Progress, done_with, progress_of
from tier_svc.handlers.show_benefits import in_force
from tier_svc.store import TierStore


@dataclass(frozen=True, slots=True)
class Doings:
    """Each task in its present period, and all that were ever done (also those no programme has any more), the latest first."""

    member_id: UUID
    at: datetime
    day: date
    clock: datetime
    version: int
    tasks: list[Progress]
    done: list[Done]

    @property
    def growth(self) -> int:
        """What tasks have given in all."""
        return sum(each.effort.growth for each in self.done)


async def show_tasks(member_id: UUID, now: datetime, store: TierStore) -> Doings | None:
    """As of the local day of `now`; None for an unknown member. Raises NoProgramme."""
    row = await store.benefits.holder(member_id)
    if row is None or row.clock is None:
        return None
    there = await in_force(row.partition, now, store)
    by_period: dict[tuple[str, int], list[Effort]] = {}
    for effort in await store.streams.efforts_of(member_id):
        by_period.setdefault((effort.task, effort.period), []).append(effort)
    tasks = [
        progress_of(task, by_period.get((task.id, task.period_of(there.day)), ()), there.day)
        for task in there.rules.tasks
    ]
    done = [found for efforts in by_period.values() if (found := done_with(efforts)) is not None]
    done.sort(key=lambda each: (each.day, each.effort.seq, each.effort.task), reverse=True)
    return Doings(member_id, now, there.day, row.clock, there.rules.version, tasks, done)
