"""Points for growth tasks. tier-svc says what a task is worth to a member in a period, and the books follow. The one thing not to break: of
one task and period the highest number holds, so that nothing counts twice and nothing old undoes what is newer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from points_svc.domain import calendar, earning, ledger
from points_svc.domain.account import TASK_DONE, TASK_LOTS_FROM, TASK_TAKEN_BACK, Account, Dated, Why
from points_svc.domain.rules import Rules


class Said(Protocol):
    """A change as tier-svc says it."""

    @property
    def number(self) -> int: ...
    @property
    def points(self) -> int: ...
    @property
    def at(self) -> datetime: ...


@dataclass(slots=True)
class TaskReward:
    """What a task is worth in a period, by what was said last, `number`; its points have come into `lot`."""

    task: str
    period: date
    number: int = 0
    points: int = 0
    lot: int | None = None
    is_changed: bool = False


def follow(account: Account, reward: TaskReward, said: Said, rules: Rules, why: Why) -> bool:
    """Give what the task is worth now, in a lot that dates from the activity that completes it, and take back what it was worth before;
    in this order, so that points which only move make no debt on the way. False: it was known. The page is open."""
    if said.number <= reward.number:
        return False
    before, old = reward.points, reward.lot
    reward.number, reward.points, reward.is_changed = said.number, said.points, True
    if said.points:
        reward.lot = TASK_LOTS_FROM + said.number
        dated = Dated(reward.lot, said.at, calendar.local_day(said.at, rules.zone))
        ledger.put(account, earning.new_lot(account, "task", dated, rules), said.points, TASK_DONE, why)
    if before:
        own = None if old is None else account.lots.get(old)
        ledger.take(account, own, before, TASK_TAKEN_BACK, why)
    return True
