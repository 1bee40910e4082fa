"""Caps per local day, week, month and year, clipped or rejected (domain.md 3.2)."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from points_svc.domain.caps import period_of
from tests.unit.points_svc.pure import play
from tests.unit.points_svc.script import SHANGHAI, Script, local, programme

PERS = st.sampled_from(["day", "week", "month", "year"])


def cap(points: int, per: str, kind: str = "clip") -> dict[str, Any]:
    return {"points": points, "per": per, "kind": kind}


def joined(times: list[datetime], *caps: dict[str, Any]) -> list[int]:
    """What each activity joined has earned, at 30 each."""
    script = Script(programme=programme(caps={"join": list(caps)}))
    for n, at in enumerate(times):
        script.join(f"quiz{n}", at=at)
    stage = play(script)
    by_cause = {entry.cause: entry.amount for entry in stage.account.entries}
    return [by_cause.get(f"activity {n}", 0) for n in range(1, len(times) + 1)]


def noon(year: int, month: int, day: int) -> datetime:
    return local(SHANGHAI, year, month, day, 12)


@pytest.mark.parametrize(
    ("per", "inside", "outside"),
    [
        ("day", noon(2025, 3, 5), local(SHANGHAI, 2025, 3, 6, 0)),
        ("week", noon(2025, 3, 9), noon(2025, 3, 10)),  # 3 March 2025 was a Monday
        ("month", noon(2025, 3, 31), noon(2025, 4, 1)),
        ("year", noon(2025, 12, 31), noon(2026, 1, 1)),
    ],
)
def test_a_cap_counts_in_its_local_period_and_begins_anew_with_the_next(
    per: str, inside: datetime, outside: datetime
) -> None:
    first = noon(2025, 3, 5)
    assert joined([first, inside, inside, outside], cap(50, per)) == [30, 20, 0, 30]


def test_what_would_go_beyond_is_clipped_or_rejected_as_the_cap_says() -> None:
    times = [noon(2025, 3, 5)] * 3
    assert joined(times, cap(50, "day", "clip")) == [30, 20, 0]
    assert joined(times, cap(50, "day", "reject")) == [30, 0, 0]


def test_of_several_caps_the_tightest_holds() -> None:
    times = [noon(2025, 3, day) for day in (3, 4, 5, 6)]
    assert joined(times, cap(30, "day"), cap(80, "week"), cap(1000, "year")) == [30, 30, 20, 0]
    assert joined(times, cap(30, "day"), cap(80, "week", "reject")) == [30, 30, 0, 0]


def test_a_late_activity_counts_on_its_own_day() -> None:
    assert joined([noon(2025, 3, 6), noon(2025, 3, 5), noon(2025, 3, 5)], cap(40, "day")) == [30, 30, 10]


def test_rules_are_bounded_each_by_itself_and_an_entry_says_by_what() -> None:
    script = Script(programme=programme(caps={"join": [cap(40, "month")], "sign_in": [cap(8, "month")]}))
    for n in (3, 4):
        script.join(f"quiz{n}", at=noon(2025, 3, n))
        script.sign_in(noon(2025, 3, n))
    entries = play(script).account.entries
    assert [entry.amount for entry in entries] == [30, 5, 10, 3]
    assert entries[2].why["caps"] == [{"per": "month", "at_most": 40, "kind": "clip", "so_far": 30}]
    assert entries[2].why["points_before_caps"] == 30


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 60), max_size=25),
    st.lists(
        st.tuples(
            st.integers(0, 200), st.sampled_from(["day", "week", "month", "year"]), st.sampled_from(["clip", "reject"])
        ),
        max_size=3,
    ),
)
def test_no_period_ever_gives_more_than_its_caps_and_no_activity_more_than_it_is_worth(
    days: list[int], caps: list[tuple[int, str, str]]
) -> None:
    first = date(2024, 12, 20)
    times = [local(SHANGHAI, *(first + timedelta(days=n)).timetuple()[:3], 12) for n in days]
    granted = joined(times, *(cap(*one) for one in caps))
    assert all(0 <= points <= 30 for points in granted)
    for points, per, _ in caps:
        sums: Counter[Any] = Counter()
        for n, got in zip(days, granted, strict=True):
            sums[period_of("join", per, first + timedelta(days=n))] += got
        assert all(total <= points for total in sums.values())
    if not caps:
        assert granted == [30] * len(days)
    if all(kind == "reject" for *_, kind in caps):
        assert set(granted) <= {0, 30}
