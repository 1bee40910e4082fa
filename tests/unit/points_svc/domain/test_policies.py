"""When points expire, by policy (domain.md 3.4): edge days, zones, and days that begin late or twice."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from points_svc.domain import calendar, policies
from points_svc.domain.policies import Policy
from points_svc.domain.rules import problems_of
from tests.unit.points_svc.holding import Till
from tests.unit.points_svc.pure import play
from tests.unit.points_svc.script import NEW_YORK, SHANGHAI, Script, local, programme

# Midnight that does not exist, comes twice, and the end of a year that lacks a day.
ZONES = [
    ZoneInfo(name) for name in ("Asia/Shanghai", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Africa/Cairo")
]
DAYS = st.dates(date(2000, 1, 1), date(2035, 12, 31))
EDGES = st.sampled_from(
    [date(2024, 2, 29), date(2023, 2, 28), date(2024, 12, 31), date(2025, 1, 1), date(2025, 1, 31), date(2011, 12, 29)]
)
POLICIES = st.builds(
    Policy,
    st.sampled_from(["rolling", "calendar", "sliding"]),
    st.integers(0, 36),
    st.sampled_from(["month", "quarter", "year"]),
    st.lists(st.sampled_from([(2, 29), (6, 30), (12, 31), (1, 1), (3, 31)]), min_size=1, unique=True).map(
        lambda d: tuple(sorted(d))
    ),
    st.sampled_from(ZONES),
)


def last_day(policy: Policy, day: date) -> date:
    """The local day before the one that begins when the lot expires."""
    return calendar.local_day(policy.expires_at(day) - timedelta(microseconds=1), policy.zone)


@pytest.mark.parametrize(
    ("rule", "day", "last"),
    [
        ({}, date(2025, 1, 31), date(2026, 1, 31)),
        ({"months": 0}, date(2025, 1, 31), date(2025, 1, 31)),
        ({"months": 1}, date(2025, 1, 31), date(2025, 2, 28)),
        ({"ends": "quarter"}, date(2025, 1, 1), date(2026, 3, 31)),
        ({"ends": "quarter", "months": 2}, date(2025, 11, 30), date(2026, 3, 31)),
        ({"ends": "year"}, date(2025, 12, 31), date(2026, 12, 31)),
        ({"ends": "year", "months": 0}, date(2025, 12, 31), date(2025, 12, 31)),
        ({"policy": "calendar", "dates": ["12-31"]}, date(2025, 3, 1), date(2026, 12, 31)),
        ({"policy": "calendar", "dates": ["12-31"], "months": 0}, date(2025, 12, 31), date(2025, 12, 31)),
        ({"policy": "calendar", "dates": ["06-30", "12-31"], "months": 6}, date(2025, 1, 1), date(2025, 12, 31)),
        ({"policy": "calendar", "dates": ["06-30", "12-31"], "months": 6}, date(2024, 12, 30), date(2025, 6, 30)),
        ({"policy": "calendar", "dates": ["02-29"], "months": 0}, date(2025, 3, 1), date(2026, 2, 28)),
        ({"policy": "calendar", "dates": ["02-29"], "months": 0}, date(2027, 3, 1), date(2028, 2, 29)),
        ({"policy": "sliding", "months": 6}, date(2025, 8, 31), date(2026, 2, 28)),
    ],
)
def test_the_last_day_on_which_points_can_be_spent(rule: dict[str, object], day: date, last: date) -> None:
    script = Script(programme=programme(expiry=rule))
    script.buy(100, at=local(SHANGHAI, day.year, day.month, day.day, 12))
    ((expires_at, _),) = play(script).outcome().lots
    after = last + timedelta(days=1)
    assert expires_at == local(SHANGHAI, after.year, after.month, after.day)


@given(POLICIES, DAYS | EDGES, st.integers(0, 400))
def test_a_later_day_never_expires_earlier_and_nothing_expires_before_its_months(
    policy: Policy, day: date, later: int
) -> None:
    assert policy.expires_at(day) <= policy.expires_at(day + timedelta(days=later))
    assert last_day(policy, day) >= policies.months_on(day, policy.months)


@given(POLICIES, DAYS | EDGES)
def test_points_expire_with_the_first_instant_of_a_local_day_after_the_end_that_was_agreed(
    policy: Policy, day: date
) -> None:
    last, until = last_day(policy, day), policy.expires_at(day)
    assert until == calendar.start_of_day(calendar.local_day(until, policy.zone), policy.zone)
    if policy.zone.key == "Pacific/Apia" and last >= date(2011, 12, 29) and last <= date(2011, 12, 31):
        return  # 30 December 2011 was no day there
    if policy.kind == "calendar":
        clipped = {(m, min(d, monthrange(last.year, m)[1])) for m, d in policy.dates}
        assert (last.month, last.day) in clipped
    else:
        assert last.day == monthrange(last.year, last.month)[1]
        assert last.month % policies.MONTHS_IN[policy.ends] == 0


@given(DAYS | EDGES, st.integers(1, 36), st.sampled_from(ZONES))
def test_the_default_is_the_end_of_the_month_as_ever(day: date, months: int, zone: ZoneInfo) -> None:
    assert Policy("rolling", months, "month", (), zone).expires_at(day) == calendar.expires_at(day, months, zone)


def test_the_day_counts_that_it_is_in_the_programmes_zone() -> None:
    script = Script(zone=NEW_YORK, programme=programme(NEW_YORK, expiry={"ends": "year", "months": 0}))
    script.buy(100, at=local(SHANGHAI, 2026, 1, 1, 9))  # still 2025 in New York
    assert play(script).outcome().lots == ((local(NEW_YORK, 2026, 1, 1), 1),)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"policy": "calendar"}, "needs dates"),
        ({"policy": "calendar", "dates": ["02-30"]}, "no day of any year"),
        ({"policy": "calendar", "dates": ["12-31", "12-31"]}, "twice"),
        ({"dates": ["12-31"]}, "belong to the policy calendar"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_in_a_sentence(rule: dict[str, object], problem: str) -> None:
    assert problem in " ".join(problems_of(programme(expiry=rule)))


SLIDING = programme(expiry={"policy": "sliding", "months": 2})


def test_a_purchase_that_earns_prolongs_all_that_lives() -> None:
    script = Script(programme=SLIDING)
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 1, 10, 9))
    script.join("quiz", at=local(SHANGHAI, 2025, 1, 20, 9))
    script.buy(5_000, "o2", at=local(SHANGHAI, 2025, 3, 31, 9))
    until = local(SHANGHAI, 2025, 6, 1)
    assert play(script).outcome().lots == ((until, 100), (until, 30), (until, 50))


def test_what_earns_nothing_prolongs_nothing_and_what_is_over_does_not_come_back() -> None:
    script = Script(programme=SLIDING)
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 1, 10, 9))
    script.buy(99, "o2", at=local(SHANGHAI, 2025, 3, 31, 9))
    script.buy(5_000, "o3", at=local(SHANGHAI, 2025, 4, 1, 0))
    assert play(script).outcome().lots == ((local(SHANGHAI, 2025, 4, 1), 100), (local(SHANGHAI, 2025, 7, 1), 50))


def test_a_late_purchase_shortens_nothing_and_its_own_points_last_as_long_as_all_others() -> None:
    script = Script(programme=SLIDING)
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 3, 10, 9))
    script.buy(5_000, "o2", at=local(SHANGHAI, 2025, 1, 10, 9))
    until = local(SHANGHAI, 2025, 6, 1)
    assert play(script).outcome().lots == ((until, 50), (until, 100))


def test_what_has_come_back_out_of_a_hold_is_prolonged_by_the_next_purchase_of_the_same_month() -> None:
    script = Script(programme=SLIDING)
    script.register()
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 1, 10, 9))
    till = Till.after(script)
    hold = till.hold(50, lasts=timedelta(days=90))
    script.buy(5_000, "o2", at=local(SHANGHAI, 2025, 3, 5, 9))
    till.go_on(script)
    until = local(SHANGHAI, 2025, 6, 1)
    assert till.void(hold) == "voided"
    assert till.outcome().lots == ((local(SHANGHAI, 2025, 4, 1), 50), (until, 50), (until, 50))
    script.buy(2_000, "o3", at=local(SHANGHAI, 2025, 3, 7, 9))
    till.go_on(script)
    assert till.outcome().lots == ((until, 50), (until, 50), (until, 50), (until, 20))


def test_refunds_and_standings_find_the_points_wherever_they_have_moved() -> None:
    script = Script(programme=SLIDING)
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 1, 10, 9))
    script.buy(5_000, "o2", at=local(SHANGHAI, 2025, 3, 31, 9))
    script.stand("silver", after=0)
    until = local(SHANGHAI, 2025, 6, 1)
    assert play(script).outcome().lots == ((until, 120), (until, 60))
    script.refund("o1", amount=10_000)
    outcome = play(script).outcome()
    assert outcome.lots == ((until, 60),)
    assert outcome.debt == 0


@pytest.mark.parametrize("late", [False, True])
def test_what_a_late_standing_adds_to_an_order_that_was_spent_lasts_as_long_as_all_others(late: bool) -> None:
    script = Script(programme=SLIDING)
    script.register()
    if not late:
        script.stand("diamond", after=0)
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 1, 10, 9))
    script.spend(100)
    script.buy(5_000, "o2", at=local(SHANGHAI, 2025, 3, 5, 9))
    if late:
        script.stand("diamond", after=0)
    script.close_day(date(2025, 4, 1))
    until = local(SHANGHAI, 2025, 6, 1)
    assert play(script).outcome().lots == ((until, 100), (until, 100))
