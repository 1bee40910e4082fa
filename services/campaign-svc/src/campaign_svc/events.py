"""What campaign-svc says: awards granted and taken back, numbered per member, and budgets used up. The one thing not to break: ids and
times come from causes alone, so that the same decision is said under the same id on every replay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_svc.domain.awards import Award, Emptied, TakenBack
from campaign_svc.domain.deciding import Settled
from laurel_contracts.campaigns import AwardGranted, AwardTakenBack, CampaignEmptied
from laurel_contracts.envelope import Event, derived_id, encode
from laurel_contracts.programmes import ProgrammeLoaded
from laurel_contracts.registry import TYPE_OF
from laurel_kit.postgres import Said

TOPIC = "campaigns"
SOURCE = "campaign-svc"


def of(settled: Settled) -> list[Said]:
    """Everything that a settled batch says, each member's in the order of its numbers."""
    numbered = [(award.said_number, _granted(award)) for award in settled.granted]
    numbered += [(taken.said_number, _taken_back(taken)) for taken in settled.taken_back]
    numbered.sort(key=lambda said: said[0])
    return [said for _, said in numbered] + [emptied(fact) for fact in settled.emptied]


def again(granted: Iterable[Award], taken_back: Iterable[TakenBack]) -> list[Said]:
    """The same facts under the same ids and numbers, for a reader that is rebuilt."""
    return of(Settled(granted=list(granted), taken_back=list(taken_back)))


def _granted(award: Award) -> Said:
    fact = AwardGranted(
        award_id=award.award_id,
        campaign_id=award.campaign_id,
        kind=award.kind,
        points=award.points,
        coupon=award.coupon,
        cause=f"{award.cause} {award.number}",
        cause_number=award.number,
        order_id=award.order_id,
        at=award.at,
        why=award.why,
    )
    return _about_member(award, derived_id("granted", award.award_id), award.said_number, award.at, fact)


def _taken_back(taken: TakenBack) -> Said:
    award = taken.award
    fact = AwardTakenBack(
        award_id=award.award_id,
        campaign_id=award.campaign_id,
        kind=award.kind,
        points=award.points,
        cause=f"{taken.by_cause} {taken.by_number}",
        cause_number=taken.by_number,
        order_id=award.order_id,
        at=taken.at,
        why=taken.why,
    )
    return _about_member(award, derived_id("taken-back", award.award_id), taken.said_number, taken.at, fact)


def _about_member(award: Award, event_id: UUID, number: int, at: datetime, fact: Any) -> Said:
    event = Event(
        id=str(event_id), source=SOURCE, type=TYPE_OF[type(fact)], time=at, subject=award.member_id, memberseq=number,
        programmeversion=award.version, data=fact,
    )  # fmt: skip
    return Said(TOPIC, award.partition, award.member_id.bytes, event.type, event.id, number, None, encode(event))


def emptied(fact: Emptied) -> Said:
    event = Event(
        id=str(derived_id("emptied", fact.campaign_id, fact.budget)),
        source=SOURCE,
        type=TYPE_OF[CampaignEmptied],
        time=fact.at,
        programmeversion=fact.version,
        data=CampaignEmptied(campaign_id=fact.campaign_id, budget=fact.budget),
    )
    return Said(TOPIC, fact.partition, None, event.type, event.id, None, None, encode(event))


def programme_loaded(version: int, sha256: str, at: datetime) -> Said:
    """On partition 0, so that the door can compare what all services have loaded."""
    event = Event(
        id=str(derived_id("programme-loaded", SOURCE, version, sha256)),
        source=SOURCE,
        type=TYPE_OF[ProgrammeLoaded],
        time=at,
        programmeversion=version,
        data=ProgrammeLoaded(service=SOURCE, version=version, sha256=sha256),
    )
    return Said(TOPIC, 0, None, event.type, event.id, None, None, encode(event))
