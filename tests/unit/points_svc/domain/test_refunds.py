"""Refunds take back exactly what the order earned, whatever their order and split (domain.md 3.3.1)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.points_svc.pure import Play, play
from tests.unit.points_svc.script import Script, programme

RATES = {"food": "1", "wine": "0.5", "book": "1.25", "toy": "3"}
TIERS = {None: Fraction(1), "silver": Fraction(12, 10), "gold": Fraction(15, 10), "diamond": Fraction(2)}
PROGRAMME = programme(category_rates={name: rate for name, rate in RATES.items() if name != "food"})
AMOUNTS = st.dictionaries(st.sampled_from([*RATES, "shipping"]), st.integers(1, 50_000), min_size=1, max_size=5)


def worth(lines: dict[str, int], unallocated: int, tier: str | None) -> int:
    """The formula of domain.md 3.1 in fractions."""
    left = sum(lines.values())
    share = Fraction(left - unallocated, left) if left else Fraction(1)
    weighted = sum((minor * Fraction(RATES.get(name, "0")) for name, minor in lines.items()), Fraction(0))
    return int(weighted * share * TIERS[tier] / 100)


@st.composite
def refunds_of(draw: st.DrawFn, whole: bool) -> tuple[Script, str | None, list[tuple[dict[str, int], int]]]:
    """An order and refunds of it, by line and unallocated, mixed; and what is left after each. `whole`: until nothing is left."""
    lines = draw(AMOUNTS)
    tier = draw(st.sampled_from(list(TIERS)))
    script = Script(programme=PROGRAMME)
    script.register()
    if tier:
        script.stand(tier)
    script.buy(sum(lines.values()), "o1", None, **lines)
    left, unallocated, history = dict(lines), 0, []
    for turn in range(draw(st.integers(1, 6)) + 1):
        rest = sum(left.values()) - unallocated
        if rest == 0:
            break
        last = whole and turn == 6
        if last or draw(st.booleans()):
            amount = rest if last else draw(st.integers(1, rest))
            unallocated += amount
            script.refund("o1", amount=amount)
        else:
            name = draw(st.sampled_from(sorted(left)))
            most = min(left[name], rest)
            if not most:
                continue
            amount = draw(st.integers(1, most))
            left[name] -= amount
            script.refund("o1", None, None, **{name: amount})
        history.append((dict(left), unallocated))
    rest = sum(left.values()) - unallocated
    if whole and rest:
        script.refund("o1", amount=rest)
        history.append((dict(left), unallocated + rest))
    return script, tier, history


@given(refunds_of(whole=False))
@settings(max_examples=200, deadline=None)
def test_after_each_refund_the_order_is_worth_what_is_left_of_it(
    made: tuple[Script, str | None, list[tuple[dict[str, int], int]]],
) -> None:
    script, tier, history = made
    stage = play(script)
    left, unallocated = history[-1]
    assert stage.account.orders["o1"].net == worth(left, unallocated, tier) == stage.account.posted


@given(refunds_of(whole=True), st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_all_refunds_together_take_back_exactly_what_the_order_earned(
    made: tuple[Script, str | None, list[tuple[dict[str, int], int]]], spent: int
) -> None:
    script, _, _ = made
    bought = next(place for place, step in enumerate(script.steps) if getattr(step, "number", 0) == 2)
    with_spending = Script(programme=PROGRAMME, now=script.now)
    with_spending.spend(spent)
    script.steps[bought + 1 : bought + 1] = with_spending.steps if spent else []
    stage: Play = play(script)
    gone = sum(entry.amount for entry in stage.account.entries if entry.kind == "spent")
    assert stage.account.orders["o1"].net == 0
    assert (stage.account.posted, stage.account.debt) == (0, gone)


def test_a_refund_above_what_is_left_is_refused_and_changes_nothing_silently() -> None:
    script = Script()
    script.buy(1000)
    script.refund(amount=1001)
    with pytest.raises(ValueError, match="above what is left"):
        play(script)
