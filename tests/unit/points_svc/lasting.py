"""A programme at whose tiers points last longer, and histories that tell the difference; played against the pure domain and a real
PostgreSQL."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from laurel_contracts.benefits import Benefit, BenefitRules
from laurel_contracts.programme import Programme
from points_svc.domain.calendar import local_day, start_of_day
from points_svc.domain.policies import months_on
from tests.unit.points_svc.script import SHANGHAI, Activity, Fact, Script, Step, programme

TIERS = ["regular", "silver", "gold", "diamond"]
MONTHS = {"regular": 12, "silver": 12, "gold": 24, "diamond": 36}
BEGIN = datetime(2025, 1, 1, 4, tzinfo=UTC)


def lasting(*more: Benefit, **parts: Any) -> Programme:
    """Gold and above 24 months, diamond 36; 6 months for everybody is no improvement on the plain 12."""
    benefits = (
        Benefit(id="all", kind="point_validity", months=6),
        Benefit(id="long", kind="point_validity", from_tier="gold", months=24),
        Benefit(id="longest", kind="point_validity", tiers=("diamond",), months=36),
        *more,
    )
    return msgspec.structs.replace(programme(**parts), benefits=BenefitRules(catalogue=benefits))


@dataclass
class Story:
    """A stream, and the standing facts about it in the order of their ordinals."""

    activities: list[Step]
    facts: list[Step]

    def tier_of(self, number: int) -> str:
        """The tier by which an activity earns, from the facts alone."""
        rating = [fact.tier for fact in self.facts if isinstance(fact, Fact) and fact.after < number]
        return rating[-1] if rating else "regular"

    def ends(self, step: Activity) -> datetime:
        """When its points expire: the start of the month after as many months as its tier says."""
        last = months_on(local_day(step.at, SHANGHAI).replace(day=1), MONTHS[self.tier_of(step.number)] + 1)
        return start_of_day(last, SHANGHAI)


def story_of(seed: int) -> Story:
    """Orders, refunds, sign-ins, reviews and activities joined over some months; facts that hold somewhere among them."""
    chance = random.Random(seed)
    script, left = Script(programme=lasting(), now=BEGIN), dict[str, int]()
    for n in range(chance.randint(2, 14)):
        at = script.now + timedelta(hours=chance.randint(1, 900))
        what = chance.choice(("buy", "buy", "buy", "refund", "sign_in", "review", "join"))
        if what == "refund" and left:
            order = chance.choice(sorted(left))
            amount = chance.randint(0, left[order])
            left[order] -= amount
            script.refund(order, amount=amount, at=at)
        elif what == "sign_in":
            script.sign_in(at)
        elif what == "review":
            script.review(f"sku-{n}", at)
        elif what == "join":
            script.join(f"a{n}", at)
        else:
            left[f"o{n}"] = chance.randint(0, 60_000)
            script.buy(left[f"o{n}"], f"o{n}", at)
    holds = sorted(chance.randint(0, script.number) for _ in range(chance.randint(1, 5)))
    return Story(list(script.steps), [Fact(n, after, chance.choice(TIERS)) for n, after in enumerate(holds, 1)])


def interleaved(chance: random.Random, one: list[Step], other: list[Step]) -> list[Step]:
    """Both in their own order, mixed by chance."""
    mixed, lanes = [], [list(one), list(other)]
    while any(lanes):
        mixed.append(chance.choice([lane for lane in lanes if lane]).pop(0))
    return mixed
