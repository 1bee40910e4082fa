"""Points that were held, or under way to another member, when it became known by which tier they were earned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from points_svc.domain import extending, handovers, ledger
from points_svc.domain.account import REDATED, Entry, Hold
from points_svc.domain.between import Handover
from points_svc.domain.extending import Longer
from points_svc.domain.telling import sentences_of
from tests.unit.points_svc.holding import QUARTER, Till
from tests.unit.points_svc.lasting import TIERS, lasting
from tests.unit.points_svc.script import SHANGHAI, Script, local

BOUGHT = local(SHANGHAI, 2025, 1, 10, 9)
MONTHS_12, MONTHS_24 = local(SHANGHAI, 2026, 2, 1), local(SHANGHAI, 2027, 2, 1)
End = Callable[[Till, Hold], object]


def told_of(entry: Entry) -> str:
    return " ".join(sentences_of(entry.kind, entry.cause, entry.order_id, entry.why))


def void(till: Till, hold: Hold) -> None:
    assert till.void(hold) == "voided"


def capture_some(till: Till, hold: Hold) -> None:
    assert till.capture(hold, 20) == "captured"


def lapse(till: Till, hold: Hold) -> None:
    till.now += QUARTER
    assert till.sweep() == 1


def played(late: bool, points: int, end: End, *, before: str = "regular", then: str = "gold") -> Till:
    """An order of which so many points are held; a fact that holds for it is known late, or was when it came."""
    s = Script(programme=lasting())
    s.register()
    s.stand(before, after=0)
    if not late:
        s.stand(then, after=0)
    s.buy(10_000, "o1", at=BOUGHT)
    till = Till.after(s)
    hold = till.hold(points)
    if late:
        s.stand(then, after=0)
        till.go_on(s)
    end(till, hold)
    till.check_rebuilt()
    return till


@pytest.mark.parametrize("end", [void, capture_some, lapse])
@pytest.mark.parametrize("points", [50, 100])
def test_what_was_held_lasts_as_long_as_had_the_tier_been_known_in_time(points: int, end: End) -> None:
    """INVARIANT: whether a standing becomes known before a purchase or while its points are held makes no difference to what expires when.
    Points that stay in the lot that a hold took them from would break it."""
    late, in_time = played(True, points, end).account, played(False, points, end).account
    assert late.ladder == in_time.ladder
    assert set(late.ladder) == {MONTHS_24}
    assert (late.posted, late.held, late.debt) == (in_time.posted, in_time.held, in_time.debt)


@pytest.mark.parametrize("end", [void, capture_some, lapse])
@pytest.mark.parametrize("points", [50, 150])
def test_a_lower_tier_that_becomes_known_late_shortens_what_was_held_too(points: int, end: End) -> None:
    account = played(True, points, end, before="gold", then="regular").account
    assert set(account.ladder) == {MONTHS_12}


def test_the_entries_of_what_came_back_say_by_which_tier_it_lasts() -> None:
    account = played(True, 100, void).account
    page = [entry for entry in account.entries if entry.cause == account.cause]
    assert [(entry.kind, entry.amount) for entry in page] == [("released", 100), (REDATED, 100), (REDATED, 100)]
    why = page[1].why
    assert (why["rule"], why["tier"], why["because"]) == ("validity of what came back", "gold", "voided")
    told = told_of(page[1])
    assert "At the tier gold points last 24 months" in told
    assert "At the tier held then" not in told


def test_a_fact_that_changes_nothing_about_what_was_held_moves_nothing() -> None:
    account = played(True, 100, void, then="silver").account
    assert REDATED not in {entry.kind for entry in account.entries}
    assert account.ladder[MONTHS_12] >= 100


def test_a_life_that_was_asked_for_is_not_shortened_when_it_comes_back() -> None:
    s = Script(programme=lasting())
    s.register()
    s.stand("gold", after=0)
    s.buy(10_000, "o1", at=BOUGHT)
    till = Till.after(s)
    longer, until = Longer(last_day=date(2027, 6, 30)), local(SHANGHAI, 2027, 7, 1)
    till.open("extension")
    moved = extending.extend(till.account, longer, None, now=till.now, rules=till.rules, why={})
    till.close()
    assert isinstance(moved, list)
    held = till.account.posted
    hold = till.hold(held)
    s.stand("silver", after=0)
    till.go_on(s)
    void(till, hold)
    assert till.account.ladder == {until: till.account.posted}
    hold = till.hold(till.account.posted)
    s.stand("diamond", after=0)  # 36 months go beyond it
    till.go_on(s)
    void(till, hold)
    assert set(till.account.ladder) == {local(SHANGHAI, 2028, 2, 1)}


@pytest.mark.parametrize("points", [50, 100])
def test_what_is_handed_back_lasts_as_long_as_its_tier_says(points: int) -> None:
    s = Script(programme=lasting())
    s.register()
    s.buy(10_000, "o1", at=BOUGHT)
    till = Till.after(s)
    till.open("transfer")
    made = handovers.hand_over(till.account, UUID(int=7), UUID(int=8), points, till.now, why={"rule": "transfer"})
    ledger.close_page(till.account)
    assert isinstance(made, Handover)
    s.stand("gold", after=0)
    for step in s.steps[-1:]:
        Till.step(till, step)
    till.played = len(s.steps)
    till.open("handback")
    assert handovers.take_back(till.account, made, till.now, why={"rule": "transfer returned"}, rules=till.versions)
    till.close()
    assert till.account.ladder == {MONTHS_24: till.account.posted}


def test_what_a_sign_in_earned_follows_what_of_it_was_free() -> None:
    s = Script(programme=lasting())
    s.register()
    s.sign_in(BOUGHT)
    till = Till.after(s)
    hold = till.hold(2)
    s.stand("gold", after=0)
    till.go_on(s)
    assert len(till.account.ladder) == 1  # the three that were free
    void(till, hold)
    assert till.account.ladder == {MONTHS_24: 5}
    entry = till.account.entries[-1]
    assert "they too last until" in told_of(entry)


def test_what_a_sign_in_earned_and_was_held_whole_keeps_the_expiry_that_it_had() -> None:
    """Known and told (ADR 0010): no tier is kept of a sign-in, and nothing of it was there to be moved."""
    s = Script(programme=lasting())
    s.register()
    s.sign_in(BOUGHT)
    till = Till.after(s)
    hold = till.hold(5)
    s.stand("gold", after=0)
    till.go_on(s)
    void(till, hold)
    assert till.account.ladder == {MONTHS_12: 5}


@given(
    st.lists(st.integers(100, 30_000), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(TIERS)), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_whatever_was_held_while_standings_became_known_expires_as_had_they_been_known_in_time(
    amounts: list[int], facts: list[tuple[int, str]], data: st.DataObject
) -> None:
    """INVARIANT: purchases, standing facts about any of them, and a hold of any size that is given up after any of the facts: the same
    expires at the same instants as if the facts had come first and nothing had been held."""
    s = Script(programme=lasting())
    s.register()
    for n, amount in enumerate(amounts):
        s.buy(amount, f"o{n}", at=BOUGHT + timedelta(days=40 * n))
    number = s.number
    till = Till.after(s)
    free = till.account.posted
    hold = till.hold(data.draw(st.integers(1, free)), lasts=timedelta(days=1)) if free else None
    given_up_after = data.draw(st.integers(0, len(facts)))
    for n, (after, tier) in enumerate(facts):
        if hold is not None and n == given_up_after:
            void(till, hold)
        s.stand(tier, after=min(after, number))
        till.go_on(s)
    if hold is not None and given_up_after == len(facts):
        void(till, hold)
    first = [step for step in s.steps if type(step).__name__ == "Fact"]
    others = [step for step in s.steps if type(step).__name__ != "Fact"]
    in_time = Till.after(Script(programme=lasting(), steps=first + others, now=s.now))
    assert till.account.ladder == in_time.account.ladder
    assert till.account.posted == in_time.account.posted


def test_a_closed_day_takes_nothing_of_it_a_year_too_early() -> None:
    till = played(True, 100, void)
    s = Script(programme=lasting())
    s.close_day(date(2026, 2, 1))
    till.step(s.steps[-1])
    assert till.account.posted == 150
    s.close_day(date(2027, 2, 1))
    till.step(s.steps[-1])
    assert till.account.posted == 0
