"""`laurel status` shows a few figures and says lengths of time as people do."""

from __future__ import annotations

import pytest

from laurel_cli.commands.status import duration
from laurel_cli.stack.report import figures_in

EXPOSITION = """\
# TYPE laurel_lag_records gauge
laurel_lag_records{topic="activities",partition="0"} 3
laurel_lag_records{topic="activities",partition="1"} 4
# TYPE laurel_dead_letters_total counter
laurel_dead_letters_total{topic="activities",reason="invalid"} 1
# TYPE other gauge
other 9
"""


def test_a_figure_is_the_sum_over_its_labels_and_what_is_not_told_is_left_out() -> None:
    assert figures_in(EXPOSITION) == {"lag_records": 7, "dead_letters": 1}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.9, "59 s"), (303, "5 min 3 s"), (7_800, "2 h 10 min"), (273_600, "3 d 4 h")],
)
def test_a_length_of_time_has_at_most_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words
