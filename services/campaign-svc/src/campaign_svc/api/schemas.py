"""The shapes of campaign-svc's answers. Pydantic stays in this room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from campaign_svc.domain.awards import Award, Occasion
from campaign_svc.domain.conditions import Explained, Value
from campaign_svc.handlers.explain_decisions import Decision, Verdict
from campaign_svc.store.answers import KeptAward


class Back(BaseModel):
    """How an award was taken back."""

    cause: str
    at: datetime
    number: int
    why: str


class AwardAnswer(BaseModel):
    """One award. `cause` names what it was granted for, `number` the place in what was said about the member."""

    award_id: UUID
    campaign_id: str
    kind: str
    points: int
    coupon: str | None
    state: str
    cause: str
    order_id: str | None
    tier: str
    programme_version: int
    at: datetime
    number: int
    why: str
    taken_back: Back | None

    @classmethod
    def of(cls, kept: KeptAward) -> AwardAnswer:
        award: Award = kept.award
        back = kept.taken_back
        return cls(
            award_id=award.award_id,
            campaign_id=award.campaign_id,
            kind=award.kind,
            points=award.points,
            coupon=award.coupon,
            state="granted" if back is None else "taken_back",
            cause=f"{award.cause} {award.number}",
            order_id=award.order_id,
            tier=award.tier,
            programme_version=award.version,
            at=award.at,
            number=award.said_number,
            why=award.why,
            taken_back=None
            if back is None
            else Back(cause=f"{back.by_cause} {back.by_number}", at=back.at, number=back.said_number, why=back.why),
        )


class NodeAnswer(BaseModel):
    """A node of a condition with its verdict; `found` is the fact's value where the node is a leaf."""

    says: str
    held: bool
    found: int | str | bool | None = None
    parts: list[NodeAnswer] = []

    @classmethod
    def of(cls, node: Explained) -> NodeAnswer:
        return cls(says=node.says, held=node.held, found=node.found, parts=[cls.of(part) for part in node.parts])


class VerdictAnswer(BaseModel):
    """What became of one campaign on one occasion; `condition_now` where refunds have changed a fact since."""

    campaign_id: str
    name: str
    outcome: str
    says: str
    condition: NodeAnswer
    condition_now: NodeAnswer | None
    awards: list[AwardAnswer]

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictAnswer:
        return cls(
            campaign_id=verdict.campaign.id,
            name=verdict.campaign.name,
            outcome=verdict.outcome,
            says=verdict.says,
            condition=NodeAnswer.of(verdict.tree),
            condition_now=None if verdict.tree_now is None else NodeAnswer.of(verdict.tree_now),
            awards=[AwardAnswer.of(kept) for kept in verdict.awards],
        )


class DecisionAnswer(BaseModel):
    """One occasion: what fired, by which standing and version it was decided, and every campaign that listens to it."""

    cause: str
    trigger: str
    at: datetime
    programme_version: int
    tier: str
    standing_ordinal: int
    order_id: str | None
    facts: dict[str, int | str | bool]
    campaigns: list[VerdictAnswer]

    @classmethod
    def of(cls, decision: Decision) -> DecisionAnswer:
        occasion: Occasion = decision.occasion
        facts: dict[str, Value] = decision.facts
        return cls(
            cause=f"{occasion.cause} {occasion.number}",
            trigger=occasion.trigger,
            at=occasion.at,
            programme_version=occasion.version,
            tier=occasion.tier,
            standing_ordinal=occasion.ordinal,
            order_id=occasion.order_id,
            facts=facts,
            campaigns=[VerdictAnswer.of(verdict) for verdict in decision.verdicts],
        )


class AwardsPage(BaseModel):
    items: Sequence[AwardAnswer]
    next: str | None


class DecisionsPage(BaseModel):
    items: Sequence[DecisionAnswer]
    next: str | None
