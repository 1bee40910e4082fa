"""Growth tasks over HTTP: what there is to do, what is done, what is missing, until when. The one thing not to break: days are days of the
programme's zone, and `growth` is what the tier metrics have counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from laurel_kit.clock import BusinessClock
from laurel_kit.postgres import Database, Transaction
from tier_svc.api import errors
from tier_svc.domain.tasks import SINCE_EVER, Done, Effort, Progress, Task
from tier_svc.handlers.show_benefits import show_rules
from tier_svc.handlers.show_standing import NoProgramme
from tier_svc.handlers.show_tasks import Doings, show_tasks
from tier_svc.store import TierStore


class EffortAnswer(BaseModel):
    """An activity that counts: its number in the member's stream, and its local day."""

    activity: int
    day: date

    @classmethod
    def of(cls, effort: Effort) -> EffortAnswer:
        return cls(activity=effort.seq, day=date.fromordinal(effort.day))


class DoneAnswer(BaseModel):
    """A task done: on which day, with which activity, by which version, for how much growth and points. `since`: the period it
    belongs to."""

    task: str
    since: date | None
    day: date
    activity: int
    growth: int
    points: int
    programme_version: int

    @classmethod
    def of(cls, done: Done) -> DoneAnswer:
        effort = done.effort
        return cls(
            task=effort.task, since=_day(effort.period), day=date.fromordinal(effort.day), activity=effort.seq,
            growth=effort.growth, points=effort.points, programme_version=effort.version,
        )  # fmt: skip


class TaskAnswer(BaseModel):
    """A task in its present period (`since` to `until`, exclusive). `by`: the last local day on which what is missing still counts."""

    task: str
    name: str
    text: str
    growth: int
    points: int
    count: int
    per: str | None
    since: date | None
    until: date | None
    have: int
    missing: int
    by: date | None
    done: DoneAnswer | None
    counted: list[EffortAnswer]
    why: str

    @classmethod
    def of(cls, progress: Progress) -> TaskAnswer:
        task = progress.task
        return cls(
            task=task.id, name=task.name, text=task.text, growth=task.growth, points=task.points, count=task.count,
            per=task.per, since=_day(progress.period), until=None if progress.until is None else _day(progress.until),
            have=progress.have, missing=progress.missing, by=None if progress.by is None else date.fromordinal(progress.by),
            done=None if progress.done is None else DoneAnswer.of(progress.done),
            counted=[EffortAnswer.of(each) for each in progress.efforts], why=progress.why,
        )  # fmt: skip


class TasksAnswer(BaseModel):
    """All tasks of the programme in force, and everything done before, the latest first. `growth`: what tasks have given in all."""

    member_id: UUID
    at: datetime
    day: date
    clock: datetime
    programme_version: int
    growth: int
    items: list[TaskAnswer]
    done: list[DoneAnswer]

    @classmethod
    def of(cls, doings: Doings) -> TasksAnswer:
        return cls(
            member_id=doings.member_id, at=doings.at, day=doings.day, clock=doings.clock, programme_version=doings.version,
            growth=doings.growth, items=[TaskAnswer.of(each) for each in doings.tasks],
            done=[DoneAnswer.of(each) for each in doings.done],
        )  # fmt: skip


def router(database: Database, open_store: Callable[[Transaction], TierStore], clock: BusinessClock) -> APIRouter:
    """/v1/members/{id}/tasks and /v1/tasks."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])

    @routes.get("/members/{member_id}/tasks")
    async def of_member(member_id: UUID) -> TasksAnswer:
        """As of today, by the business clock."""
        async with database.reading() as tx:
            try:
                doings = await show_tasks(member_id, clock.now(), open_store(tx))
            except NoProgramme as error:
                raise errors.no_programme(error) from error
        if doings is None:
            raise errors.unknown_member(member_id)
        return TasksAnswer.of(doings)

    @routes.get("/tasks")
    async def offered() -> dict[str, Any]:
        """The tasks of the newest programme version in force."""
        async with database.reading() as tx:
            rules = await show_rules(open_store(tx))
        if rules is None:
            raise errors.no_programme(LookupError("no version has been activated yet"))
        return {"programme_version": rules.version, "items": [_offered(task) for task in rules.tasks]}

    return routes


def _offered(task: Task) -> dict[str, Any]:
    return {
        "task": task.id, "name": task.name, "text": task.text, "asks": task.in_words, "per": task.per, "growth": task.growth,
        "points": task.points,
    }  # fmt: skip


def _day(ordinal: int) -> date | None:
    return None if ordinal == SINCE_EVER else date.fromordinal(ordinal)
