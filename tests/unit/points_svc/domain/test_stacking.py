"""Where several earning rules apply, which of them count is explicit (features.md P36)."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from points_svc.domain.rules import problems_of
from tests.unit.points_svc.pure import Play, play
from tests.unit.points_svc.script import Script, programme


def rule(name: str, rate: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "rate": rate, **more}


def bought(extra: list[dict[str, Any]], **lines: int) -> Play:
    script = Script(programme=programme(extra=extra, category_rates={"wine": "0.5"}))
    script.buy(sum(lines.values()), "o1", None, **lines)
    return play(script)


def net(extra: list[dict[str, Any]], **lines: int) -> int:
    return bought(extra, **lines).account.orders["o1"].net


def test_rules_without_a_group_all_add_to_the_lines_own_rate() -> None:
    extra = [rule("wine", "2", categories=["wine"]), rule("store", "0.25", channels=["store"])]
    assert net(extra, food=10_000) == 125
    assert net(extra, wine=10_000) == 275  # 0.5 of its own, 2, and 0.25
    assert net([rule("online", "5", channels=["online"])], food=10_000) == 100


def test_of_one_group_only_the_highest_priority_counts_also_where_it_gives_less() -> None:
    extra = [
        rule("more", "3", priority=1, stack_group="g"),
        rule("first", "1", priority=2, stack_group="g"),
        rule("alone", "0.5"),
    ]
    assert net(extra, food=10_000) == 250
    extra[1]["categories"] = ["wine"]  # where the first does not apply, the next does
    assert net(extra, food=10_000) == 450


def test_the_order_in_which_rules_are_written_makes_no_difference() -> None:
    extra = [
        rule("a", "1", priority=0, stack_group="g"),
        rule("b", "2", priority=1, stack_group="g"),
        rule("c", "3", priority=2),
    ]
    worth = {net(list(order), food=12_345, wine=777) for order in permutations(extra)}
    assert worth == {net(extra, food=12_345, wine=777)}


def test_what_does_not_qualify_earns_nothing_by_any_rule() -> None:
    assert net([rule("all", "9")], gift_card=10_000) == 0


def test_an_entry_names_the_rules_and_their_lines() -> None:
    stage = bought([rule("wine", "2", categories=["wine"], priority=5, stack_group="g")], food=100, wine=200)
    (entry,) = stage.account.entries
    assert entry.why["extra"] == [{"rule": "wine", "rate": "2", "priority": 5, "stack_group": "g", "lines": ["wine"]}]


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ([rule("a", "1"), rule("a", "2")], "stands there twice"),
        ([rule("a", "1", stack_group="g"), rule("b", "2", stack_group="g")], "have the priority 0"),
    ],
)
def test_rules_whose_order_would_be_left_to_chance_are_refused(extra: list[dict[str, Any]], problem: str) -> None:
    assert problem in " ".join(problems_of(programme(extra=extra)))


EXTRA = [
    rule("a", "0.333333", priority=3, stack_group="g"),
    rule("b", "1.25", categories=["wine"], priority=4, stack_group="g"),
    rule("c", "0.5", categories=["food", "wine"], channels=["store"]),
]
RATES = {"food": Fraction("1.833333"), "wine": Fraction("2.25"), "shipping": Fraction(0)}


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(RATES)), st.integers(1, 99_999), min_size=1), st.data())
def test_refunds_take_back_exactly_what_the_rules_gave(lines: dict[str, int], data: st.DataObject) -> None:
    script = Script(programme=programme(extra=EXTRA, category_rates={"wine": "0.5"}))
    script.buy(sum(lines.values()), "o1", None, **lines)
    name = data.draw(st.sampled_from(sorted(lines)))
    back = data.draw(st.integers(1, lines[name]))
    script.refund("o1", None, None, **{name: back})
    left = lines | {name: lines[name] - back}
    assert play(script).account.orders["o1"].net == int(sum(minor * RATES[c] for c, minor in left.items()) / 100)
    if rest := sum(left.values()):
        script.refund("o1", amount=rest)
    outcome = play(script).outcome()
    assert (outcome.nets["o1"], outcome.posted, outcome.debt) == (0, 0, 0)
