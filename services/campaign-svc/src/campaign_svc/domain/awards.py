"""The words in which a decision is kept: occasions, awards, and what became of a campaign that fired. The one thing not to break: an
award is named by its cause (campaign, member, kind and number of the cause, place in `what`), so a replay grants the same award."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from campaign_svc.domain.catalogue import Fact, Moment
from campaign_svc.domain.conditions import Explained, Value
from campaign_svc.domain.orders import Order

Cause = Literal["activity", "standing"]
AwardKind = Literal["points", "coupon"]

# What became of a campaign whose tree held. A refusal by a limit says the limit: "per_member:1", "budget:10000".
GRANTED = "granted"
PER_MEMBER = "per_member"
PER_MEMBER_AND_TIER = "per_member_and_tier"
BUDGET = "budget"


@dataclass(slots=True)
class Occasion:
    """Something that fired the campaigns of a trigger: an activity, or a standing that rose. `number` is its member_seq or ordinal;
    `place` the member_seq after which it stands. `facts` are those that its version asks for and that neither a refund nor a
    standing moves; `tier` and `ordinal` the standing it was decided by; `outcomes` what became of the campaigns whose tree held."""

    member_id: UUID
    partition: int
    cause: Cause
    number: int
    place: int
    trigger: str
    at: datetime
    version: int
    tier: str
    ordinal: int
    facts: dict[str, Value]
    order: Order | None = None
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def order_id(self) -> str | None:
        return self.order.order_id if self.order is not None else None

    def facts_now(self, catalogue: dict[str, Fact], *, as_recorded: bool = False) -> dict[str, Value]:
        """The values of all facts of the version: what refunds have left of the order by now, or the order `as_recorded`."""
        order = self.order.untouched() if as_recorded and self.order is not None else self.order
        seen = Moment(None, self.tier, None, 0, order)
        return {
            name: fact.of(seen) if fact.moves else self.tier if name == "tier" else self.facts[name]
            for name, fact in catalogue.items()
        }


@dataclass(frozen=True, slots=True)
class Award:
    """One thing that a campaign granted. `item` is its place in the campaign's `what`; `tier` the one that the limits count by;
    `said_number` the number under which it was said about the member."""

    award_id: UUID
    member_id: UUID
    partition: int
    campaign_id: str
    cause: Cause
    number: int
    item: int
    kind: AwardKind
    points: int
    coupon: str | None
    order_id: str | None
    tier: str
    version: int
    at: datetime
    said_number: int
    why: str

    @property
    def cause_key(self) -> tuple[UUID, str, int]:
        return (self.member_id, self.cause, self.number)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An award that would not have been given any more. `by_cause` and `by_number` name what undid its reason, `at` when that was."""

    award: Award
    by_cause: Cause
    by_number: int
    at: datetime
    said_number: int
    why: str


@dataclass(frozen=True, slots=True)
class Emptied:
    """A campaign's budget is used up, by this cause."""

    campaign_id: str
    budget: int
    partition: int
    version: int
    at: datetime


def in_words(explanation: Explained, *, held: bool) -> str:
    """The leaves that held (or failed), with what was found: `order_left_minor >= 10000 (is 8999)`."""
    leaves = [leaf for leaf in explanation.leaves() if leaf.held is held and leaf.found is not None]
    return "; ".join(f"{leaf.says} (is {leaf.found})" for leaf in leaves) or "no condition"
