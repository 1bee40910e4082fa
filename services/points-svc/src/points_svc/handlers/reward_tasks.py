"""What tier-svc says about points for growth tasks, within what is heard of `tiers`: load many, take one by one, keep many. The one thing
not to break: a change is taken in its place among the standing facts, so that where a batch is cut makes no difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from laurel_contracts.tiers import TaskRewardChanged
from laurel_kit.hearing import Heard
from points_svc.domain import ledger, tasks
from points_svc.domain.account import Account, Why
from points_svc.domain.rules import Rules
from points_svc.domain.tasks import TaskReward
from points_svc.store import PointsStore
from points_svc.store.tasks import Name


def about_tasks(batch: Sequence[Heard]) -> list[Heard]:
    """The records that say what tasks are worth; mostly none."""
    return [heard for heard in batch if heard.event.data.__class__ is TaskRewardChanged]


class TaskRewards:
    """What the records of one batch speak of."""

    def __init__(
        self, accounts: Mapping[UUID, Account], known: dict[Name, TaskReward], rules: Mapping[int, Rules]
    ) -> None:
        self._accounts = accounts
        self._known = known
        self._rules = rules

    @classmethod
    async def of(cls, told: Sequence[Heard], accounts: Mapping[UUID, Account], store: PointsStore) -> TaskRewards:
        """Read what was said before, and the lots of those that have something to give back; the accounts are locked."""
        if not told:
            return cls(accounts, {}, {})
        known = await store.tasks.read(sorted({_name(heard) for heard in told}))
        given = [(accounts[name[0]], one.lot) for name, one in known.items() if one.points and one.lot is not None]
        taken = {_name(heard)[0] for heard in told if heard.event.data.points_before}
        taken |= {name[0] for name, one in known.items() if one.points}
        await store.read_live_lots([accounts[member_id] for member_id in sorted(taken)])
        await store.read_lots(given)
        versions = {h.event.programmeversion for h in told if h.event.programmeversion is not None}
        return cls(accounts, known, await store.rules(versions))

    def take(self, heard: Heard) -> None:
        """One change, as a page of the account."""
        said: TaskRewardChanged = heard.event.data
        name, version = _name(heard), heard.event.programmeversion
        if version is None:
            raise ValueError("tier-svc has stamped this with no programme version")
        account = self._accounts[name[0]]
        reward = self._known.setdefault(name, TaskReward(said.task, said.period))
        why: Why = {
            "rule": "task", "version": version, "task": said.task, "period": said.period, "task_cause": said.cause,
            "done_with": said.done_with, "because": said.why, "points_before": reward.points, "points": said.points,
        }  # fmt: skip
        ledger.open_page(account, f"task {said.number}", heard.event.time)
        tasks.follow(account, reward, said, self._rules[version], why)
        ledger.close_page(account)

    async def keep(self, store: PointsStore) -> None:
        """What has changed; no statement where nothing has."""
        await store.tasks.write((name[0], one) for name, one in self._known.items() if one.is_changed)


def _name(heard: Heard) -> Name:
    if heard.event.subject is None:
        raise ValueError("a task that is nobody's")
    return heard.event.subject, heard.event.data.task, heard.event.data.period
