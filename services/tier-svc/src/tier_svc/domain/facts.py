"""What the judge says and remembers: standing facts, period ends, the way a member went through the tiers. The one thing not to break: an
ordinal is given once, in the order in which the facts are said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from tier_svc.domain.standing import Standing

Kind = Literal["raised", "kept", "lapsed", "lowered", "corrected"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One standing fact (domain.md 4.7): it holds for activities numbered above `holds_after`. `at`: the clock at an activity, the end
    itself at a period end. `version` is the programme version it was judged by, `metrics` the values, by name."""

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
