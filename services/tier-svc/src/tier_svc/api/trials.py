"""The answer of a dry run. Pydantic stays in this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from tier_svc.domain.trying_out import Outcome, Trial
from tier_svc.handlers.try_programme import Mover, TriedPage


class OutcomeAnswer(BaseModel):
    """What a judgement comes to under one version, and why."""

    tier: str
    rule: str
    metrics: dict[str, int]

    @classmethod
    def of(cls, outcome: Outcome) -> OutcomeAnswer:
        return cls(tier=outcome.tier, rule=outcome.rule, metrics=outcome.metrics)


class TrialAnswer(BaseModel):
    """A judgement ahead: `next_activity` as of the member's clock, `period_end` at the running end if nothing more comes."""

    when: str
    at: datetime
    as_it_is: OutcomeAnswer
    with_version: OutcomeAnswer

    @classmethod
    def of(cls, trial: Trial) -> TrialAnswer:
        return cls(
            when=trial.when,
            at=trial.at,
            as_it_is=OutcomeAnswer.of(trial.now),
            with_version=OutcomeAnswer.of(trial.then),
        )


class MoverAnswer(BaseModel):
    """A member for whom the version makes a difference."""

    member_id: UUID
    tier: str
    clock: datetime
    moves: list[TrialAnswer]

    @classmethod
    def of(cls, mover: Mover) -> MoverAnswer:
        moves = [TrialAnswer.of(trial) for trial in mover.trials]
        return cls(member_id=mover.member_id, tier=mover.tier, clock=mover.clock, moves=moves)


class TriedAnswer(BaseModel):
    """By member_id. `seen`: how many members this page has looked at; `next` goes on with the others."""

    version: int
    seen: int
    items: list[MoverAnswer]
    next: str | None

    @classmethod
    def of(cls, version: int, tried: TriedPage) -> TriedAnswer:
        items = [MoverAnswer.of(mover) for mover in tried.movers]
        return cls(version=version, seen=tried.seen, items=items, next=str(tried.last) if tried.last else None)
