"""What the judge says and remembers: standing facts, period ends, the way a member went through the tiers. The one thing not to break: an
ordinal is given once, in the order in which the facts are said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from tier_svc.domain.standing import Standing

Kind = Literal["raised", "kept", "lapsed", "lowered", "corrected", "overridden"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One standing fact (domain.md 4.7): it holds for activities numbered above `holds_after`. `at`: the clock at an activity, the end
    itself at a period end. `version` is the programme version it was judged by, `metrics` the values, by name. A correction carries the
    way through the tiers that it puts in place of what was known from `replaced_from` on. `tier_from` and `tier_to` are computed; what
    applied, with overrides on top, are `effective_from` and `effective_to` ("": as computed)."""

    ordinal: int
    holds_after: int
    kind: Kind
    tier_from: str
    tier_to: str
    standing: Standing
    at: datetime
    cause: str
    rule: str
    metrics: dict[str, int]
    version: int
    replaced_from: datetime | None = None
    path: tuple[tuple[datetime, str], ...] = ()
    effective_from: str = ""
    effective_to: str = ""

    @property
    def applied_from(self) -> str:
        """The tier that applied before."""
        return self.effective_from or self.tier_from

    @property
    def applied_to(self) -> str:
        """The tier that applies from here on."""
        return self.effective_to or self.tier_to


def tier_known(facts: Iterable[Fact], instant: datetime) -> tuple[str, datetime | None]:
    """The tier held at an instant and since when, as far as these facts know it; "" is the lowest since enrolment."""
    path: dict[datetime, str] = {}
    for fact in facts:
        if fact.replaced_from is not None:
            path = {start: tier for start, tier in path.items() if start < fact.replaced_from} | dict(fact.path)
        elif fact.tier_to != fact.tier_from and fact.standing.since is not None:
            path[fact.standing.since] = fact.tier_to
    held = max((start for start in path if start <= instant), default=None)
    return ("", None) if held is None else (path[held], held)


class Cause(NamedTuple):
    """What makes a fact: its words, the instant it is dated by, and the number after which it holds."""

    words: str
    at: datetime
    holds_after: int


@dataclass(frozen=True, slots=True)
class PeriodEnd:
    """A period end that was judged, and the standing just before it: where a late activity makes the judge go back to."""

    at: datetime
    before: Standing
