"""Net points per order do not depend on when standing facts become known (domain.md 3.1, convergence)."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.points_svc.pure import play
from tests.unit.points_svc.script import Activity, Fact, Script, Step, programme

TIERS = ["regular", "silver", "gold", "diamond"]
PROGRAMME = programme(max_points_per_order=900)


def history(chance: random.Random) -> tuple[list[Step], list[Step]]:
    """A stream of orders and refunds, and the facts about it in the order of their ordinals."""
    script = Script(programme=PROGRAMME)
    left: dict[str, int] = {}
    for n in range(chance.randint(2, 12)):
        if left and chance.random() < 0.3:
            order = chance.choice(sorted(left))
            amount = chance.randint(0, left[order])
            left[order] -= amount
            script.refund(order, amount=amount)
        else:
            left[f"o{n}"] = chance.randint(0, 60_000)
            script.buy(left[f"o{n}"], f"o{n}")
    activities = list(script.steps)
    holds = sorted(chance.randint(0, script.number) for _ in range(chance.randint(1, 5)))
    facts: list[Step] = [Fact(n, after, chance.choice(TIERS)) for n, after in enumerate(holds, 1)]
    return activities, facts


def interleaved(chance: random.Random, one: list[Step], other: list[Step]) -> list[Step]:
    """Both in their own order, mixed by chance."""
    mixed: list[Step] = []
    one, other = list(one), list(other)
    while one or other:
        source = one if one and (not other or chance.random() < len(one) / (len(one) + len(other))) else other
        mixed.append(source.pop(0))
    return mixed


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_any_interleaving_gives_the_same_net_points_per_order(seed: int) -> None:
    chance = random.Random(seed)
    activities, facts = history(chance)
    orders = [facts + activities, activities + facts, *(interleaved(chance, activities, facts) for _ in range(4))]
    nets = [play(Script(programme=PROGRAMME, steps=steps)).outcome() for steps in orders]
    assert all(
        (o.nets, o.posted, o.debt, o.lots) == (nets[0].nets, nets[0].posted, nets[0].debt, nets[0].lots) for o in nets
    )


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_an_order_is_rated_by_the_highest_ordinal_that_holds_after_a_lower_number(seed: int) -> None:
    chance = random.Random(seed)
    activities, facts = history(chance)
    stage = play(Script(programme=PROGRAMME, steps=interleaved(chance, activities, facts)))
    for step in activities:
        assert isinstance(step, Activity)
        order = next((o for o in stage.account.orders.values() if o.seq == step.number), None)
        if order is not None:
            rating = [fact for fact in facts if isinstance(fact, Fact) and fact.after < order.seq]
            assert (order.ordinal, order.tier) == ((rating[-1].ordinal, rating[-1].tier) if rating else (0, None))
