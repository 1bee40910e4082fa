"""Returns, to the cent, laid beside exact fractions (domain.md 3.1, 3.3).

INVARIANT: whatever the split and the order, all refunds of an order take back exactly what the refunded part had earned; what has been
spent meanwhile is owed, exactly, and nothing is spendable while it is.
What would break it: rounding per refund or per line; a debt that is taken off what comes later than it should be.
"""

from __future__ import annotations

import random
import time
from fractions import Fraction
from math import floor
from uuid import UUID

import msgspec
import pytest

from tests.fault.report import record, seed_of
from tests.integration.points_svc.books import Books, told
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, programme

pytestmark = pytest.mark.fault

SEED = 512
RATES = {"food": "1", "toys": "0.5", "wine": "1.25", "gifts": "0", "home": "3"}


def worth(left: dict[str, int], unallocated: int) -> int:
    """floor(Σ left × rate × (L − U) ÷ L ÷ 100), by fractions and nothing else."""
    total = sum(left.values())
    share = Fraction(total - unallocated, total) if total else Fraction(0)
    return floor(sum(Fraction(amount) * Fraction(RATES[name]) for name, amount in left.items()) * share / 100)


def split(rng: random.Random, amount: int, parts: int) -> list[int]:
    """An amount in so many pieces, some of one cent."""
    cuts = sorted(rng.choice([1, amount - 1, rng.randint(0, amount)]) for _ in range(parts - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, amount], strict=True) if b > a]


async def partial_refunds(books: Books, orders: int) -> None:
    """Each order twice, for two members: the same refunds in two orders of time."""
    seed = seed_of("T-L12", SEED)
    began = time.monotonic()
    rng = random.Random(seed)
    rules = programme(category_rates={name: rate for name, rate in RATES.items() if name != "food"}, not_qualifying=[])
    await books.load(rules)
    wrong: list[str] = []
    records, wanted, whole, refunds = [], {}, 0, 0
    for n in range(orders):
        lines = {name: rng.randint(1, 30_000) for name in rng.sample(sorted(RATES), rng.randint(1, 4))}
        pieces = [(name, piece) for name, amount in lines.items() for piece in split(rng, amount, rng.randint(1, 4))]
        rng.shuffle(pieces)
        kept = rng.choice([0, 0, 1, len(pieces) // 2])
        back = pieces[kept:]
        left = {name: lines[name] - sum(p for other, p in back if other == name) for name in lines}
        total = sum(left.values())
        unallocated = rng.choice([0, total, rng.randint(0, total)])
        steps = [*back, ("", unallocated)] if unallocated else back
        for twin in range(2):
            script, member = Script(programme=rules), UUID(int=2 * n + twin + 1)
            script.register()
            script.buy(sum(lines.values()), f"o{member.int}", None, **lines)
            for name, piece in steps if twin == 0 else sorted(steps, key=lambda _: rng.random()):
                if name:
                    script.refund(f"o{member.int}", None, None, **{name: piece})
                else:
                    script.refund(f"o{member.int}", amount=piece)
            records += [told(step, member, SHANGHAI) for step in script.steps if isinstance(step, Activity)]
            wanted[member] = worth(left, unallocated)
        refunds += len(steps)
        whole += wanted[member] == 0
    for start in range(0, len(records), 1_000):
        await books.apply(records[start : start + 1_000])
    for member, points in wanted.items():
        outcome = await books.outcome(member)
        if outcome.nets != {f"o{member.int}": points} or outcome.posted != points or outcome.debt:
            wrong.append(f"{member}: {outcome}, not {points}")
    broken = await books.broken()
    is_held = not wrong and not broken and 0 < whole < orders
    figure = (
        f"{orders} orders, {refunds} refunds each in two orders of time: {len(wrong)} differ from exact fractions;"
        f" {whole} orders left with nothing"
    )
    record(
        "T-L12",
        figure,
        "clawed back = points of the refunded part, never more",
        is_held,
        seed,
        time.monotonic() - began,
    )
    assert is_held, (figure, wrong[:3], broken)


async def test_partial_refunds_to_the_cent_take_back_exactly_what_was_earned(books: Books) -> None:
    """T-L12: double refunds, refunds above the purchase and refunds of refunds are refused at the door (T-K21's kinds of business)."""
    await partial_refunds(books, 100)


@pytest.mark.long
@pytest.mark.full
async def test_thousands_of_partial_refunds_take_back_exactly_what_was_earned(books: Books) -> None:
    """T-L12: 2,000 orders."""
    await partial_refunds(books, 2_000)


async def test_what_was_spent_before_the_return_is_owed_and_the_next_purchases_repay_it(books: Books) -> None:
    """T-L13: at every step between, not a point can be spent or held."""
    seed = seed_of("T-L13", SEED)
    began = time.monotonic()
    rng = random.Random(seed)
    wrong: list[str] = []
    await books.load(programme())
    scripts = [Script() for _ in range(20)]
    async with open_checkout(books) as till:
        for n, script in enumerate(scripts, 1):
            member = UUID(int=n)
            earned, spent = rng.randint(2, 500), 0
            script.register()
            script.buy(earned * 100, f"o{n}")
            await books.apply([told(step, member, SHANGHAI) for step in script.steps if isinstance(step, Activity)])
            till.clock.at = script.now
            spent = rng.randint(1, earned)
            assert (await till.spend(spent, member)).status_code == 201
            owed, posted, number = spent, 0, len(script.steps)
            script.refund(f"o{n}", amount=earned * 100)
            more = [rng.randint(0, spent) for _ in range(4)] + [spent]
            for k, points in enumerate([-1, *more]):
                if points >= 0:
                    script.buy(points * 100, f"o{n}-{k}")
                    repaid = min(owed, points)
                    owed, posted = owed - repaid, posted + points - repaid
                steps = [step for step in script.steps[number:] if isinstance(step, Activity)]
                number = len(script.steps)
                await books.apply([told(step, member, SHANGHAI) for step in steps])
                till.clock.at = script.now
                found = await till.figures(member)
                if found != (posted, 0, owed, 0 if owed else posted):
                    wrong.append(f"{member} after step {k}: {found}, not {(posted, 0, owed)}")
                if owed:
                    refused = [await till.spend(1, member), await till.hold(1, member)]
                    wrong += [answer.text for answer in refused if answer.json().get("type") != "in_debt"]
        broken = await books.broken()
    is_held = not wrong and not broken
    figure = f"{len(scripts)} members, 6 steps each: {len(wrong)} differ; refused while anything is owed"
    record(
        "T-L13",
        figure,
        "debt exact; next earn repays; never spendable in between",
        is_held,
        seed,
        time.monotonic() - began,
    )
    assert is_held, (wrong[:3], broken)


def test_the_fractions_know_the_examples_of_the_specification() -> None:
    """T-L12 (control): P5, and a line at 1.25 beside one at 0.5."""
    assert [worth({"food": 9999 - 3333 * n}, 0) for n in range(4)] == [99, 66, 33, 0]
    assert worth({"wine": 199, "toys": 199}, 0) == 3
    assert worth({"food": 9999}, 5000) == 49
    assert msgspec.json.encode(RATES)
