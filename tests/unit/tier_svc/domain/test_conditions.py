"""Conditions as data: any of some clauses, all of some comparisons, and the words of a reason (domain.md 4)."""

from __future__ import annotations

from laurel_contracts.programme import Condition
from tier_svc.domain.conditions import Gauges, first_that_holds, told, told_all

SPEND = Condition(metric="spend_in_days", days=30, at_least=10_000)
QUIET = Condition(metric="complaints_in_days", days=90, at_most=1)
BOTH = Condition(all=(SPEND, QUIET))
TOTAL = Condition(metric="spend_total", at_least=50_000)


def test_the_same_window_is_kept_once_and_totals_come_first() -> None:
    gauges = Gauges([SPEND, BOTH, TOTAL])
    assert gauges.names == (
        "spend_total",
        "largest_order",
        "growth_total",
        "spend_in_days(30)",
        "complaints_in_days(90)",
    )


def test_all_of_a_clause_must_hold_and_any_clause_is_enough() -> None:
    gauges = Gauges([BOTH, TOTAL])
    clauses = [gauges.clause(BOTH), gauges.clause(TOTAL)]
    assert first_that_holds(clauses, [0, 0, 0, 10_000, 1]) is clauses[0]
    assert first_that_holds(clauses, [0, 0, 0, 10_000, 2]) is None
    assert first_that_holds(clauses, [50_000, 0, 0, 0, 2]) is clauses[1]


def test_always_holds_and_nothing_never_does() -> None:
    gauges = Gauges([])
    always = gauges.clause(Condition(always=True))
    assert first_that_holds([always], [0, 0, 0]) is always
    assert first_that_holds([], [0, 0, 0]) is None


def test_a_reason_names_metric_value_and_bound() -> None:
    gauges = Gauges([BOTH, TOTAL])
    values = [7, 0, 0, 10_000, 2]
    assert told(gauges.clause(BOTH), values) == "spend_in_days(30) 10000 ≥ 10000 and complaints_in_days(90) 2 > 1"
    assert told_all([gauges.clause(BOTH), gauges.clause(TOTAL)], values).endswith("; spend_total 7 < 50000")
    assert told((), values) == "always"
