"""Why a campaign was granted, and why not: every campaign that an occasion fired, with each leaf of its tree. Nothing of this is kept;
it is computed anew from what the occasion kept, by the same pure functions and the same version. The one thing not to break: it is
exact because the facts of an occasion are kept as they were, not as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from campaign_svc.domain.awards import BUDGET, GRANTED, PER_MEMBER, PER_MEMBER_AND_TIER, Occasion
from campaign_svc.domain.conditions import Explained, Value
from campaign_svc.domain.programme import Campaign, Ruleset
from campaign_svc.store.answers import Answers, KeptAward


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one campaign. `tree` is its condition as it was decided; `tree_now`, where refunds came since, with what is left."""

    campaign: Campaign
    outcome: str
    says: str
    tree: Explained
    tree_now: Explained | None
    awards: Sequence[KeptAward]


@dataclass(frozen=True, slots=True)
class Decision:
    """One occasion and everything that it could have caused. `facts` are those its version asks for."""

    occasion: Occasion
    facts: dict[str, Value]
    verdicts: Sequence[Verdict]


async def explain_decisions(member_id: UUID, occasions: Sequence[Occasion], answers: Answers) -> list[Decision]:
    """The decisions about these occasions, in the same order."""
    if not occasions:
        return []
    rules = await answers.rules([occasion.version for occasion in occasions])
    awards = await answers.awards_of(member_id, occasions)
    return [
        _decision(occasion, rules[occasion.version], awards.get((occasion.cause, occasion.number), []))
        for occasion in occasions
    ]


def _decision(occasion: Occasion, ruleset: Ruleset, awards: Sequence[KeptAward]) -> Decision:
    index = ruleset.fired_by(occasion.trigger)
    if index is None:
        return Decision(occasion, {}, [])
    facts = occasion.facts_now(index.facts, as_recorded=True)
    facts_now = occasion.facts_now(index.facts)
    verdicts = []
    for entry in index.entries:
        campaign = entry.campaign
        ours = [kept for kept in awards if kept.award.campaign_id == campaign.id]
        outcome = "taken_back" if ours and all(kept.taken_back for kept in ours) else occasion.outcomes.get(campaign.id)
        verdicts.append(
            Verdict(
                campaign=campaign,
                outcome=(outcome or "not_matched").partition(":")[0],
                says=_in_words(outcome),
                tree=ruleset.explain(campaign, facts),
                tree_now=ruleset.explain(campaign, facts_now) if facts_now != facts else None,
                awards=ours,
            )
        )
    return Decision(occasion, facts, verdicts)


def _in_words(outcome: str | None) -> str:
    """An outcome as a sentence; a refusal by a limit names the limit."""
    kind, _, limit = (outcome or "").partition(":")
    return {
        "": "the condition did not hold: see the leaves that are false",
        GRANTED: "granted",
        "taken_back": "granted, and taken back when a refund undid the reason",
        PER_MEMBER: f"the condition held, but the member had been granted it {limit} times already, which is the limit",
        PER_MEMBER_AND_TIER: f"the condition held, but the member had been granted it {limit} times at this tier already",
        BUDGET: f"the condition held, but the budget of {limit} was used up, as it was known at the decision",
    }[kind]
