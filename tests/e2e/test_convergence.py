"""The result does not depend on how far each service has got (domain.md 3.1).

INVARIANT: net points per order and per award, standings (in clubs too), tasks, benefits, bonuses, lots and debt are equal whichever service
was stopped, for the whole import or for a part of it.
What would break it: rating with the latest standing in place of the one that holds, a re-rating that is lost, a campaign decided before
its mark, a refund that is judged by what a service happens to know, a bonus that depends on when its receiver's books were open.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import pytest

from tests.support.comparing import state, states_differ
from tests.support.complete_journey import some_baskets
from tests.support.crossing_histories import Between
from tests.support.histories import Mix, history
from tests.support.rich_programme import rich
from tests.support.shop import Report, Shop, open_shop, reference

SEED = 7
READERS = ("tier-svc", "points-svc", "campaign-svc")
AS_OF = "2018-02-01T12:00:00+00:00"  # benefits are asked for as of this instant, in every run

Way = Callable[[Shop, list[Report]], None]


def story(households: int) -> list[Report]:
    """Everything but what is asked for at a till, and expiry: what is spent or expired is decided once, by what was there (domain.md 3.1).
    Of two households that follow one share the first one counts, and they have no order between them: here each share has one."""
    mix = Mix(spend=0.0, close_every=7, close_until=date(2018, 1, 31))
    between = Between(follows=0.02, gives=0.0, holds=0.0, brought=0.7, rivals=False)
    return history(some_baskets(households), SEED, mix, between=between)


def told_together(shop: Shop, told: list[Report]) -> None:
    """Nobody is stopped."""
    shop.tell(told)


def told_without(stopped: str) -> Way:
    """One service is stopped until everything has been told and the others have gone as far as they can."""

    def way(shop: Shop, told: list[Report]) -> None:
        shop.stack.stop_service(stopped)
        shop.tell(told)
        shop.settle_without(stopped)
        shop.stack.start_service(stopped)
        shop.rested = False

    return way


def told_in_turns(shop: Shop, told: list[Report]) -> None:
    """Each service is away for a third of the story, so that each has read what the others have not."""
    third = -(-len(told) // len(READERS))
    for place, stopped in enumerate(READERS):
        shop.stack.stop_service(stopped)
        shop.tell(told[place * third : (place + 1) * third])
        shop.stack.start_service(stopped)
        shop.rested = False


def outcome(document: dict[str, Any], told: list[Report], way: Way) -> dict[str, Any]:
    """The state after the story, told in this way."""
    with open_shop(document, partitions=4) as shop:
        way(shop, told)
        shop.settle()
        proof = shop.trial_balance()
        assert (proof["sum"], set(proof["invariants"].values())) == (0, {0})
        assert proof["by_account"].get("clearing", 0) == 0
        assert [one for one in shop.dead_letters() if one["topic"] != "channel-activities"] == []
        return state(shop, as_of=AS_OF)


@cache
def together(programme: str, households: int) -> dict[str, Any]:
    """What it comes to when nobody is stopped; once for all ways of the same story."""
    told = story(households)
    found = outcome(PROGRAMMES[programme](), told, told_together)
    seen = {part: sum(len(each) for each in of.values() if hasattr(each, "__len__")) for part, of in found.items()}
    sys.stdout.write(f"\nseed {SEED}: {len(told)} reports, {len(found['debt'])} members, {seen}\n")
    return found


def compare(programme: str, households: int, way: str) -> None:
    problems = states_differ(
        together(programme, households), outcome(PROGRAMMES[programme](), story(households), WAYS[way])
    )
    sys.stdout.write(f"\n{programme}, {households} households, {way}: {len(problems)} differences\n")
    assert problems[:5] == []


PROGRAMMES: dict[str, Callable[[], dict[str, Any]]] = {"reference": reference, "rich": rich}
WAYS: dict[str, Way] = {f"{name} stopped meanwhile": told_without(name) for name in READERS}
WAYS["each stopped for a third"] = told_in_turns


@pytest.mark.parametrize("way", list(WAYS)[:3])
def test_a_service_that_was_stopped_catches_up_to_the_same_result(way: str) -> None:
    compare("rich", 8, way)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("programme", "households"), [("reference", 160), ("rich", 160)])
def test_a_service_that_was_stopped_during_a_long_import_catches_up_to_the_same_result(
    programme: str, households: int, way: str
) -> None:
    compare(programme, households, way)
