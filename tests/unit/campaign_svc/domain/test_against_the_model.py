"""Random lives, decided here and by the independent model (tests/support), which shares no code with the service: the same awards stand,
the same were taken back, the same coupons were given."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.support import model_events as told
from tests.support.model import Member as ModelMember
from tests.support.model_programme import reference_programme
from tests.unit.campaign_svc.streams import Life

START = datetime(2018, 1, 3, 5, tzinfo=UTC)
AMOUNTS = [0, 1, 500, 4_999, 9_999, 10_000, 10_001, 20_000, 60_000, 150_000]


class TwoLives:
    """One stream, told to the service's rules and to the model. The model's standing facts stand for tier-svc's."""

    def __init__(self) -> None:
        self.programme = reference_programme(campaigns=True)
        self.model = ModelMember(self.programme)
        self.life = Life()
        self.facts_told = 0
        self.left: dict[str, int] = {}

    def buy(self, seq: int, at: datetime, amounts: list[int]) -> None:
        order_id = f"o{seq}"
        lines = [told.Line(str(n), f"s{n}", f"c{n}", 1, amount) for n, amount in enumerate(amounts)]
        self.model.apply(told.Purchase(seq, at, order_id, lines))
        self._tell_facts()
        self.life.buy(order_id, *amounts)
        self.left[order_id] = sum(amounts)

    def refund(self, seq: int, at: datetime, order_id: str, amount: int) -> None:
        self.model.apply(told.Refund(seq, at, f"r{seq}", order_id, amount_minor=amount))
        self._tell_facts()
        self.life.refund(order_id, amount)
        self.left[order_id] -= amount

    def close_day(self, as_of: datetime) -> None:
        self.model.close_day(as_of)
        self._tell_facts()

    def _tell_facts(self) -> None:
        names = [tier.name for tier in self.programme.tiers]
        for fact in self.model.facts[self.facts_told :]:
            self.life.stand(
                fact.ordinal, names[fact.tier_to], after=fact.holds_after, kind=fact.kind, before=names[fact.tier_from]
            )
        self.facts_told = len(self.model.facts)

    def awards(self) -> dict[str, int]:
        """As the model tells them: net points by campaign and order."""
        granted = {f"{a.campaign_id}:{a.order_id}": a.points for a in self.life.granted if a.kind == "points"}
        back = {f"{t.award.campaign_id}:{t.award.order_id}": 0 for t in self.life.taken_back}
        return granted | back


@pytest.mark.parametrize("seed", range(40))
def test_the_three_campaigns_equal_the_independent_model(seed: int) -> None:
    chance = random.Random(seed)
    lives = TwoLives()
    clock = START
    for seq in range(1, 61):
        clock += timedelta(hours=chance.choice([0, 1, 30, 24 * 20, 24 * 90]))
        late = timedelta(hours=chance.choice([0, 0, 0, 5, 100, 200]))
        refundable = [order for order, left in lives.left.items() if left]
        if refundable and chance.random() < 0.35:
            order_id = chance.choice(refundable)
            left = lives.left[order_id]
            lives.refund(seq, clock - late, order_id, chance.choice([left, chance.randint(1, left)]))
        else:
            lives.buy(seq, clock - late, [chance.choice(AMOUNTS) for _ in range(chance.randint(1, 3))])
        if chance.random() < 0.2:
            lives.close_day(clock + timedelta(days=1))
            clock += timedelta(days=1)
    assert lives.awards() == lives.model.awards()
    coupons = [award.tier for award in lives.life.granted if award.kind == "coupon"]
    assert coupons == lives.model.upgrade_coupons()
    assert lives.facts_told > 0
