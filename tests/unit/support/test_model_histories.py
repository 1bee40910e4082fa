"""Histories that the model test tells: deterministic, and rich enough to meet every rule."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.complete_journey import CURRENCY, ZONE, load_baskets
from tests.support.histories import history
from tests.support.model_door import Outcome, Report
from tests.support.model_programme import short_programme, with_campaigns
from tests.support.model_world import World

SEED = 20170101
HOUSEHOLDS = range(1, 41)


@pytest.fixture(scope="module")
def told() -> list[Report]:
    """The history of 40 households."""
    return history(load_baskets(households=HOUSEHOLDS), SEED)


@pytest.fixture(scope="module")
def lived(told: list[Report]) -> tuple[World, list[Outcome]]:
    """The model after that history, under the short programme with its campaigns."""
    world = World(with_campaigns(short_programme(CURRENCY, str(ZONE))))
    return world, [world.tell(each) for each in told]


def test_the_same_seed_tells_the_same_history_and_another_a_different_one() -> None:
    baskets = load_baskets(households=[1, 2, 3])
    assert history(baskets, SEED) == history(list(reversed(baskets)), SEED)
    assert history(baskets, SEED) != history(baskets, SEED + 1)


def test_a_households_part_does_not_depend_on_the_others(told: list[Report]) -> None:
    alone = [each["id"] for each in history(load_baskets(households=[7]), SEED) if "id" in each]
    ids = [each["id"] for each in told if each.get("id", "").startswith("household-7-")]
    assert alone == ids


def test_every_outcome_of_the_door_occurs(lived: tuple[World, list[Outcome]]) -> None:
    _, outcomes = lived
    everything = Counter(each.status for one in outcomes for each in (one, *one.released))
    assert set(everything) == {"accepted", "duplicate", "conflict", "refused", "waiting", "dead_letter"}


def test_every_kind_of_fact_and_entry_occurs(lived: tuple[World, list[Outcome]]) -> None:
    world, _ = lived
    facts = {fact.kind for member in world.members.values() for fact in member.facts}
    assert facts == {"raised", "kept", "lapsed", "lowered", "corrected"}
    entries = {entry.kind for member in world.members.values() for entry in member.ledger.entries}
    assert entries >= {"award", "repaid", "spent", "taken_back", "owed", "returned", "expired"}
    assert {spending.refused for spending in world.spendings} >= {None, "not_enough", "provisional"}


def test_the_books_of_every_member_balance(lived: tuple[World, list[Outcome]]) -> None:
    world, _ = lived
    for member in world.members.values():
        ledger, rated = member.ledger, member.earning.ratings
        assert sum(entry.points for entry in ledger.entries) == ledger.balance
        assert all(lot.granted >= 0 and lot.remaining >= 0 and lot.expired >= 0 for lot in ledger.lots)
        # Rated with the facts known at its number, or with the final list of facts: without lag it is the same.
        assert {order_id: rating.now for order_id, rating in rated.items()} == member.net_points()


def test_numbers_of_a_member_have_no_gap(lived: tuple[World, list[Outcome]]) -> None:
    _, outcomes = lived
    numbers: dict[str, list[int]] = {}
    for outcome in outcomes:
        for name, event in outcome.numbered:
            numbers.setdefault(name, []).append(event.seq)
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
