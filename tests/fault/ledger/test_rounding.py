"""Points of an order are the whole part of an exact fraction, never a point more, however it is split and refunded (T-L17)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from points_svc.domain import rating
from points_svc.domain.account import Order, Part
from points_svc.domain.rules import Rules, millionths, rules_of
from tests.fault.report import record, seed_of
from tests.unit.points_svc.script import programme

RATES = ("0", "0.5", "1", "1.25", "3", "0.333333", "7.000001")
TIERS = {"regular": Fraction(1), "silver": Fraction(6, 5), "gold": Fraction(3, 2), "diamond": Fraction(2)}
CAPS = (None, 100, 500, 3_000)
AT = datetime(2025, 3, 3, 4, tzinfo=UTC)

Lines = list[tuple[str, int]]  # a rate, and minor units at it


def order_of(lines: Lines, unallocated: int, tier: str) -> Order:
    """An order as the store holds it."""
    parts = [Part(millionths(rate), left) for rate, left in lines]
    return Order("o", 1, AT, date(2025, 3, 3), 1, tier, 0, sum(left for _, left in lines), unallocated, parts, 0)


def points_of(lines: Lines, unallocated: int, tier: str, rules: Rules) -> int:
    return rating.points_of(order_of(lines, unallocated, tier), rules)


def reference(lines: Lines, unallocated: int, tier: str, cap: int | None) -> int:
    """domain.md 3.1 and 3.3.1 in fractions."""
    left = sum(minor for _, minor in lines)
    share = Fraction(left - unallocated, left) if left else Fraction(0)
    exact = sum((minor * Fraction(rate) for rate, minor in lines), Fraction(0)) * share * TIERS[tier] / 100
    points = exact.numerator // exact.denominator
    return points if cap is None else min(points, cap)


def a_basket(chance: random.Random) -> Lines:
    most = chance.choice([9, 99, 10_000, 50_000, 10**9])
    return [(chance.choice(RATES), chance.randint(0, most)) for _ in range(chance.randint(1, 3))]


def cut(chance: random.Random, lines: Lines) -> list[Lines]:
    """The same goods as two to four orders."""
    pieces: list[Lines] = []
    for _ in range(chance.randint(1, 3)):
        taken = [(rate, chance.randint(0, left)) for rate, left in lines]
        lines = [(rate, left - away) for (rate, left), (_, away) in zip(lines, taken, strict=True)]
        pieces.append(taken)
    return [*pieces, lines]


def compared(rounds: int, seed: int) -> tuple[bool, str]:
    """Amounts × rates × tiers × caps, part of them refunded without lines, against the reference; and each basket split."""
    chance = random.Random(seed)
    rules = {cap: rules_of(programme(max_points_per_order=cap)) for cap in CAPS}
    differ = minted = split = clipped = 0
    for n in range(rounds):
        lines, tier, cap = a_basket(chance), chance.choice(list(TIERS)), chance.choice(CAPS)
        left = sum(minor for _, minor in lines)
        unallocated = chance.randint(0, left) if chance.random() < 0.3 else 0
        points = points_of(lines, unallocated, tier, rules[cap])
        differ += points != reference(lines, unallocated, tier, cap)
        clipped += points == cap
        whole = points_of(lines, 0, tier, rules[None])
        minted += points > whole or points_of(lines, left, tier, rules[cap]) != 0
        if n % 10 == 0:
            pieces = cut(chance, lines)
            worth = [points_of(piece, 0, tier, rules[None]) for piece in pieces]
            # One of the orders is given back: what stays is worth no more than buying just that at once.
            kept = [(rate, minor) for piece in pieces[1:] for rate, minor in piece]
            minted += sum(worth) > whole or sum(worth[1:]) > points_of(kept, 0, tier, rules[None])
            split += 1
    figure = (
        f"{rounds:,} amounts x rates ({clipped:,} clipped), {split:,} split: {differ} differ, {minted} mint a point"
    )
    return not (differ or minted), figure


@pytest.mark.fault
def test_points_are_the_whole_part_of_an_exact_fraction() -> None:
    """T-L17, small. What would break it: a float, a rounding per line, or a cap that is forgotten where less is left."""
    seed = seed_of("T-L17", 17)
    held, figure = compared(10_000, seed)
    record("T-L17", figure, "equal to the reference, 0 minted", held, seed=seed)
    assert held, figure


@pytest.mark.fault
@pytest.mark.long
@pytest.mark.full
def test_points_of_a_million_amounts_are_the_whole_part_of_an_exact_fraction() -> None:
    """T-L17: at full size."""
    seed = seed_of("T-L17", 170)
    held, figure = compared(1_000_000, seed)
    record("T-L17", figure, "equal to the reference, 0 minted", held, seed=seed)
    assert held, figure
