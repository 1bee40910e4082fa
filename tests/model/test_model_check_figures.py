"""All six rows of domain.md 3.7, computed from every basket of Complete Journey (about a minute and a half)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.support.complete_journey import Basket, load_baskets
from tests.support.model_figures import ROWS, Row, run_as_it_is, run_refunds, run_short, specified

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def baskets() -> list[Basket]:
    """Every basket, loaded once."""
    return load_baskets()


@pytest.mark.parametrize("run", [run_as_it_is, run_refunds, run_short])
def test_the_rows_are_those_of_the_specification(
    run: Callable[[Sequence[Basket]], Iterator[Row]], baskets: list[Basket]
) -> None:
    for row in run(baskets):
        assert specified(row), row


def test_the_table_has_six_rows() -> None:
    assert len(ROWS) == 6
