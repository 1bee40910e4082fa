"""Points that last as long as the tier says under which they were earned, whenever that becomes known."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel_contracts.benefits import AroundBirthday, Benefit, BenefitLimits
from points_svc.domain import extending, ledger
from points_svc.domain.account import MOVED_LOTS_FROM
from points_svc.domain.extending import Longer
from points_svc.domain.rules import problems_of
from tests.unit.points_svc.lasting import BEGIN, interleaved, lasting, story_of
from tests.unit.points_svc.pure import Play, play
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_any_interleaving_leaves_the_same_points_to_expire_at_the_same_instants(seed: int) -> None:
    """INVARIANT: net points, balance, debt and what expires when are those of the tier that holds for each activity, in whatever order
    standings and activities become known. Expiry by the tier known at the moment of rating, or a lot that is not moved when the tier
    changes (or moved although another one holds), would break it."""
    chance = random.Random(seed)
    story = story_of(seed)
    orders = [story.facts + story.activities, story.activities + story.facts]
    orders += [interleaved(chance, story.activities, story.facts) for _ in range(3)]
    stages = [play(Script(programme=lasting(), steps=steps)) for steps in orders]
    seen = [(stage.outcome().nets, stage.account.posted, stage.account.debt, stage.account.ladder) for stage in stages]
    assert all(one == seen[0] for one in seen)
    # Beside what the facts alone say; sign-ins, reviews and joins keep what they earned, so each is found by its own lot.
    expected: dict[object, int] = {}
    account = stages[0].account
    for step in story.activities:
        assert isinstance(step, Activity)
        left = sum(lot.remaining for lot in ledger.family(account, step.number))
        if left:
            expected[story.ends(step)] = expected.get(story.ends(step), 0) + left
    assert account.ladder == expected


def test_the_entries_say_why_points_last_longer_and_a_correction_shortens_them_again() -> None:
    s = Script(programme=lasting())
    s.buy(10_000)
    s.stand("gold", after=0)
    s.stand("regular", after=0)
    account = play(s).account
    kinds = [(entry.kind, entry.amount) for entry in account.entries]
    assert kinds == [
        ("earned", 100), ("redated", 100), ("redated", 100), ("rated_again", 50), ("redated", 150), ("redated", 150),
        ("rated_again", 50),
    ]  # fmt: skip
    assert account.ladder == {local(SHANGHAI, 2026, 4, 1): 100}
    assert account.entries[1].why["validity_months"] == 24
    assert all(lot.lot == 1 or lot.lot > MOVED_LOTS_FROM for lot in account.lots.values())


def test_what_was_spent_or_has_expired_meanwhile_stays_as_it_was_decided() -> None:
    s = Script(programme=lasting())
    s.register()
    s.buy(10_000)
    s.spend(60, now=s.now + timedelta(hours=1))
    s.close_day(date(2026, 4, 2))
    s.stand("gold", after=0)  # tier-svc was away for a year
    account = play(s).account
    assert account.ladder == {
        local(SHANGHAI, 2027, 4, 1): 50
    }  # what the multiplier adds comes alive; the 40 have expired
    assert [entry.kind for entry in account.entries].count("expired") == 1


def test_an_extension_that_was_asked_for_is_not_shortened_by_a_lower_tier_and_counts_from_the_tiers_own_end() -> None:
    s = Script(programme=lasting())
    s.stand("gold", after=0)
    s.buy(10_000)
    stage: Play = play(s)
    account, rules = stage.account, stage.rules
    ledger.open_page(account, "extension", BEGIN)
    until = local(SHANGHAI, 2027, 12, 1)
    longer = Longer(last_day=date(2027, 11, 30))
    assert isinstance(extending.extend(account, longer, None, now=s.now, rules=rules, why={}), list)
    ledger.close_page(account)
    s.stand("regular", after=0)
    stage.step(s.steps[-1])
    assert account.ladder == {until: 100}
    s.stand("diamond", after=0)  # 36 months go beyond it
    stage.step(s.steps[-1])
    assert account.ladder == {local(SHANGHAI, 2028, 4, 1): 200}


@pytest.mark.parametrize(
    "wrong",
    [
        Benefit(id="x", kind="point_validity", months=24, packs=("family",)),
        Benefit(id="x", kind="point_validity", months=24, around_birthday=AroundBirthday(days_before=1)),
        Benefit(id="x", kind="point_validity", months=24, limits=BenefitLimits(per_member=1)),
        Benefit(id="x", kind="point_validity", months=24, limits=BenefitLimits(total=10)),
    ],
)
def test_a_validity_that_hangs_on_more_than_the_tier_is_refused(wrong: Benefit) -> None:
    assert problems_of(lasting(wrong)) == [
        "benefits: x: points last longer by tier alone, not by pack, birthday or limit"
    ]


def test_a_validity_by_tier_does_not_go_with_an_expiry_that_slides() -> None:
    (problem,) = problems_of(lasting(expiry={"policy": "sliding"}))
    assert "sliding" in problem
    assert problems_of(lasting()) == []


def test_a_programme_without_it_rates_by_one_policy_and_says_nothing_of_it() -> None:
    s = Script()
    s.buy(10_000)
    stage = play(s)
    assert stage.rules.lasting == {}
    assert "validity_months" not in stage.account.entries[0].why
