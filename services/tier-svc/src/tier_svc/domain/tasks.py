"""Growth tasks (成长任务): which activities count for which task, when it is done, and what growth and points this gives. Pure. The one
thing not to break: whether a task is done is a function of the set of activities that count: no order of arrival and no batch changes it,
and a task is done once per period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple, Protocol

from tier_svc.domain.spans import span_of

SINCE_EVER = date.min.toordinal()  # the period of a task that is done once for ever


class TaskWords(Protocol):
    """A task as the programme document writes it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def done_by(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def per(self) -> str | None: ...
    @property
    def which(self) -> str | None: ...
    @property
    def least_minor(self) -> int: ...
    @property
    def photos(self) -> int: ...
    @property
    def within_days(self) -> int | None: ...
    @property
    def from_day(self) -> str | None: ...
    @property
    def to_day(self) -> str | None: ...
    @property
    def growth(self) -> int: ...
    @property
    def points(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a programme version. Days are proleptic ordinals."""

    id: str
    name: str
    text: str
    done_by: str
    count: int
    growth: int
    per: str | None = None
    which: str | None = None
    least_minor: int = 0
    photos: int = 0
    within_days: int = 0  # 0: the whole period
    first_day: int = SINCE_EVER
    last_day: int = date.max.toordinal()
    points: int = 0

    @classmethod
    def of(cls, words: TaskWords) -> Task:
        """As it is written, with its days read."""
        first = date.fromisoformat(words.from_day) if words.from_day is not None else date.min
        last = date.fromisoformat(words.to_day) if words.to_day is not None else date.max
        return cls(
            words.id, words.name, words.text, words.done_by, words.count, words.growth, words.per, words.which,
            words.least_minor, words.photos, words.within_days or 0, first.toordinal(), last.toordinal(), words.points,
        )  # fmt: skip

    @property
    def in_words(self) -> str:
        """What is to be done, as a sentence."""
        what = self.done_by.replace("_", " ") + (f" {self.which}" if self.which is not None else "")
        parts = [f"{self.count} × {what}"]
        if self.least_minor:
            parts.append(f"of which {self.least_minor} minor units or more are left")
        if self.photos:
            parts.append(f"with {self.photos} photos or more")
        parts.append(f"once per {self.per}" if self.per is not None else "once")
        if self.within_days:
            parts.append(f"within {self.within_days} days")
        if self.first_day != SINCE_EVER:
            parts.append(f"from {date.fromordinal(self.first_day).isoformat()}")
        if self.last_day != date.max.toordinal():
            parts.append(f"until {date.fromordinal(self.last_day).isoformat()}")
        return ", ".join(parts)

    def period_of(self, day: date) -> int:
        """The period in which a day lies, as the ordinal of its first day."""
        return span_of(self.per, day).since.toordinal()


class Doing(NamedTuple):
    """What an activity is, as far as a task asks. `which`: activity_id or survey_id."""

    kind: str
    which: str | None = None
    photos: int = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """One activity that counts for one task in one period, with what the version of its time asks and gives: it is done with the first
    effort, in the order of local days, at which as many count as that effort's own version asks. `counts`: no longer, once refunds have
    left too little of an order."""

    task: str
    period: int  # ordinal of the first day of the period
    seq: int
    time: datetime
    day: int
    need: int
    within_days: int
    growth: int
    least_minor: int
    version: int
    counts: bool = True
    points: int = 0


class Done(NamedTuple):
    """A task that is done: with which activity, on which local day, for how much growth."""

    effort: Effort

    @property
    def day(self) -> int:
        return self.effort.day


Moved = tuple[int, int]  # a local day and the growth that it gains or loses


@dataclass(frozen=True, slots=True)
class Reward:
    """What a task is worth in points in one period has changed: from `before` to `points` (0: it is not done, or not any more). `cause`:
    the activity that changed it, at its `time`; `effort`: the one it is done with, or was. `number` counts per member; 0: not given yet."""

    before: int
    points: int
    cause: int
    time: datetime
    effort: Effort
    number: int = 0

    @property
    def at(self) -> datetime:
        """What the points date from: the activity that the task is done with; where it is not, the one that undid it."""
        return self.effort.time if self.points else self.time

    @property
    def why(self) -> str:
        """In words."""
        effort, name = self.effort, f"task {self.effort.task}"
        if not self.points:
            return f"{name} is done no more: activity {effort.seq}, which had completed it, counts no longer, and nothing stands in"
        day = date.fromordinal(effort.day).isoformat()
        return f"{name} is done on {day} with activity {effort.seq}: {effort.need} were asked for"


def efforts_of(
    tasks: Iterable[Task], doing: Doing, *, seq: int, time: datetime, day: date, version: int, worth: int | None = None
) -> Iterator[Effort]:
    """For which tasks an activity counts. `worth`: what counts of an order, in minor units."""
    ordinal = day.toordinal()
    for task in tasks:
        if (
            task.done_by == doing.kind
            and task.first_day <= ordinal <= task.last_day
            and (task.which is None or task.which == doing.which)
            and doing.photos >= task.photos
        ):
            yield Effort(
                task.id, task.period_of(day), seq, time, ordinal, task.count, task.within_days, task.growth,
                task.least_minor, version, worth is None or worth >= task.least_minor, task.points,
            )  # fmt: skip


def done_with(efforts: Iterable[Effort]) -> Done | None:
    """With which effort a task is done, of all efforts of one period. Only what happened up to a day decides whether it is done by then."""
    days: list[int] = []
    for effort in sorted((each for each in efforts if each.counts), key=lambda each: (each.day, each.seq)):
        days.append(effort.day)
        first = effort.day - effort.within_days + 1 if effort.within_days else 0
        if sum(day >= first for day in days) >= effort.need:
            return Done(effort)
    return None


class Efforts:
    """What a member has done for tasks: what is stored of the periods at hand, and what this batch has added and changed. `whole`: all that
    was ever done is at hand."""

    __slots__ = ("_by_period", "_of_order", "added", "changed", "known", "rewards", "whole")

    def __init__(
        self, stored: Iterable[Effort] = (), *, known: Iterable[tuple[str, int]] = (), whole: bool = True
    ) -> None:
        self._by_period: dict[tuple[str, int], dict[int, Effort]] = {}
        self._of_order: dict[int, list[tuple[str, int]]] = {}
        self.known = set(known)  # periods of which everything stored is at hand
        self.whole = whole
        self.added: list[tuple[str, int, int]] = []
        self.changed: set[tuple[str, int, int]] = set()
        self.rewards: list[Reward] = []  # changes of what tasks are worth in points, in the order of the stream
        for effort in stored:
            self._put(effort)
            self.known.add((effort.task, effort.period))

    def _put(self, effort: Effort) -> None:
        key = (effort.task, effort.period)
        self._by_period.setdefault(key, {})[effort.seq] = effort
        keys = self._of_order.setdefault(effort.seq, [])
        if key not in keys:
            keys.append(key)

    def knows(self, effort: Effort) -> bool:
        """Whether everything is at hand that decides about the period of an effort."""
        return self.whole or (effort.task, effort.period) in self.known

    def take(self, effort: Effort, *, for_good: bool) -> list[Moved]:
        """One more. `for_good`: no refund will ever undo it; behind the effort that a task is done with it changes nothing then, and is
        not kept, so that who signs in for years leaves no row a day. Gives back how growth moves."""
        if for_good:
            done = done_with(self._by_period.get((effort.task, effort.period), {}).values())
            if done is not None and (done.day, done.effort.seq) < (effort.day, effort.seq):
                return []
        self.added.append((effort.task, effort.period, effort.seq))
        return self._moved(effort, effort.seq, effort.time)

    def judge_order(self, seq: int, counted: int, counts: bool, *, cause: int, time: datetime) -> list[Moved]:
        """An order is worth `counted` by now: does it still count for its tasks? Gives back how growth moves. `cause`: the refund, at its
        `time`."""
        moved: list[Moved] = []
        for key in self._of_order.get(seq, ()):
            effort = self._by_period[key][seq]
            still = counts and counted >= effort.least_minor
            if still != effort.counts:
                moved += self._moved(replace(effort, counts=still), cause, time)
                self.changed.add((*key, seq))
        return moved

    def _moved(self, effort: Effort, cause: int, time: datetime) -> list[Moved]:
        key = (effort.task, effort.period)
        before = done_with(self._by_period.get(key, {}).values())
        self._put(effort)
        after = done_with(self._by_period[key].values())
        if before == after:
            return []
        self._reward(before, after, cause, time)
        moved = [] if before is None else [(before.day, -before.effort.growth)]
        return moved if after is None else [*moved, (after.day, after.effort.growth)]

    def _reward(self, before: Done | None, after: Done | None, cause: int, time: datetime) -> None:
        """Points stay where they are while the task is worth the same, also where another activity completes it now: nobody's points are
        taken and given anew for that."""
        was, is_now = (0 if done is None else done.effort.points for done in (before, after))
        done = after or before
        if was != is_now and done is not None:
            self.rewards.append(Reward(was, is_now, cause, time, done.effort))

    def to_add(self) -> list[Effort]:
        """What this batch has added, as it stands now."""
        return [self._by_period[task, period][seq] for task, period, seq in self.added]

    def to_change(self) -> list[Effort]:
        """What this batch has changed of what was stored before."""
        fresh = set(self.added)
        return [self._by_period[task, period][seq] for task, period, seq in sorted(self.changed - fresh)]

    def given(self, day: int, seen: tuple[datetime, int] | None = None) -> list[Moved]:
        """The growth that tasks give by what happened on or before a day, each on its own day. `seen` (instant, number): only by what
        happened before the instant or is numbered up to the number."""
        given = []
        for efforts in self._by_period.values():
            at_hand = [
                each
                for each in efforts.values()
                if each.day <= day and (seen is None or each.time < seen[0] or each.seq <= seen[1])
            ]
            done = done_with(at_hand)
            if done is not None:
                given.append((done.day, done.effort.growth))
        return given


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a member is with a task in the period of a day. `effort`s count; `done`: with which of them; `by`: the last local day on
    which what is missing would still count (None: no end)."""

    task: Task
    period: int
    until: int | None
    efforts: tuple[Effort, ...]
    done: Done | None
    have: int
    by: int | None

    @property
    def missing(self) -> int:
        return 0 if self.done is not None else max(1, self.task.count - self.have)

    @property
    def why(self) -> str:
        """Why it is done, or what it is waiting for."""
        if self.done is not None:
            effort = self.done.effort
            on = date.fromordinal(effort.day).isoformat()
            gives = f"{effort.growth} growth" + (f" and {effort.points} points" if effort.points else "")
            return f"done on {on} with activity {effort.seq}: {effort.need} were asked for; {gives}"
        return f"{self.have} of {self.task.count} counts; asked: {self.task.in_words}"


def progress_of(task: Task, efforts: Sequence[Effort], day: date) -> Progress:
    """As of a local day. `efforts`: those of this task in the period of the day, also those that no longer count."""
    today = day.toordinal()
    span = span_of(task.per, day)
    until = None if span.until is None else span.until.toordinal()
    done = done_with(efforts)
    counting = sorted((each for each in efforts if each.counts), key=lambda each: (each.day, each.seq))
    first = today - task.within_days + 1 if task.within_days else span.since.toordinal()
    open_ = [each for each in counting if first <= each.day]
    ends = [end for end in (None if until is None else until - 1, task.last_day) if end is not None]
    if task.within_days and open_:
        ends.append(open_[0].day + task.within_days - 1)
    by = min(ends)
    return Progress(
        task,
        span.since.toordinal(),
        until,
        tuple(counting),
        done,
        len(open_),
        None if by == date.max.toordinal() else by,
    )
