"""The judge beside the independent model after every single activity of a real year, and not only at its end (domain.md 4).

INVARIANT: tier, since and until of a member are those of the model after each activity and each closed day, also where one activity in
twenty comes 1 hour to 9 days late and one basket in ten is given back.
What would break it: a difference that a later activity hides again: a rise one purchase too late, an end judged before what came in time.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from laurel_contracts.activities import OrderLine, RefundLine
from tests.support.complete_journey import CURRENCY, ZONE, Basket, load_baskets, some_baskets
from tests.support.model import Member
from tests.support.model_calendar import local_day, start_of_day
from tests.support.model_events import Refund
from tests.support.model_figures import per_household, purchase
from tests.support.model_programme import Programme, reference_programme, short_programme
from tests.unit.tier_svc.domain.journey import ZONE as ZONE_NAME
from tests.unit.tier_svc.domain.ladders import reference_document, rules_of, short_document
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import Sums
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Close, Step, Stream

SEED = 6
LATE = 0.05
GIVEN_BACK = 0.1
CLOSES_EVERY = timedelta(days=7)
DAYS_AFTER_THE_LAST = 500  # so that every member's periods end, some of them twice

Arrival = tuple[datetime, int, Basket | None]  # when, 0 a closed day, 1 a purchase, 2 a refund; what


def arrivals(own: list[Basket], chance: Random) -> list[Arrival]:
    """One household's year as it arrives."""
    told: list[Arrival] = []
    for basket in own:
        late = timedelta(hours=chance.randint(1, 9 * 24)) if chance.random() < LATE else timedelta()
        told.append((basket.time + late, 1, basket))
        if basket.amount_minor and chance.random() < GIVEN_BACK:
            told.append((basket.time + late + timedelta(hours=chance.randint(1, 60 * 24)), 2, basket))
    day = start_of_day(local_day(own[0].time, ZONE), ZONE)
    while day < own[-1].time + timedelta(days=DAYS_AFTER_THE_LAST):
        day += CLOSES_EVERY
        told.append((start_of_day(local_day(day, ZONE), ZONE), 0, None))
    return sorted(told, key=lambda each: (each[0], each[1], each[2].basket_id if each[2] else 0))


class Both:
    """One member, judged twice."""

    def __init__(self, programme: Programme, rules: Rules) -> None:
        self.model = Member(programme)
        self.rules, self.timeline = rules, Timeline([(None, rules)])
        self.stream = Stream(UUID(int=1), 0, sums=Sums(), standing=Standing())
        self.closed: datetime | None = None
        self.seq = 0

    def close(self, as_of: datetime) -> None:
        self.closed = as_of
        self.stream.close(Close(as_of, self.timeline))
        self.model.close_day(as_of)

    def buy(self, basket: Basket) -> None:
        lines = [
            OrderLine(line_id=line.line_id, sku=line.sku, category=line.category, quantity=1, amount_minor=line.amount_minor)
            for line in basket.lines
        ]  # fmt: skip
        self.stream.purchase(self._step(basket.time), str(basket.basket_id), lines, basket.amount_minor, self.rules)
        self.model.apply(purchase(self.seq, basket))

    def give_back(self, basket: Basket, at: datetime) -> None:
        lines = [(line.line_id, line.amount_minor) for line in basket.lines if line.amount_minor]
        refunded = [RefundLine(line_id=line_id, quantity=1, amount_minor=amount) for line_id, amount in lines]
        self.stream.refund(self._step(at), str(basket.basket_id), refunded, None)
        self.model.apply(Refund(self.seq, at, f"{basket.basket_id}-whole", str(basket.basket_id), tuple(lines)))

    def _step(self, time: datetime) -> Step:
        self.seq += 1
        if self.stream.clock is None:
            self.stream.born_as_of = self.closed
        self.stream.move_on(self.closed)
        return Step(self.seq, time, self.rules.calendar.day_of(time), self.timeline)

    def judged(self) -> tuple[str, datetime | None, datetime | None]:
        standing = self.stream.standing
        return self.rules.name(standing.tier), standing.since, standing.until

    def modelled(self) -> tuple[str, datetime | None, datetime | None]:
        standing = self.model.standing
        return self.model.programme.tiers[standing.tier].name, standing.since, standing.until


def compare(baskets: list[Basket], programme: Programme, rules: Rules) -> tuple[int, int]:
    """How many activities were compared, and how many standings they changed."""
    compared = changed = 0
    for household, own in per_household(baskets).items():
        both, chance = Both(programme, rules), Random(SEED * 1_000_000 + household)
        before = both.judged()
        for arrival, what, basket in arrivals(own, chance):
            if basket is None:
                both.close(arrival)
            elif what == 1:
                both.buy(basket)
            else:
                both.give_back(basket, arrival)
            now = both.judged()
            assert now == both.modelled(), (household, arrival, what)
            compared += basket is not None
            changed += now != before
            before = now
    return compared, changed


PROGRAMMES = {
    "reference": (reference_programme, reference_document),
    "short": (short_programme, short_document),
}


@pytest.mark.parametrize("name", PROGRAMMES)
def test_sixty_households_stand_where_the_model_says_after_every_activity(name: str) -> None:
    model, document = PROGRAMMES[name]
    compared, changed = compare(some_baskets(60), model(CURRENCY, ZONE_NAME), rules_of(document(), zone=ZONE_NAME))
    assert compared > 3_000
    assert changed > 100


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PROGRAMMES)
def test_all_households_stand_where_the_model_says_after_every_activity(name: str) -> None:
    model, document = PROGRAMMES[name]
    compared, changed = compare(load_baskets(), model(CURRENCY, ZONE_NAME), rules_of(document(), zone=ZONE_NAME))
    sys.stdout.write(f"\n{name}: {compared:,} activities compared, {changed:,} changes of standing, 0 differences\n")
    assert compared > 155_848
