"""The model test: whatever channels report, the real stack and the independent model agree on every member.

INVARIANT: net points per order, debt, lots, holds and standing of every member equal the model's, and so does every answer at a till; what
members give each other, share and bring has arrived once, and nothing lies in clearing.
What would break it: a batch cut that leaks into a rule, a number applied twice or not at all, a re-rating that is lost, a refund that
takes back more or less than was earned, an end judged with what came later, an expiry by a clock of one's own; a bonus that is given twice,
or by another's clock, or above its cap; points that a transfer makes or loses; a hold that a refund takes from.
"""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.support.comparing import differences, gathered, spendings_differ, statuses_differ
from tests.support.complete_journey import some_baskets
from tests.support.crossing_histories import Between
from tests.support.histories import Mix, history
from tests.support.model_programme import Programme, reference_programme, short_programme, with_campaigns
from tests.support.model_till import AT_A_TILL
from tests.support.model_world import World
from tests.support.pausing import REST, Pauses
from tests.support.shop import Report, Shop, open_shop, reference, short
from tests.support.topics import numbers_of

CLOCK = "2018-03-15T12:00:00-04:00"  # later than everything that is told
SEED = 20261124
CURRENCY, ZONE = "USD", "America/New_York"
FULL_HOUSEHOLDS = 340  # at least 20,000 baskets
QUICK_HOUSEHOLDS = 24
QUICK = Between(follows=0.006, gives=0.012, holds=0.02, brought=0.25)  # each rest takes more than a second
FULL = Between(follows=0.002, gives=0.004, holds=0.01, brought=0.15)  # rests are what the size is bounded by


def told(households: int, between: Between, *, close_every: int = 1, spend_every: int = 14) -> list[Report]:
    """A history of so many households: real baskets, refunds, duplicates, late activities, sign-ins, reviews, shares and who follows them,
    who brings whom, spendings, holds, transfers, days."""
    story = history(some_baskets(households), SEED, Mix(close_every=close_every), between=between)
    return gathered(story, clock=CLOCK, every_closings=spend_every)


def assert_counts_agree(model: dict[str, int], released: dict[str, int], shop: dict[str, int]) -> None:
    """The door is asked in requests, the model report by report: what waits for an order of its own request is answered with what became
    of it, where the model says `waiting` first. Nothing else may differ, and no more of each kind than the model released."""
    freed = {kind: shop.get(kind, 0) - model.get(kind, 0) for kind in ("accepted", "duplicate", "refused")}
    assert sum(freed.values()) == model.get("waiting", 0) - shop.get("waiting", 0)
    assert shop.get("conflict", 0) == model.get("conflict", 0)
    may = {
        "accepted": released.get("accepted", 0),
        "duplicate": released.get("duplicate", 0),
        "refused": released.get("dead_letter", 0) + released.get("refused", 0),
    }
    assert all(0 <= freed[kind] <= may[kind] for kind in freed), (freed, may)


def agree(story: list[Report], programme: Programme, document: dict[str, object], *, awards: bool) -> Shop:
    """Tell the story to both and compare everything."""
    world = World(programme)
    pauses, with_rests = Pauses(world), list[Report]()
    outcomes: dict[str, int] = {}
    released: dict[str, int] = {}
    for item in story:
        outcome = world.tell(item)
        with_rests += [REST, item] if pauses.needed(item, outcome) else [item]
        for freed in outcome.released:
            released[freed.status] = released.get(freed.status, 0) + 1
        if "command" not in item:
            outcomes[outcome.status] = outcomes.get(outcome.status, 0) + 1
    with open_shop(document, clock=CLOCK) as shop:
        shop.tell(with_rests)
        shop.settle()
        sys.stdout.write(f"\nseed {SEED}: {len(story)} reports and commands, model {outcomes}, shop {shop.counts}\n")
        assert spendings_differ(world, shop) == []
        problems = differences(world, shop, awards=awards) + statuses_differ(world, shop)
        asked = Counter(f"{command['command']} {word}" for command, word in shop.till.words)
        sys.stdout.write(
            f"{len(world.members)} members compared, {len(problems)} differences; at the tills {dict(sorted(asked.items()))};"
            f" between members {dict(world.crossings.seen)}, {len(shop.till.given)} transfers; {pauses.rests} rests\n"
        )
        assert problems[:10] == []
        assert shop.till.transfers_not_arrived() == []
        assert seen_enough(asked, world) == set()
        proof = shop.trial_balance()
        assert proof["sum"] == 0
        assert proof["by_account"].get("clearing", 0) == 0
        assert {name: wrong for name, wrong in proof["invariants"].items() if wrong} == {}
        assert_counts_agree(outcomes, released, shop.counts)
        numbers = numbers_of(shop.stack.kafka_bootstrap, "activities")
        assert numbers.broken == []
        assert numbers.messages - numbers.repeated == sum(world.door.numbers.values())
    return shop


def seen_enough(asked: Counter[str], world: World) -> set[str]:
    """What a history must have met to prove anything, and has not."""
    wanted = {f"{command} done" for command in AT_A_TILL} | {"give insufficient_points", "hold insufficient_points"}
    return (wanted - asked.keys()) | ({"followed", "undone", "referral"} - world.crossings.seen.keys())


def test_a_small_town_agrees_with_the_model_with_campaigns() -> None:
    programme = with_campaigns(reference_programme(CURRENCY, ZONE))
    story = told(QUICK_HOUSEHOLDS, QUICK, close_every=5, spend_every=14)
    agree(story, programme, reference(), awards=True)


@pytest.mark.long
def test_340_households_agree_with_the_model_under_the_reference_programme() -> None:
    agree(told(FULL_HOUSEHOLDS, FULL), with_campaigns(reference_programme(CURRENCY, ZONE)), reference(), awards=True)


@pytest.mark.long
def test_340_households_agree_with_the_model_under_the_short_programme() -> None:
    agree(told(FULL_HOUSEHOLDS, FULL), short_programme(CURRENCY, ZONE), short(), awards=False)
