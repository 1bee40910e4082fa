"""The shapes of tier-svc's answers. Pydantic stays in this room."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel

from tier_svc.domain.facts import Fact
from tier_svc.domain.needs import Need, Needs
from tier_svc.domain.stream import Stream


class MissingAnswer(BaseModel):
    """One comparison of a condition; amounts in minor units. `missing`: how much more is needed."""

    metric: str
    have: int
    at_least: int | None
    at_most: int | None
    missing: int


class NeedAnswer(BaseModel):
    """One way to a tier: all of it, as of a local day; `by`: when it is judged (null: after each activity)."""

    tier: str
    holds: bool
    as_of: date
    by: datetime | None
    all_of: list[MissingAnswer]

    @classmethod
    def of(cls, need: Need) -> NeedAnswer:
        all_of = [
            MissingAnswer(
                metric=each.metric, have=each.have, at_least=each.at_least, at_most=each.at_most, missing=each.missing
            )
            for each in need.all_of
        ]
        return cls(tier=need.tier, holds=need.holds, as_of=need.as_of, by=need.by, all_of=all_of)


class NeededAnswer(BaseModel):
    """Any of `next` lifts to the next tier, any of `keep` keeps this one."""

    next: list[NeedAnswer]
    keep: list[NeedAnswer]


class StandingAnswer(BaseModel):
    """Where a member stands as of his clock."""

    member_id: UUID
    tier: str
    since: datetime | None
    until: datetime | None
    held_since: date | None
    ordinal: int
    clock: datetime
    needed: NeededAnswer

    @classmethod
    def of(cls, stream: Stream, needs: Needs) -> StandingAnswer:
        now = stream.standing
        needed = NeededAnswer(
            next=[NeedAnswer.of(each) for each in needs.next], keep=[NeedAnswer.of(each) for each in needs.keep]
        )
        return cls(
            member_id=stream.member_id, tier=needs.tier, since=now.since, until=now.until, held_since=now.held_since,
            ordinal=stream.ordinal, clock=needs.clock, needed=needed,
        )  # fmt: skip


class FactAnswer(BaseModel):
    """One standing fact and why it came about."""

    ordinal: int
    kind: str
    computed_from: str
    computed_to: str
    effective_from: str
    effective_to: str
    since: datetime | None
    until: datetime | None
    held_since: date | None
    at: datetime
    holds_after: int
    cause: str
    rule: str
    metrics: dict[str, int]
    programme_version: int

    @classmethod
    def of(cls, fact: Fact) -> FactAnswer:
        return cls(
            ordinal=fact.ordinal, kind=fact.kind, computed_from=fact.tier_from, computed_to=fact.tier_to,
            effective_from=fact.tier_from, effective_to=fact.tier_to, since=fact.standing.since, until=fact.standing.until,
            held_since=fact.standing.held_since, at=fact.at, holds_after=fact.holds_after, cause=fact.cause, rule=fact.rule,
            metrics=fact.metrics, programme_version=fact.version,
        )  # fmt: skip


class FactsPage(BaseModel):
    """Oldest first."""

    items: list[FactAnswer]
    next: str | None


class TierAtAnswer(BaseModel):
    """Which tier was held at an instant, and since when (null: since enrolment)."""

    at: datetime
    as_known_at: datetime | None
    tier: str
    since: datetime | None


class MemberAnswer(BaseModel):
    member_id: UUID
    tier: str
    since: datetime | None
    until: datetime | None


class MembersPage(BaseModel):
    """By member_id."""

    items: list[MemberAnswer]
    next: str | None
