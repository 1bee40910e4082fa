"""Each rule about holds (domain.md 3.5, reliability.md 3.5): points reserved for a checkout, then captured, voided or expired.

INVARIANT: a hold ends once, and every point of it is then either spent or back in the lot it came from (`check` after every step).
What would break it: a hold that is looked at without its state, points that are released twice, a remainder that is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from points_svc.domain import holds, spending
from points_svc.domain.account import Hold
from tests.unit.points_svc.holding import QUARTER, Till
from tests.unit.points_svc.script import SHANGHAI, Script, local, programme

INSTANT = timedelta(microseconds=1)


def bought(*amounts: int, register: bool = True) -> Script:
    """A member who bought for so much, in this order."""
    script = Script()
    if register:
        script.register()
    for n, amount in enumerate(amounts, 1):
        script.buy(amount, f"o{n}")
    return script


def figures(till: Till) -> tuple[int, int, int, int]:
    """posted, held, debt, available now."""
    account = till.account
    return account.posted, account.held, account.debt, spending.worth_at(account, till.now).available


def moves(till: Till, since: int) -> list[tuple[str, str, str, int]]:
    return [(entry.kind, entry.debit, entry.credit, entry.amount) for entry in till.account.entries[since:]]


def test_a_hold_sets_points_apart_and_the_member_still_has_them() -> None:
    till = Till.after(bought(10000))
    till.hold(30)
    assert figures(till) == (100, 30, 0, 70)


def test_the_lots_that_expire_soonest_are_reserved_then_those_earned_first_then_by_number() -> None:
    script = Script()
    script.register()
    script.buy(1000, "late", at=local(SHANGHAI, 2025, 3, 15, 12))
    script.buy(1000, "same month, earned later", at=local(SHANGHAI, 2025, 1, 20, 12))
    script.buy(1000, "early", at=local(SHANGHAI, 2025, 1, 15, 12))
    script.buy(1000, "at the same time, a higher number", at=local(SHANGHAI, 2025, 1, 15, 12))
    till = Till.after(script)
    till.now = local(SHANGHAI, 2025, 3, 16, 12)
    assert till.hold(35).parts == ((4, 10), (5, 10), (3, 10), (2, 5))


def test_captured_whole_all_of_it_is_spent() -> None:
    till = Till.after(bought(10000))
    hold = till.hold(30)
    since = len(till.account.entries)
    assert till.capture(hold) == "captured"
    assert figures(till) == (70, 0, 0, 70)
    assert moves(till, since) == [("spent", "held", "redeemed", 30)]
    assert (hold.state, hold.captured, hold.ended_at) == ("captured", 30, till.now)


def test_captured_in_part_the_rest_is_back_at_once_and_in_its_own_lots() -> None:
    script = Script()
    script.register()
    script.buy(2000, "first", at=local(SHANGHAI, 2025, 1, 15, 12))
    script.buy(3000, "second", at=local(SHANGHAI, 2025, 2, 15, 12))
    till = Till.after(script)
    hold = till.hold(45)
    since = len(till.account.entries)
    assert till.capture(hold, 15) == "captured"
    assert figures(till) == (35, 0, 0, 35)
    assert [lot.remaining for lot in till.account.lots.values()] == [5, 30]
    assert moves(till, since) == [
        ("spent", "held", "redeemed", 15),
        ("released", "held", "available", 5),
        ("released", "held", "available", 25),
    ]


@pytest.mark.parametrize("end", ["void", "sweep"])
def test_given_up_or_expired_everything_is_as_it_was(end: str) -> None:
    till = Till.after(bought(2000, 3000))
    before = {lot.lot: lot.remaining for lot in till.account.lots.values()}
    hold = till.hold(45)
    if end == "void":
        assert till.void(hold) == "voided"
    else:
        till.now += QUARTER
        assert till.sweep() == 1
    assert figures(till) == (50, 0, 0, 50)
    assert {lot.lot: lot.remaining for lot in till.account.lots.values()} == before
    assert hold.state == ("voided" if end == "void" else "expired")


def let_expire(till: Till, hold: Hold) -> None:
    till.now = hold.expires_at
    assert till.sweep() == 1


ENDS: dict[str, Callable[[Till, Hold], object]] = {
    "captured": lambda till, hold: till.capture(hold),
    "voided": lambda till, hold: till.void(hold),
    "expired": let_expire,
}


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ["capture", "capture in part", "void"])
def test_a_hold_ends_once_and_a_refusal_names_how(first: str, second: str) -> None:
    till = Till.after(bought(10000))
    hold = till.hold(30)
    ENDS[first](till, hold)
    before = figures(till)
    points = 10 if second == "capture in part" else None
    said = till.void(hold) if second == "void" else till.capture(hold, points)
    assert said == f"hold_{first}"
    assert figures(till) == before
    assert till.sweep() == 0


@pytest.mark.parametrize(("ahead", "said"), [(INSTANT, ("captured", "voided")), (timedelta(0), ("hold_expired",) * 2)])
def test_from_its_end_on_a_hold_is_over_although_nobody_has_swept(ahead: timedelta, said: tuple[str, str]) -> None:
    till = Till.after(bought(10000))
    one, other = till.hold(30), till.hold(20)
    till.now = one.expires_at - ahead
    assert (till.capture(one), till.void(other)) == said


def test_just_before_its_end_nothing_sweeps_a_hold() -> None:
    till = Till.after(bought(10000))
    hold = till.hold(30)
    till.now = hold.expires_at - INSTANT
    assert till.sweep() == 0
    with pytest.raises(ValueError, match="does not expire"):
        holds.expire(till.account, hold, till.now)


@pytest.mark.parametrize(
    ("points", "said"), [(1, "captured"), (30, "captured"), (31, "capture_exceeds_hold"), (10**12, "capture_exceeds_hold")]
)  # fmt: skip
def test_no_more_is_captured_than_is_held(points: int, said: str) -> None:
    till = Till.after(bought(10000))
    assert till.capture(till.hold(30), points) == said


def test_six_holds_of_1000_on_5000_the_sixth_is_refused() -> None:
    """T-L07 in the domain (blnk#181)."""
    till = Till.after(bought(500_000))
    made = [till.try_hold(1000) for _ in range(6)]
    assert [isinstance(one, Hold) for one in made] == [True] * 5 + [False]
    assert made[5].kind == "insufficient_points"  # type: ignore[union-attr]
    assert figures(till) == (5000, 5000, 0, 0)


@pytest.mark.parametrize(
    ("register", "frozen", "said"), [(False, False, "member_not_active"), (True, True, "member_frozen")]
)
def test_who_may_not_spend_may_not_hold(register: bool, frozen: bool, said: str) -> None:
    script = bought(10000, register=register)
    script.freeze(frozen)
    refused = Till.after(script).try_hold(1)
    assert refused.kind == said  # type: ignore[union-attr]


def test_a_frozen_member_captures_nothing_but_gives_up_and_lets_expire() -> None:
    script = bought(10000)
    till = Till.after(script)
    one, two = till.hold(30), till.hold(20)
    script.freeze(True)
    till.go_on(script)
    till.now = one.expires_at - INSTANT
    assert till.capture(one) == "member_frozen"
    assert till.void(one) == "voided"
    till.now = two.expires_at
    assert till.sweep() == 1
    assert till.account.held == 0


def test_pending_points_cannot_be_held_before_their_time() -> None:
    script = Script(programme=programme(pending_days=14))
    script.register()
    script.buy(10000)
    till = Till.after(script)
    assert till.try_hold(1).kind == "insufficient_points"  # type: ignore[union-attr]
    till.now = script.now + timedelta(days=14)
    assert till.hold(100).points == 100


# Debt


def in_debt() -> tuple[Till, Script, Hold]:
    """99 earned and 39 of them held; 60 of the others are spent; then the purchase is refunded whole: 99 are owed, 39 still held."""
    script = bought(9999)
    till = Till.after(script)
    hold = till.hold(39)
    script.spend(60)
    script.refund("o1", 9999)
    till.go_on(script)
    till.now = hold.expires_at - INSTANT
    assert figures(till) == (39, 39, 99, 0)
    return till, script, hold


def test_held_points_are_not_taken_back_and_may_be_captured_in_debt() -> None:
    till, _, hold = in_debt()
    assert till.capture(hold) == "captured"
    assert figures(till) == (0, 0, 99, 0)


def test_released_points_repay_debt_first() -> None:
    till, script, hold = in_debt()
    since = len(till.account.entries)
    assert till.void(hold) == "voided"
    assert figures(till) == (0, 0, 60, 0)
    assert moves(till, since) == [("released", "held", "available", 39), ("repaid", "available", "debt", 39)]
    script.buy(10000, "o2")
    till.go_on(script)
    assert figures(till) == (40, 0, 0, 40)


def test_the_remainder_of_a_capture_repays_debt_first_too() -> None:
    till, _, hold = in_debt()
    assert till.capture(hold, 9) == "captured"
    assert figures(till) == (0, 0, 69, 0)


def test_in_debt_nothing_new_is_held_and_released_points_above_the_debt_are_there_again() -> None:
    script = bought(9999, 5000)
    till = Till.after(script)
    hold = till.hold(149)
    script.refund("o1", 9999)
    till.go_on(script)
    till.now = hold.made_at
    assert figures(till) == (149, 149, 99, 0)
    assert till.try_hold(1).kind == "in_debt"  # type: ignore[union-attr]
    assert till.void(hold) == "voided"
    assert figures(till) == (50, 0, 0, 50)


# Lots that expire meanwhile

END = local(SHANGHAI, 2026, 2, 1)


def held_over_the_end() -> tuple[Till, Script, Hold]:
    """100 points that expire at END; 60 of them held a minute before."""
    script = Script()
    script.register()
    script.buy(10000, at=local(SHANGHAI, 2025, 1, 15, 12))
    till = Till.after(script)
    till.now = END - timedelta(minutes=1)
    return till, script, till.hold(60)


def test_held_points_are_captured_after_their_lots_end_whether_or_not_the_day_is_closed() -> None:
    for closed in (False, True):
        till, script, hold = held_over_the_end()
        if closed:
            script.close_day(date(2026, 2, 1))
            till.go_on(script)
        till.now = END + timedelta(minutes=1)
        assert till.capture(hold) == "captured"
        assert figures(till) == ((0 if closed else 40), 0, 0, 0)


def test_released_into_a_lot_that_is_over_they_expire_when_the_day_is_closed() -> None:
    till, script, hold = held_over_the_end()
    till.now = END + timedelta(minutes=1)
    assert till.void(hold) == "voided"
    assert figures(till) == (100, 0, 0, 0)
    assert till.try_hold(1).kind == "insufficient_points"  # type: ignore[union-attr]
    script.close_day(date(2026, 2, 1))
    till.go_on(script)
    assert figures(till) == (0, 0, 0, 0)
    assert till.account.lots[2].expired == 100


def test_released_into_a_lot_that_has_been_expired_they_expire_at_once() -> None:
    till, script, hold = held_over_the_end()
    script.close_day(date(2026, 2, 1))
    till.go_on(script)
    assert figures(till) == (60, 60, 0, 0)
    till.now = END + timedelta(minutes=1)
    since = len(till.account.entries)
    assert till.capture(hold, 10) == "captured"
    assert figures(till) == (0, 0, 0, 0)
    assert [kind for kind, *_ in moves(till, since)] == ["spent", "released", "expired"]


# Orders


def test_points_captured_for_an_order_come_back_when_it_is_refunded() -> None:
    script = bought(10000, 4000)
    till = Till.after(script)
    hold = till.hold(90)
    assert till.capture(hold, order_id="o2") == "captured"
    script.refund("o2", amount=2000)
    till.go_on(script)
    # 140 earned, 90 spent; half of o2: 20 taken back, 45 come back.
    assert figures(till) == (75, 0, 0, 75)


def test_only_what_was_captured_comes_back_the_lot_spent_last_first() -> None:
    script = Script()
    script.register()
    script.buy(2000, "first", at=local(SHANGHAI, 2025, 1, 15, 12))
    script.buy(3000, "second", at=local(SHANGHAI, 2025, 2, 15, 12))
    script.buy(10000, "paid", at=local(SHANGHAI, 2025, 3, 15, 12))
    till = Till.after(script)
    assert till.capture(till.hold(60, "paid"), 40) == "captured"
    script.refund("paid", amount=5000)
    till.go_on(script)
    remaining = {lot.lot: lot.remaining for lot in till.account.lots.values()}
    assert remaining == {2: 0, 3: 30, 4: 50}  # 20 of 40 come back, into the second


def test_a_hold_for_one_order_is_not_captured_for_another() -> None:
    till = Till.after(bought(10000))
    hold = till.hold(30, "o7")
    assert till.capture(hold, order_id="o8") == "order_differs"
    assert till.capture(hold, order_id="o7") == "captured"


# What is said of it


def test_a_spending_leaves_the_same_books_as_a_hold_captured_at_once() -> None:
    one, other = Till.after(bought(2000, 3000)), Till.after(bought(2000, 3000))
    script = Script(now=one.now)
    script.spend(45)
    one.step(script.steps[0])
    assert other.capture(other.hold(45)) == "captured"
    since = 2
    assert moves(one, since) == moves(other, since)
    assert one.outcome().lots == other.outcome().lots
    assert [entry.consumed for entry in one.account.entries] == [entry.consumed for entry in other.account.entries]


def test_a_reader_hears_what_is_held_and_no_posting_that_moves_nothing() -> None:
    till = Till.after(bought(10000))
    till.capture(till.hold(30), 20)
    made, captured = till.account.statements[-2:]
    assert (made.posted, made.held, made.postings) == (100, 30, ())
    assert sum(points for _, points in made.ladder) == 70
    assert (captured.posted, captured.held) == (80, 0)
    assert [(posting.kind, posting.points) for posting in captured.postings] == [("spent", -20)]
