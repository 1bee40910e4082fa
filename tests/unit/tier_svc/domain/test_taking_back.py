"""Overrides and sanctions that are taken back early, as tables: from when on what lies below shows again, and what is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings

from tests.unit.tier_svc.domain.ladders import rules_of, short_document
from tests.unit.tier_svc.domain.test_overrides import Staffed, silver
from tests.unit.tier_svc.domain.test_scratch_properties import LADDERS, OPS, Both
from tier_svc.domain.overlaying import as_taken_back, lying_on


@pytest.mark.parametrize(
    ("taken", "since", "seen"),
    [
        ("2025-04-10", None, ["diamond", "silver", "silver", "silver"]),
        ("2025-04-10", "2025-04-01", ["diamond", "silver", "silver", "silver"]),  # never before it is known
        ("2025-03-20", "2025-05-01", ["diamond", "diamond", "silver", "silver"]),
        ("2025-03-20", "2025-06-01", ["diamond", "diamond", "diamond", "silver"]),  # no later than it ends by itself
        ("2025-03-20", "2025-08-01", ["diamond", "diamond", "diamond", "silver"]),
    ],
)
def test_it_applies_until_it_is_taken_back(taken: str, since: str | None, seen: list[str]) -> None:
    member = silver()
    override = member.given("2025-03-02", "diamond", "2025-03-02", "2025-06-01")
    applies, told = [], False
    for day in ("2025-04-09", "2025-04-30", "2025-05-31", "2025-06-01"):
        if not told and taken <= day:
            member.taken_back(taken, override, since)
            told = True
        member.day_closes(day)
        applies.append(member.applies)
    assert applies == seen


@pytest.mark.parametrize(
    ("since", "again", "ends"),
    [("2025-05-01", "2025-04-20", "2025-04-20"), ("2025-04-20", "2025-05-01", "2025-04-20"), (None, "2025-05-01", "2025-04-10")],
)  # fmt: skip
def test_of_several_takings_back_the_one_that_ends_it_first_counts(since: str | None, again: str, ends: str) -> None:
    member = silver()
    override = member.given("2025-03-02", "diamond", "2025-03-02", "2025-06-01")
    member.taken_back("2025-04-10", override, since)
    member.taken_back("2025-04-11", override, again)
    member.day_closes("2025-07-01")
    (end,) = [fact for fact in member.stream.facts if " taken back by " in fact.cause]
    assert (end.at, end.applied_to) == (member.at(ends), "silver")


def test_at_once_it_holds_after_its_own_number_and_says_who_and_why() -> None:
    member = silver()
    override = member.given("2025-03-02", "gold", "2025-03-02", "2025-06-01", "floor")
    seq = member.taken_back("2025-04-10", override)
    end = member.last
    assert (end.kind, end.holds_after, end.at) == ("overridden", seq, member.at("2025-04-10"))
    assert (end.applied_from, end.applied_to, end.tier_from, end.tier_to) == ("gold", "silver", "silver", "silver")
    assert end.cause == f"override {override} taken back by {seq}"
    assert end.rule == (
        "taken back from 2025-04-10T00:00:00+08:00 on: by mistake (staff/9); "
        "it was at least gold until 2025-06-01T00:00:00+08:00: reason (staff/7)"
    )


@pytest.mark.parametrize("by", ["activity", "day"])
def test_later_it_is_judged_when_the_clock_first_reaches_it(by: str) -> None:
    member = silver()
    override = member.given("2025-03-02", "gold", "2025-03-02", "2025-06-01")
    seq = member.taken_back("2025-03-03", override, "2025-04-01")
    assert (member.applies, member.stream.wakes_at) == ("gold", member.at("2025-04-01"))
    if by == "activity":
        member.does("2025-05-01", "sign_in")
    else:
        member.day_closes("2025-05-01")
    assert (member.last.holds_after, member.last.at, member.applies) == (seq, member.at("2025-04-01"), "silver")


def test_what_is_taken_back_before_it_begins_never_begins() -> None:
    member = silver()
    override = member.given("2025-03-02", "gold", "2025-04-01", "2025-06-01")
    member.taken_back("2025-03-03", override)
    member.day_closes("2025-07-01")
    assert (member.applies, member.kinds, member.stream.overlay.entries) == ("silver", ["raised"], ())
    assert member.stream.wakes_at == member.stream.standing.until


def test_what_lay_under_it_shows_again_and_the_rest_goes_on() -> None:
    member = silver()
    member.given("2025-03-02", "diamond", "2025-03-02", "2025-09-01")
    above = member.frozen("2025-03-03", "2025-12-01", since="2025-04-01")
    on_top = member.given("2025-04-02", "regular", "2025-04-02", "2025-12-01")
    member.taken_back("2025-04-03", on_top)
    assert member.applies == "diamond"  # frozen at it
    member.taken_back("2025-04-04", above, "2025-10-01")
    member.day_closes("2025-09-30")
    assert member.applies == "diamond"
    member.day_closes("2025-10-01")
    assert member.applies == "silver"


def test_a_sanction_is_taken_back_too_and_what_was_reached_meanwhile_shows() -> None:
    member = silver()
    sanction = member.lowered("2025-03-02", "2025-12-01", 1)
    member.buys("2025-04-01", 100_000)
    assert (member.tier, member.applies) == ("gold", "regular")
    before = member.stream.standing
    member.taken_back("2025-04-02", sanction)
    assert (member.applies, member.stream.standing) == ("gold", before)


@pytest.mark.parametrize("which", [1, 77])
def test_what_is_no_override_is_numbered_and_ends_nothing(which: int) -> None:
    member = silver()
    member.given("2025-03-02", "gold", "2025-03-02", "2025-06-01")
    said = len(member.stream.facts)
    seq = member.taken_back("2025-03-03", which)
    assert (member.stream.last_seq, len(member.stream.facts), member.applies) == (seq, said, "gold")


def test_at_one_instant_a_taking_back_ends_it_before_another_begins() -> None:
    member = Staffed(rules_of(short_document()))
    member.buys("2025-03-01", 20_000)
    first = member.given("2025-03-02", "gold", "2025-03-02", "2025-12-01")
    second = member.given("2025-03-03", "diamond", "2025-04-01", "2025-05-01")
    back = member.taken_back("2025-03-04", first, "2025-04-01")
    member.day_closes("2025-04-01")
    assert [fact.cause for fact in member.stream.facts[-3:]] == [
        "end 2025-03-31T16:00:00+00:00", f"override {first} taken back by {back}", f"override {second} begins",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("instant", "known_at", "on_top"),
    [
        ("2025-04-09", None, True), ("2025-04-15", None, False), ("2025-04-15", "2025-04-09", True),
        ("2025-04-15", "2025-04-10", False), ("2025-04-05", "2025-04-20", True), ("2025-06-01", "2025-04-09", False),
    ],
)  # fmt: skip
def test_what_lay_on_top_then_as_it_was_and_as_it_was_known(instant: str, known_at: str | None, on_top: bool) -> None:
    """Taken back on 10 April as of 1 April: until the 10th it did lie on top."""
    member = silver()
    override = member.given("2025-03-02", "diamond", "2025-03-02", "2025-06-01")
    member.taken_back("2025-04-10", override, "2025-04-01")
    overlay = member.stream.overlay
    known: datetime | None = member.at(known_at) if known_at else None
    taken = [each for each in overlay.taken if known is None or each.at <= known]
    top = lying_on(as_taken_back(overlay.changed.values(), taken), member.at(instant))
    assert (top is not None) == on_top


@settings(max_examples=60, deadline=None)
@given(words=LADDERS, ops=OPS)
def test_what_lay_on_top_by_the_history_is_what_the_facts_said(words: dict[str, Any], ops: list[Any]) -> None:
    """INVARIANT: the answer for an instant, made of the history of overrides, is what was told when the clock came there.

    A history in which a taking back counts from its `since` on, and not from when it was known, would break it."""
    both = Both(words, words)
    for op in ops:
        both.tell(op)
    both.flush()
    history = as_taken_back(both.keeper.overrides.values(), both.keeper.taken_back)
    last = {fact.at: fact for fact in both.keeper.facts}
    for at, fact in last.items():
        if (
            fact.kind != "overridden"
        ):  # a lapse dates from its end, and may be judged when the clock is far beyond (grace)
            continue
        top = lying_on(history, at)
        assert (fact.tier_to if top is None else top.applied_to(both.rules, fact.tier_to)) == fact.applied_to
