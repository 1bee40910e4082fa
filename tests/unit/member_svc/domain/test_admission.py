"""The door's decision (domain.md 2.2): once, whose, in which order."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from member_svc.domain.admission import Decision, Known, MergeHint, decide
from member_svc.domain.reports import Report

from .shapes import ANN, BEN, NOON, known, purchase, refund, review, sign_in


def verdicts(decision: Decision) -> list[str]:
    return [f"{one.outcome}:{one.reason}" if one.reason else one.outcome for one in decision.outcomes]


def taken_by(*reports: Report) -> Known:
    """What is known after these have been accepted."""
    state = known()
    assert {one.outcome for one in decide(reports, state).outcomes} == {"accepted"}
    return state


def test_numbers_are_given_in_the_order_of_the_request_per_member() -> None:
    decision = decide([purchase("o-1"), purchase("o-2", name=("phone", "2")), purchase("o-3")], known())
    assert [(a.member.member_id, a.member_seq) for a in decision.accepted] == [(ANN, 11), (BEN, 11), (ANN, 12)]


def test_the_first_arrival_decides_and_twins_are_duplicates() -> None:
    web = purchase("o-1", 500, source="web", time=NOON + timedelta(hours=1))
    decision = decide([purchase("o-1", 500, id="e"), purchase("o-1", 500, id="e"), web], known())
    assert verdicts(decision) == ["accepted", "duplicate", "duplicate"]
    assert len(decision.accepted) == 1


def test_other_content_under_the_same_id_or_order_is_a_conflict() -> None:
    decision = decide([purchase("o-1", 500, id="e"), purchase("o-1", 501), purchase("o-2", 500, id="e")], known())
    assert verdicts(decision) == ["accepted", "conflict:content_differs", "conflict:content_differs"]
    assert len(decision.won) == 2


def test_keys_are_used_up_only_by_what_is_accepted() -> None:
    wrong = purchase("o-1", subject=UUID(int=9))
    right = purchase("o-1")
    decision = decide([wrong, right], known())
    assert verdicts(decision) == ["refused:unknown_member", "accepted"]
    assert set(decision.won) == {right.id_key, right.key}


def test_a_duplicate_is_told_before_it_is_asked_whose_it_is() -> None:
    state = taken_by(purchase("o-1"))
    assert verdicts(decide([purchase("o-1", subject=UUID(int=9))], state)) == ["duplicate"]


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (sign_in(subject=BEN, name=("phone", "1")), "refused:identifier_of_another_member"),
        (sign_in(subject=ANN, name=("phone", "1")), "accepted"),
        (sign_in(subject=ANN, name=("phone", "9")), "accepted"),
        (sign_in(subject=ANN, name=None), "accepted"),
        (sign_in(subject=UUID(int=9), name=None), "refused:unknown_member"),
        (sign_in(name=None), "refused:no_member"),
    ],
)
def test_the_subject_wins(report: Report, verdict: str) -> None:
    assert verdicts(decide([report], known())) == [verdict]


def test_a_newcomer_is_enrolled_at_the_time_of_his_first_accepted_activity() -> None:
    state = known(new=[ANN])
    late = NOON - timedelta(days=300)
    decide([sign_in(time=late), sign_in(time=NOON)], state)
    assert (state.members[ANN].enrolled_at, state.members[ANN].last_seq) == (late, 2)


def test_an_identifier_is_nobodys_until_its_newcomer_is_enrolled() -> None:
    state = known(new=[ANN])
    decision = decide([sign_in(subject=BEN, name=("phone", "1")), review(name=("phone", "1"))], state)
    assert verdicts(decision) == ["accepted", "waiting"]
    assert not state.members[ANN].numbered


def test_an_erased_member_gets_nothing_more() -> None:
    state = known(erased=[ANN])
    assert verdicts(decide([sign_in(), sign_in(subject=ANN, name=None)], state)) == ["refused:erased_member"] * 2


def test_the_same_order_under_another_member_is_a_hint() -> None:
    state = taken_by(purchase("o-1"))
    decision = decide([purchase("o-1", name=("phone", "2")), purchase("o-1")], state)
    assert verdicts(decision) == ["duplicate", "duplicate"]
    assert decision.hints == [MergeHint("o-1", ANN, BEN, ("phone", "2"))]


def test_one_sign_in_per_member_and_local_day() -> None:
    one, other = date(2018, 1, 9), date(2018, 1, 10)
    reports = [sign_in(one), sign_in(one), sign_in(other), sign_in(one, name=("phone", "2"))]
    assert verdicts(decide(reports, known())) == ["accepted", "duplicate", "accepted", "accepted"]


def test_a_refund_before_its_order_in_one_request_is_taken_right_after_it() -> None:
    reports = [refund("r-1", 100), purchase("o-1", 500), refund("r-2", 400), refund("r-3", 1)]
    decision = decide(reports, known())
    assert verdicts(decision) == ["accepted", "accepted", "accepted", "refused:above_what_is_left"]
    assert [one.report for one in decision.accepted] == [reports[1], reports[0], reports[2]]
    assert decision.put_aside == {}


def test_what_has_waited_longer_is_taken_first_and_what_exceeds_is_dead() -> None:
    old = [refund("r-1", 300), refund("r-2", 300), refund("r-3", 200)]
    decision = decide([purchase("o-1", 500)], known(waiting=old))
    assert [one.report.data.order_id for one in decision.accepted] == ["o-1"] * 3
    assert [report for report, _ in decision.dead] == [old[1]]
    assert decision.left == old
    assert old[1].key not in decision.won


def test_a_twin_of_the_order_does_not_take_what_waits_twice() -> None:
    old = [refund("r-1", 100)]
    decision = decide([purchase("o-1", 500), purchase("o-1", 500)], known(waiting=old))
    assert verdicts(decision) == ["accepted", "duplicate"]
    assert decision.left == old


def test_a_waiting_review_of_somebody_else_goes_on_waiting() -> None:
    old = [review(name=("phone", "2")), review(name=("phone", "1"))]
    decision = decide([purchase("o-1")], known(waiting=old))
    assert [one.report for one in decision.accepted][1:] == [old[1]]
    assert decision.left == [old[1]]


def test_a_refund_that_waits_twice_counts_once() -> None:
    waiting = refund("r-1", 100)
    again = refund("r-1", 100, id=waiting.id)
    decision = decide([purchase("o-1", 500)], known(waiting=[waiting, again]))
    assert len(decision.accepted) == 2
    assert decision.left == [waiting, again]
    assert decision.dead == []


@given(st.lists(st.integers(0, 7), max_size=12), st.integers(0, 12))
def test_where_a_request_is_cut_does_not_matter(picks: list[int], cut: int) -> None:
    """The same reports in one request or in two, with what waits between them, get the same numbers."""
    makers = [
        lambda: purchase("o-1", 500, id="a"), lambda: purchase("o-1", 500, id="b"), lambda: purchase("o-1", 600, id="c"),
        lambda: purchase("o-2", 100, id="d", name=("phone", "2")), lambda: refund("r-1", 300, id="f"),
        lambda: refund("r-2", 300, id="g"), lambda: refund("r-3", 100, "o-2", id="h"), lambda: review("o-1", id="i"),
    ]  # fmt: skip
    whole = known()
    decide([makers[pick]() for pick in picks], whole)
    parts = known()
    first = decide([makers[pick]() for pick in picks[:cut]], parts)
    waiting = {key: list(reports) for key, reports in first.put_aside.items()}
    for number, report in enumerate(one for reports in waiting.values() for one in reports):
        report.waiting_id = number
    parts.waiting = waiting
    decide([makers[pick]() for pick in picks[cut:]], parts)
    assert set(whole.taken.values()) == set(parts.taken.values())
    assert {m: one.last_seq for m, one in whole.members.items()} == {
        m: one.last_seq for m, one in parts.members.items()
    }
    assert {k: o.left_minor for k, o in whole.orders.items()} == {k: o.left_minor for k, o in parts.orders.items()}
