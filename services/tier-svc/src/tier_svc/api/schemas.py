"""The shapes of tier-svc's answers. Pydantic stays in this room."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel

from tier_svc.domain.clubs import ClubFact
from tier_svc.domain.facts import Fact
from tier_svc.domain.needs import Need
from tier_svc.domain.overlaying import Override, TakenBack
from tier_svc.domain.standing import Standing
from tier_svc.handlers.show_standing import Held, Shown


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


class OverrideAnswer(BaseModel):
    """Something laid on top of the computed tier by staff. `tier` of a sanction: what it came to at its start ("": not yet begun);
    `starts`: from when on it lay on top (null: never so far); `ends`: when it no longer does, `taken_back` what has ended it early."""

    member_seq: int
    act: str
    tier: str
    mode: str
    since: datetime
    until: datetime
    starts: datetime | None
    ends: datetime
    reason: str
    actor: str
    taken_back: TakenBackAnswer | None

    @classmethod
    def of(cls, entry: Override) -> OverrideAnswer:
        return cls(
            member_seq=entry.seq, act=entry.act, tier=entry.tier, mode=entry.mode, since=entry.since, until=entry.until,
            starts=entry.starts, ends=entry.ends, reason=entry.reason, actor=entry.actor,
            taken_back=TakenBackAnswer.of(entry.taken) if entry.taken is not None else None,
        )  # fmt: skip


class TakenBackAnswer(BaseModel):
    """By which decision an override ends early, and why."""

    member_seq: int
    since: datetime
    reason: str
    actor: str

    @classmethod
    def of(cls, taken: TakenBack) -> TakenBackAnswer:
        return cls(member_seq=taken.seq, since=taken.since, reason=taken.reason, actor=taken.actor)


class ClubAnswer(BaseModel):
    """A standing in a club; `fact`: the last one said about it, with its reason (null: at its lowest tier since enrolment)."""

    club: str
    tier: str
    since: datetime | None
    until: datetime | None
    held_since: date | None
    ordinal: int
    fact: ClubFactAnswer | None


class ClubFactAnswer(BaseModel):
    """One change of a standing in a club and why it came about."""

    club: str
    ordinal: int
    kind: str
    tier_from: str
    tier_to: str
    since: datetime | None
    until: datetime | None
    at: datetime
    holds_after: int
    cause: str
    rule: str
    metrics: dict[str, int]
    programme_version: int

    @classmethod
    def of(cls, fact: ClubFact) -> ClubFactAnswer:
        return cls(
            club=fact.club, ordinal=fact.ordinal, kind=fact.kind, tier_from=fact.tier_from, tier_to=fact.tier_to,
            since=fact.standing.since, until=fact.standing.until, at=fact.at, holds_after=fact.holds_after, cause=fact.cause,
            rule=fact.rule, metrics=fact.metrics, programme_version=fact.version,
        )  # fmt: skip


class StandingAnswer(BaseModel):
    """Where a member stands as of his clock. `tier` applies, with `overrides` on top of `computed_tier`, of which `since`, `until` and
    `needed` speak; `judged_at`: when `until` is judged (later, with grace); `metrics`: what is looked at, as of the clock; `history`: the
    latest facts first; `then`: which tier applied at the instant that was asked for."""

    member_id: UUID
    tier: str
    computed_tier: str
    judged_at: datetime | None
    metrics: dict[str, int]
    overrides: list[OverrideAnswer]
    clubs: list[ClubAnswer]
    history: list[FactAnswer]
    then: TierAtAnswer | None
    since: datetime | None
    until: datetime | None
    held_since: date | None
    ordinal: int
    clock: datetime
    needed: NeededAnswer

    @classmethod
    def of(cls, shown: Shown, history: list[Fact], then: TierAtAnswer | None) -> StandingAnswer:
        stream, needs, now = shown.stream, shown.needs, shown.stream.standing
        needed = NeededAnswer(
            next=[NeedAnswer.of(each) for each in needs.next], keep=[NeedAnswer.of(each) for each in needs.keep]
        )
        return cls(
            member_id=stream.member_id, tier=shown.effective, computed_tier=needs.tier, judged_at=now.judged_at,
            metrics=shown.values, overrides=[OverrideAnswer.of(each) for each in stream.overlay.entries], clubs=clubs_of(shown),
            history=[FactAnswer.of(fact) for fact in history], then=then, since=now.since, until=now.until, held_since=now.held_since,
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
            effective_from=fact.applied_from, effective_to=fact.applied_to, since=fact.standing.since, until=fact.standing.until,
            held_since=fact.standing.held_since, at=fact.at, holds_after=fact.holds_after, cause=fact.cause, rule=fact.rule,
            metrics=fact.metrics, programme_version=fact.version,
        )  # fmt: skip


class FactsPage(BaseModel):
    """Oldest first."""

    items: list[FactAnswer]
    next: str | None


class TierAtAnswer(BaseModel):
    """Which tier applied at an instant, and since when (null: since enrolment); `override`: what lay on top of the computed one."""

    at: datetime
    as_known_at: datetime | None
    tier: str
    since: datetime | None
    computed_tier: str
    override: OverrideAnswer | None

    @classmethod
    def of(cls, at: datetime, as_known_at: datetime | None, held: Held) -> TierAtAnswer:
        on_top = OverrideAnswer.of(held.override) if held.override else None
        return cls(
            at=at,
            as_known_at=as_known_at,
            tier=held.effective,
            since=held.since,
            computed_tier=held.computed,
            override=on_top,
        )


class MemberAnswer(BaseModel):
    """`tier` is what applies, with overrides on top of the computed one."""

    member_id: UUID
    tier: str
    computed_tier: str
    since: datetime | None
    until: datetime | None


class MembersPage(BaseModel):
    """By member_id."""

    items: list[MemberAnswer]
    next: str | None


def clubs_of(shown: Shown) -> list[ClubAnswer]:
    """Every club of the version in force, with where the member stands in it."""
    answers = []
    for club, rules in shown.rules.clubs.items():
        now, fact = shown.stream.clubs.kept.get(club), shown.club_facts.get(club)
        standing = now.standing if now is not None else Standing()
        answers.append(
            ClubAnswer(
                club=club, tier=rules.name(standing.tier), since=standing.since, until=standing.until,
                held_since=standing.held_since, ordinal=now.ordinal if now is not None else 0,
                fact=ClubFactAnswer.of(fact) if fact is not None else None,
            )
        )  # fmt: skip
    return answers
