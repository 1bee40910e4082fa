"""Made-up histories of many members: a log of `activities`, the standing facts about it, and awards. The same seed gives the same log."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_kit.hearing import RawRecord
from tests.integration.points_svc.books import awarded, ended, stood, told
from tests.unit.points_svc.script import SHANGHAI, Activity, Fact, Script, local

TIERS = ["regular", "silver", "gold", "diamond"]
CATEGORIES = ["food", "wine", "gift_card", "shipping"]
FIRST = local(SHANGHAI, 2025, 1, 1, 9)


@dataclass
class History:
    """Records by topic. `facts_ahead`: `activities` and `tiers` mixed so that each fact stands before the activities it holds for."""

    members: list[UUID]
    activities: list[RawRecord] = field(default_factory=list)
    tiers: list[RawRecord] = field(default_factory=list)
    campaigns: list[RawRecord] = field(default_factory=list)
    facts_ahead: list[RawRecord] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)


@dataclass
class Life:
    """One member while his history is made up."""

    member: UUID
    partition: int
    script: Script = field(default_factory=Script)
    left: dict[str, dict[str, int]] = field(default_factory=dict)
    reviews: int = 0
    awards: list[AwardGranted] = field(default_factory=list)
    said: int = 0


def make(
    seed: int, *, members: int, events: int, partitions: int = 3, days_per_step: float = 0.02, close_days: int = 1
) -> History:
    """`events` activities of `members` members over `partitions`; days close on the way, some activities are late."""
    chance = random.Random(seed)
    lives = [Life(UUID(int=chance.getrandbits(128)), n % partitions) for n in range(members)]
    history = History([life.member for life in lives])
    now, closed = FIRST, date(2025, 1, 2)
    for _ in range(events):
        now += timedelta(days=chance.random() * days_per_step * 2)
        while chance.random() < 0.5 and local(SHANGHAI, closed.year, closed.month, closed.day, 6) < now:
            for partition in range(partitions):
                _lay(history, ended(local(SHANGHAI, closed.year, closed.month, closed.day), partition=partition))
            closed += timedelta(days=close_days)
        history.times.append(now)
        life = chance.choice(lives)
        at = now - timedelta(hours=chance.choice([0, 0, 0, 0, 1, 30, 200]))
        _live(life, chance, at)
        if isinstance(step := life.script.steps[-1], Activity):
            _lay(history, told(step, life.member, SHANGHAI, partition=life.partition))
        if chance.random() < 0.15:
            life.script.stand(chance.choice(TIERS))
            fact = life.script.steps[-1]
            assert isinstance(fact, Fact)
            record = stood(fact, life.member, life.partition, now)
            history.tiers.append(record)
            history.facts_ahead.append(record)
        if chance.random() < 0.1:
            _award(history, life, chance, at)
    return history


def _lay(history: History, record: RawRecord) -> None:
    history.activities.append(record)
    history.facts_ahead.append(record)


def _live(life: Life, chance: random.Random, at: datetime) -> None:
    script = life.script
    choice = chance.random()
    if script.number == 0 and chance.random() < 0.7:
        script.tell(_registered(), at)
    elif choice < 0.3 and life.left:
        _refund(life, chance, at)
    elif choice < 0.35:
        _sign_in(life, at)
    elif choice < 0.4:
        life.reviews += 1
        script.review(f"sku{life.reviews}", at=at, photos=chance.randint(0, 1))
    elif choice < 0.45:
        script.join(f"event{script.number}", at=at)
    else:
        order = f"{life.member.hex[:6]}-{script.number}"
        lines = {name: chance.randint(0, 20_000) for name in chance.sample(CATEGORIES, chance.randint(1, 3))}
        life.left[order] = dict(lines)
        script.buy(sum(lines.values()), order, at, **lines)


def _registered() -> object:
    from laurel_contracts.decisions import MemberRegistered

    return MemberRegistered()


def _sign_in(life: Life, at: datetime) -> None:
    """The door lets one a day through."""
    days = {
        step.at.astimezone(SHANGHAI).date()
        for step in life.script.steps
        if isinstance(step, Activity) and type(step.data).__name__ == "MemberSignedIn"
    }
    if at.astimezone(SHANGHAI).date() in days:
        life.script.join(f"event{life.script.number}", at=at)
    else:
        life.script.sign_in(at)


def _refund(life: Life, chance: random.Random, at: datetime) -> None:
    order = chance.choice(sorted(life.left))
    left = life.left[order]
    rest = sum(left.values())
    if chance.random() < 0.7:
        del life.left[order]
        amount = chance.choice([rest, rest, chance.randint(0, rest)])
        life.script.refund(order, amount=amount, at=at)  # unallocated, then left alone
    else:
        name = chance.choice(sorted(left))
        amount = chance.randint(0, left[name])
        left[name] -= amount
        life.script.refund(order, at=at, **{name: amount})


def _award(history: History, life: Life, chance: random.Random, at: datetime) -> None:
    life.said += 1
    data: AwardGranted | AwardTakenBack
    if life.awards and chance.random() < 0.3:
        granted = life.awards.pop()
        data = AwardTakenBack(
            award_id=granted.award_id, campaign_id=granted.campaign_id, kind="points", points=granted.points,
            cause="activity 1", cause_number=1, at=at,
        )  # fmt: skip
    else:
        data = AwardGranted(
            award_id=UUID(int=chance.getrandbits(128)), campaign_id="big-basket", kind="points", points=50,
            cause="activity 1", cause_number=1, at=at,
        )  # fmt: skip
        life.awards.append(data)
    history.campaigns.append(awarded(life.said, data, life.member, life.partition))
