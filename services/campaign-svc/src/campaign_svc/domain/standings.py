"""At which tier an activity is decided (domain.md 3.1, 5). A member's standing facts are kept until the own position has passed them;
activity n is decided by the fact with the highest ordinal among those that hold after a lower number. The one thing not to break:
never the latest fact: what is known further ahead depends on where a batch was cut, what has been passed does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing fact as tier-svc said it. `holds_after` is a number of the member's stream; `version` the programme it was judged by."""

    ordinal: int
    holds_after: int
    kind: str
    computed_from: str
    computed_to: str
    effective_to: str
    version: int
    at: datetime


@dataclass(slots=True)
class Member:
    """What campaign-svc remembers of a member between batches. `tier` None: the lowest of whichever version is asked; `ordinal`: of the
    fact in force; `orders_count`: purchases by number; `said_number`: how much has been said about the member."""

    member_id: UUID
    partition: int
    last_seq: int = 0
    last_ordinal: int = 0
    said_number: int = 0
    tier: str | None = None
    ordinal: int = 0
    orders_count: int = 0
    ahead: list[Standing] = field(default_factory=list)

    def remember(self, standing: Standing) -> None:
        """Keep a fact until the own position has passed it."""
        self.last_ordinal = standing.ordinal
        self.ahead.append(standing)

    def passed(self) -> list[Standing]:
        """The facts that the position has passed by now, in the order in which they come to hold; they are in force from here on."""
        if not self.ahead:
            return []
        passed = sorted(
            (fact for fact in self.ahead if fact.holds_after <= self.last_seq),
            key=lambda fact: (fact.holds_after, fact.ordinal),
        )
        if passed:
            self.ahead = [fact for fact in self.ahead if fact.holds_after > self.last_seq]
            for fact in passed:
                if fact.ordinal > self.ordinal:
                    self.tier, self.ordinal = fact.effective_to, fact.ordinal
        return passed
