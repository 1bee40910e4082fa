"""What tier-svc says: standing facts, marks, what tasks are worth in points, and that it has loaded a programme. The one thing not to
break: id, time and body derive from the fact alone, so that a replay or `resay` says the same bytes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from laurel_contracts.envelope import Event, derived_id, encode
from laurel_contracts.programmes import ProgrammeLoaded
from laurel_contracts.registry import TYPE_OF
from laurel_contracts.tiers import ActivitiesAssessed, ClubStandingChanged, StandingChanged, TaskRewardChanged
from tier_svc.domain.clubs import ClubFact
from tier_svc.domain.facts import Fact
from tier_svc.domain.tasks import Reward

TOPIC = "tiers"
SOURCE = "tier-svc"

_TASK_REWARD_CHANGED = TYPE_OF[TaskRewardChanged]
_ACTIVITIES_ASSESSED = TYPE_OF[ActivitiesAssessed]
_PROGRAMME_LOADED = "laurel.programme.loaded.v1"


class Saying(NamedTuple):
    """One message as the outbox takes it."""

    partition: int
    key: bytes | None
    type: str
    id: UUID
    number: int | None
    body: bytes


class Outbox(Protocol):
    """Where it is put: a transaction of the kit."""

    def say(
        self,
        *,
        topic: str,
        partition: int,
        key: bytes | None,
        type: str,
        id: str | UUID,
        number: int | None,
        body: bytes,
    ) -> None: ...


def say(outbox: Outbox, saying: Saying) -> None:
    """Put it into the outbox, in call order."""
    outbox.say(
        topic=TOPIC, partition=saying.partition, key=saying.key, type=saying.type, id=saying.id,
        number=saying.number, body=saying.body,
    )  # fmt: skip


def standing_changed(member_id: UUID, partition: int, fact: Fact) -> Saying:
    """A standing fact; `time` is the clock at which it came about."""
    data = StandingChanged(
        computed_from=fact.tier_from,
        computed_to=fact.tier_to,
        effective_from=fact.applied_from,
        effective_to=fact.applied_to,
        **_as_said(fact),
    )
    said = _about(member_id, derived_id("standing", member_id, fact.ordinal), fact, data, number=fact.ordinal)
    return _saying(partition, member_id.bytes, said, fact.ordinal)


def club_standing_changed(member_id: UUID, partition: int, fact: ClubFact) -> Saying:
    """A standing in a club. Without key and number: those of the topic are the main ladder's."""
    data = ClubStandingChanged(club=fact.club, tier_from=fact.tier_from, tier_to=fact.tier_to, **_as_said(fact))
    said = _about(member_id, derived_id("club-standing", member_id, fact.club, fact.ordinal), fact, data, number=None)
    return _saying(partition, None, said, None)


def _as_said(fact: Fact | ClubFact) -> dict[str, Any]:
    """What is said alike of the main ladder and of a club."""
    return {
        "ordinal": fact.ordinal,
        "holds_after": fact.holds_after,
        "kind": fact.kind,
        "since": fact.standing.since,
        "until": fact.standing.until,
        "held_since": fact.standing.held_since,
        "cause": fact.cause,
        "rule": fact.rule,
        "metrics": dict(sorted(fact.metrics.items())),
    }


def _about(
    member_id: UUID,
    id: UUID,
    fact: Fact | ClubFact,
    data: StandingChanged | ClubStandingChanged,
    *,
    number: int | None,
) -> Event[Any]:
    return Event(
        id=str(id),
        source=SOURCE,
        type=TYPE_OF[type(data)],
        time=fact.at,
        subject=member_id,
        memberseq=number,
        programmeversion=fact.version,
        data=data,
    )


def task_reward_changed(member_id: UUID, partition: int, reward: Reward) -> Saying:
    """What a task is worth in points has changed. Without key and number like a standing in a club; it counts by its own number."""
    effort = reward.effort
    data = TaskRewardChanged(
        task=effort.task,
        period=date.fromordinal(effort.period),
        number=reward.number,
        points=reward.points,
        points_before=reward.before,
        at=reward.at,
        cause=f"activity {reward.cause}",
        done_with=effort.seq if reward.points else None,
        why=reward.why,
    )
    said = Event(
        id=str(derived_id("task-reward", member_id, reward.number)),
        source=SOURCE,
        type=_TASK_REWARD_CHANGED,
        time=reward.time,
        subject=member_id,
        programmeversion=effort.version,
        data=data,
    )
    return _saying(partition, None, said, None)


def activities_assessed(topic: str, topic_id: str, partition: int, next_offset: int, time: datetime) -> Saying:
    """The mark behind the facts of one span; `time` is that of the last record in it."""
    data = ActivitiesAssessed(topic=topic, topic_id=topic_id, partition=partition, next_offset=next_offset)
    said = Event(
        id=str(derived_id("assessed", topic, topic_id, partition, next_offset)),
        source=SOURCE,
        type=_ACTIVITIES_ASSESSED,
        time=time,
        data=data,
    )
    return _saying(partition, None, said, None)


def programme_loaded(version: int, sha256: str, time: datetime) -> Saying:
    """A version is loaded here, on partition 0."""
    said = Event(
        id=str(derived_id("programme-loaded", SOURCE, version, sha256)),
        source=SOURCE,
        type=_PROGRAMME_LOADED,
        time=time,
        data=ProgrammeLoaded(service=SOURCE, version=version, sha256=sha256),
    )
    return _saying(0, None, said, None)


def _saying(partition: int, key: bytes | None, said: Event[Any], number: int | None) -> Saying:
    return Saying(partition, key, said.type, UUID(said.id), number, encode(said))
