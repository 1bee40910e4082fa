"""Who looks at the books while others work on them notices what is wrong at one instant."""

from __future__ import annotations

import pytest

from tests.fault.books_beside import PROBLEMS_KEPT, Looks

RIGHT = [(100, 0, 0), (90, 10, 10), (70, 30, 30), (100, 0, 0)]
WRONG = {
    "points that have left and lie nowhere": (90, 0, 0),
    "points that lie twice": (100, 10, 10),
    "clearing that holds what nobody has sent": (90, 10, 0),
    "a transfer that clearing does not hold": (100, 0, 10),
}


def test_books_that_balance_at_every_look_have_no_problem() -> None:
    looks = Looks()
    for one in RIGHT:
        looks.see(*one)
    assert (looks.looks, looks.with_points_between, looks.most_between, looks.problems) == (4, 2, 30, [])


@pytest.mark.parametrize("name", WRONG)
def test_one_instant_that_does_not_balance_is_kept(name: str) -> None:
    """Broken by a look that compares with the one before and not with the first."""
    looks = Looks()
    for one in (*RIGHT[:2], WRONG[name], *RIGHT[2:]):
        looks.see(*one)
    assert len(looks.problems) == 1
    for _ in range(2 * PROBLEMS_KEPT):
        looks.see(*WRONG[name])
    assert len(looks.problems) == PROBLEMS_KEPT
