"""The result does not depend on how far each service has got (domain.md 3.1).

INVARIANT: net points per order and per award, standings, lots and debt are equal whichever service was stopped during the whole import.
What would break it: rating with the latest standing in place of the one that holds, a re-rating that is lost, a campaign decided before
its mark, a refund that is judged by what a service happens to know.
"""

from __future__ import annotations

import sys
from datetime import date

import pytest

from tests.support.comparing import state, states_differ
from tests.support.complete_journey import some_baskets
from tests.support.histories import Mix, history
from tests.support.shop import Report, open_shop, reference

READERS = ("tier-svc", "points-svc", "campaign-svc")


def story(households: int) -> list[Report]:
    """Everything but spendings and expiry: what is spent or expired is decided once, by what was there (domain.md 3.1)."""
    return history(some_baskets(households), 7, Mix(spend=0.0, close_every=7, close_until=date(2018, 1, 31)))


def outcome(told: list[Report], stopped: str | None) -> dict[str, object]:
    """The state after the story, with one service stopped while it was told."""
    with open_shop(reference(), without=[stopped] if stopped else [], partitions=4) as shop:
        shop.tell(told)
        if stopped:
            shop.settle_without(stopped)
            shop.stack.start_service(stopped)
            shop.rested = False
        shop.settle()
        assert shop.trial_balance()["sum"] == 0
        return state(shop)


def compare(households: int) -> None:
    told = story(households)
    together = outcome(told, None)
    for stopped in READERS:
        problems = states_differ(together, outcome(told, stopped))
        sys.stdout.write(f"\n{len(told)} reports, {stopped} stopped meanwhile: {len(problems)} differences\n")
        assert problems[:5] == []


def test_a_service_that_was_stopped_catches_up_to_the_same_result() -> None:
    compare(8)


@pytest.mark.long
def test_a_service_that_was_stopped_during_a_long_import_catches_up_to_the_same_result() -> None:
    compare(160)
