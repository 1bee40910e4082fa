"""The data set as domain.md 3.7 reads it, and row 1 of its table; the other rows are in tests/model."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.complete_journey import ZONE, Basket, load_baskets
from tests.support.model_figures import run_as_it_is, specified


@pytest.fixture(scope="module")
def baskets() -> list[Basket]:
    """Every basket, loaded once."""
    return load_baskets()


def test_there_are_as_many_baskets_and_households_as_the_specification_says(baskets: list[Basket]) -> None:
    assert (len(baskets), len({basket.household_id for basket in baskets})) == (155_848, 2_469)
    assert sum(basket.amount_minor == 0 for basket in baskets) == 478


def test_20_baskets_fall_into_the_gap_and_19_into_the_fold(baskets: list[Basket]) -> None:
    in_gap = [each for each in baskets if each.time.astimezone(ZONE).replace(tzinfo=None) != each.naive]
    in_fold = [each for each in baskets if each not in in_gap and _other_instant(each) != each.time]
    assert (len(in_gap), len(in_fold)) == (20, 19)


def _other_instant(basket: Basket) -> datetime:
    return basket.naive.replace(tzinfo=ZONE, fold=1).astimezone(UTC)


def test_row_1_is_that_of_the_specification(baskets: list[Basket]) -> None:
    row = next(run_as_it_is(baskets))
    assert specified(row), row
