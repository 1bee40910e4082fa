"""Sign-ins, reviews and activities joined (domain.md 3.2)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from points_svc.domain import streaks
from tests.unit.points_svc.pure import play
from tests.unit.points_svc.script import Script

NOON = datetime(2025, 3, 3, 4, tzinfo=UTC)  # in Shanghai


def days(*numbers: int) -> Script:
    """Sign-ins on these days, in this order."""
    script = Script()
    for number in numbers:
        script.sign_in(NOON + timedelta(days=number))
    return script


def test_the_seventh_day_in_a_row_pays_a_bonus_once() -> None:
    assert play(days(*range(7))).account.posted == 7 * 5 + 20
    assert play(days(*range(13))).account.posted == 13 * 5 + 20
    assert play(days(*range(14))).account.posted == 14 * 5 + 40


def test_a_late_sign_in_that_joins_two_runs_pays_what_is_due_then() -> None:
    apart = play(days(0, 1, 2, 4, 5, 6)).account.posted
    assert apart == 6 * 5
    assert play(days(0, 1, 2, 4, 5, 6, 3)).account.posted == apart + 5 + 20


def test_a_gap_begins_a_new_run() -> None:
    assert play(days(0, 1, 2, 3, 5, 6, 7)).account.posted == 7 * 5


@given(st.sets(st.integers(0, 40), min_size=1, max_size=40), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_what_sign_ins_pay_does_not_depend_on_their_order_where_runs_only_grow(numbers: set[int], seed: int) -> None:
    runs: dict[date, int] = {}
    shuffled = sorted(numbers)
    random.Random(seed).shuffle(shuffled)
    for number in shuffled:
        assert streaks.add(runs, date(2025, 1, 1) + timedelta(days=number))
        assert not streaks.add(runs, date(2025, 1, 1) + timedelta(days=number))
    expected: dict[date, int] = {}
    for number in sorted(numbers):
        day = date(2025, 1, 1) + timedelta(days=number)
        if number - 1 in numbers:
            expected[max(expected)] += 1
        else:
            expected[day] = 1
    assert runs == expected


def test_only_three_reviews_of_a_day_earn_in_the_order_of_the_stream() -> None:
    script = Script()
    for sku in "abcd":
        script.review(sku, at=NOON, photos=1 if sku == "a" else 0)
    script.review("e", at=NOON + timedelta(days=1))
    script.review("f", at=NOON)  # late: counts on its own day, which is full
    stage = play(script)
    assert stage.account.posted == 30 + 20 + 20 + 20
    assert [none.why["points_uncapped"] for none in stage.account.no_effects] == [20, 20]


def test_joining_earns_thirty() -> None:
    script = Script()
    script.join("open house")
    assert play(script).account.posted == 30


def test_every_entry_says_rule_version_inputs_and_result() -> None:
    script = Script()
    script.stand("silver", after=0)
    script.buy(9999)
    script.sign_in(NOON + timedelta(days=3))
    script.review("a")
    script.join("x")
    for entry in play(script).account.entries:
        assert entry.why["rule"]
        assert entry.why["version"] == 1
        assert entry.why["points"] == entry.amount
