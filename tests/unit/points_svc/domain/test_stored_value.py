"""Stored value (ADR 0016): worked examples, and any mix of requests beside a model in which every minor unit lies somewhere by itself."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel_contracts.programme import canonical, parse, sha256
from points_svc.domain.account import EXPIRED
from points_svc.domain.rules import rules_of
from points_svc.domain.stored_value import BONUS_FORFEITED, CASH, PAID, PROMOTION, Owner
from tests.unit.points_svc.purse import Wallet, with_value
from tests.unit.points_svc.script import programme
from tests.unit.points_svc.value_grains import FORFEITED, OUT, OVER, Purse

NOON = datetime(2025, 3, 1, 4, tzinfo=UTC)  # in Shanghai
FOUR_DAYS = timedelta(days=4)

# (rule, what is done, paid, bonus and held value afterwards); every step is answered "done" unless it says otherwise.
EXAMPLES = {
    "V1 paid value pays first": ({}, [("top_up", 100, 20), ("pay", 110)], (0, 10, 0)),
    "V2 bonus first where the programme says so": (
        {"spend_first": "bonus"}, [("top_up", 100, 20), ("pay", 30)], (90, 0, 0),
    ),
    "V3 of several top-ups the oldest pays first": ({}, [("top_up", 50, 5), ("top_up", 50, 5), ("pay", 60)], (40, 10, 0)),
    "V4 a refund goes back to what paid last": ({}, [("top_up", 100, 20), ("pay", 110), ("refund", 0, 15)], (5, 20, 0)),
    "V5 refunds together are no more than the payment": (
        {}, [("top_up", 100, 0), ("pay", 60), ("refund", 0, 50), ("refund", 0, 11, "refund_exceeds_payment"), ("refund", 0)],
        (100, 0, 0),
    ),
    "V6 a hold pays in part, the rest is free": ({}, [("top_up", 100, 0), ("hold", 80), ("capture", 0, 30)], (70, 0, 0)),
    "V7 what is held pays for nothing else": (
        {}, [("top_up", 100, 0), ("hold", 80), ("pay", 21, "insufficient_value"), ("cash_out", 21, "insufficient_value")],
        (20, 0, 80),
    ),
    "V8 a hold ends once": (
        {}, [("top_up", 100, 0), ("hold", 80), ("void", 0), ("capture", 0, 1, "hold_voided"), ("refund", 0, 1, "payment_not_made")],
        (100, 0, 0),
    ),
    "V9 a hold past its end is free": ({}, [("top_up", 100, 0), ("hold", 80), ("days", 1)], (100, 0, 0)),
    "V10 paying out takes the bonus with it": ({}, [("top_up", 100, 20), ("cash_out",)], (0, 0, 0)),
    "V11 half of the paid takes half of the bonus, rounded up": ({}, [("top_up", 100, 21), ("cash_out", 50)], (50, 10, 0)),
    "V12 unless the programme lets it be kept": (
        {"bonus_on_cash_out": "keep"}, [("top_up", 100, 20), ("cash_out",)], (0, 20, 0),
    ),
    "V13 bonus value is never paid out": (
        {"spend_first": "paid"}, [("top_up", 100, 20), ("pay", 100), ("cash_out", 1, "insufficient_value"),
         ("cash_out", None, "insufficient_value")],
        (0, 20, 0),
    ),
    "V14 nothing is paid out where the programme says so": (
        {"cash_out": False}, [("top_up", 100, 0), ("cash_out", 1, "cash_out_not_allowed")], (100, 0, 0),
    ),
    "V15 a bonus may end, paid value does not": ({"bonus_days": 3}, [("top_up", 100, 20), ("days", 4)], (100, 0, 0)),
    "V16 until its last local day is over": ({"bonus_days": 3}, [("top_up", 100, 20), ("days", 3)], (100, 20, 0)),
    "V17 a bonus that comes back after its end lasts a month more": (
        {"bonus_days": 3, "spend_first": "bonus"}, [("top_up", 100, 20), ("pay", 20), ("days", 9), ("refund", 0, 5), ("days", 30)],
        (100, 5, 0),
    ),
    "V18 and not longer": (
        {"bonus_days": 3, "spend_first": "bonus"}, [("top_up", 100, 20), ("pay", 20), ("days", 9), ("refund", 0, 5), ("days", 31)],
        (100, 0, 0),
    ),
    "V19 a bonus above what the programme allows": (
        {"bonus_max_percent": 10}, [("top_up", 100, 11, "bonus_too_large"), ("top_up", 100, 10)], (100, 10, 0),
    ),
    "V20 no more than a wallet may hold": (
        {"balance_max_minor": 150}, [("top_up", 100, 20), ("top_up", 31, 0, "value_full"), ("top_up", 30, 0)], (130, 20, 0),
    ),
    "V21 what is held is still there: half of the paid takes half of the bonus, wherever they lie": (
        {}, [("top_up", 100, 20), ("hold", 50), ("cash_out",), ("void", 0)], (50, 10, 0),
    ),
    "V22 a bonus in an open hold cannot go, so what it was given with cannot be paid out before that ends": (
        {}, [("top_up", 100, 20), ("hold", 100), ("hold", 20), ("void", 0), ("cash_out", None, "bonus_held"),
             ("void", 1), ("cash_out",)],
        (0, 0, 0),
    ),
    "V23 as long as enough of the bonus is free, a hold of the rest hinders nobody": (
        {"spend_first": "bonus"}, [("top_up", 100, 20), ("hold", 15), ("cash_out", 25), ("void", 0)], (75, 15, 0),
    ),
    "V24 and not longer": (
        {"spend_first": "bonus"}, [("top_up", 100, 20), ("hold", 15), ("cash_out", 26, "bonus_held"), ("cash_out", 25)],
        (75, 0, 15),
    ),
    "V25 another top-up's bonus in a hold hinders nobody": (
        {"spend_first": "bonus"}, [("top_up", 50, 5), ("top_up", 50, 0), ("hold", 5), ("cash_out", 1, "bonus_held"), ("void", 0),
                                   ("cash_out", 50), ("top_up", 50, 5), ("hold", 5), ("cash_out", 50)],
        (50, 0, 5),
    ),
    "V26 a bonus that is refunded goes with what was paid out": (
        {"spend_first": "bonus"}, [("top_up", 100, 20), ("pay", 20), ("cash_out",), ("refund", 0)], (0, 0, 0),
    ),
    "V27 the same part of it, rounded up": (
        {"spend_first": "bonus"}, [("top_up", 100, 21), ("pay", 71), ("cash_out",), ("refund", 0)], (50, 10, 0),
    ),
    "V28 nothing of it where nothing was paid out of what it was given with": (
        {"spend_first": "bonus"}, [("top_up", 50, 0), ("top_up", 100, 20), ("pay", 20), ("cash_out", 50), ("refund", 0)],
        (100, 20, 0),
    ),
    "V29 also where it was over in between": (
        {"bonus_days": 3, "spend_first": "bonus"},
        [("top_up", 100, 20), ("pay", 20), ("cash_out", 50), ("days", 9), ("refund", 0)],
        (50, 10, 0),
    ),
    "V30 where the programme let it be kept, a hold of it hinders nobody": (
        {"bonus_on_cash_out": "keep", "spend_first": "bonus"}, [("top_up", 100, 20), ("hold", 20), ("cash_out",), ("void", 0)],
        (0, 20, 0),
    ),
}  # fmt: skip


def do(wallet: Wallet, act: str, *arguments: object) -> str:
    if act == "days":
        wallet.now += timedelta(days=int(str(arguments[0])))
        wallet.look()
        return "done"
    if act == "hold":
        return wallet.hold(int(str(arguments[0])), timedelta(minutes=15))
    return str(getattr(wallet, act)(*arguments))


@pytest.mark.parametrize(("rule", "steps", "after"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_examples(rule: dict[str, object], steps: list[tuple[object, ...]], after: tuple[int, int, int]) -> None:
    wallet = Wallet(NOON, **rule)
    for act, *arguments in steps:
        expected = str(arguments.pop()) if arguments and isinstance(arguments[-1], str) else "done"
        assert do(wallet, str(act), *arguments) == expected, (act, arguments)
        wallet.check()
    assert wallet.figures() == after


def test_a_refund_goes_by_what_was_the_rule_when_paid_value_was_paid_out() -> None:
    """What would break it: the rule of today, by which a bonus goes that the member was told he may keep, or the other way round."""
    for then, today, left in (("keep", "forfeit", 20), ("forfeit", "keep", 0)):
        wallet = Wallet(NOON, spend_first="bonus", bonus_on_cash_out=then)
        assert [wallet.top_up(100, 20), wallet.pay(20), wallet.cash_out()] == ["done"] * 3
        wallet.rule(spend_first="bonus", bonus_on_cash_out=today)
        assert (wallet.refund(0), wallet.figures()) == ("done", (0, left, 0))
        wallet.check()


def test_what_goes_with_a_refund_says_why() -> None:
    wallet = Wallet(NOON, spend_first="bonus")
    assert [wallet.top_up(100, 21), wallet.pay(71), wallet.cash_out(), wallet.refund(0)] == ["done"] * 4
    entry = wallet.account.entries[-1]
    said = {name: value for name, value in entry.why.items() if name != "rule"}
    assert (entry.kind, entry.amount) == (BONUS_FORFEITED, 11)
    assert said == {"with_lot": 1, "taken_minor": 50, "of_minor": 100, "bonus_back_minor": 21}


def test_of_several_bonuses_the_one_that_ends_soonest_pays_first_whichever_came_first() -> None:
    wallet = Wallet(NOON, bonus_days=60)
    wallet.top_up(100, 20)
    wallet.rule(bonus_days=3, spend_first="bonus")
    wallet.top_up(100, 20)
    wallet.pay(15)
    assert [lot.remaining for lot in wallet.account.lots.values()] == [100, 20, 100, 5]
    wallet.check()


def test_a_bonus_is_over_at_the_very_instant_of_its_end_and_not_before() -> None:
    """The end of 4 March in Shanghai. `expires_at` is exclusive, as with points."""
    wallet = Wallet(NOON, bonus_days=3)
    wallet.top_up(100, 20)
    wallet.now = datetime(2025, 3, 4, 16, tzinfo=UTC) - timedelta(microseconds=1)
    wallet.look()
    assert (wallet.figures(), wallet.by_account()[EXPIRED]) == ((100, 20, 0), 0)
    wallet.now += timedelta(microseconds=1)
    assert wallet.figures() == (100, 0, 0)
    wallet.look()
    assert (wallet.figures(), wallet.by_account()[EXPIRED]) == ((100, 0, 0), 20)


@pytest.mark.parametrize(
    ("owner", "halted", "kind"),
    [(Owner(active=False, frozen=False), False, "member_not_active"), (Owner(active=True, frozen=True), False, "member_frozen"),
     (Owner(active=True, frozen=False), True, "account_frozen")],
    ids=["not registered", "frozen by staff", "frozen by a proof"],
)  # fmt: skip
def test_who_may_not_spend_lets_nothing_leave_and_is_given_back_what_is_his(
    owner: Owner, halted: bool, kind: str
) -> None:
    wallet = Wallet(NOON)
    assert [wallet.top_up(100, 10), wallet.pay(30), wallet.hold(20, FOUR_DAYS)] == ["done"] * 3
    wallet.owner, wallet.account.halted = owner, halted
    assert [wallet.pay(1), wallet.hold(1, FOUR_DAYS), wallet.capture(1), wallet.cash_out(1)] == [kind] * 4
    assert wallet.top_up(5) == ("done" if owner.active else kind)
    assert [wallet.refund(0), wallet.void(1)] == ["done", "done"]
    wallet.check()


def test_a_programme_that_says_nothing_of_stored_value_has_the_hash_it_had() -> None:
    """What would break it: a default that is written out, so that every merchant's programme becomes another one overnight."""
    silent = programme()
    assert b"stored_value" not in canonical(silent)
    assert rules_of(silent).wallet.spend_first == PAID
    told = with_value(spend_first="bonus")
    assert sha256(told) != sha256(silent)
    assert sha256(parse(canonical(told))) == sha256(told)


AMOUNTS = st.integers(1, 40)
PICK = st.integers(0, 10**6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("top_up"), AMOUNTS, st.integers(0, 45)),
        st.tuples(st.just("pay"), AMOUNTS, PICK),
        st.tuples(st.just("hold"), AMOUNTS, PICK),
        st.tuples(st.just("capture"), PICK, st.one_of(st.none(), AMOUNTS)),
        st.tuples(st.just("void"), PICK, PICK),
        st.tuples(st.just("refund"), PICK, st.one_of(st.none(), AMOUNTS)),
        st.tuples(st.just("cash_out"), st.one_of(st.none(), AMOUNTS), PICK),
        st.tuples(st.just("days"), st.integers(0, 40), PICK),
        st.tuples(st.just("rule"), PICK, PICK),
    ),
    min_size=5, max_size=40,
)  # fmt: skip
ENDS = [None, 0, 3, 60]
LASTS = [timedelta(minutes=15), timedelta(days=2), timedelta(days=40)]


def both(wallet: Wallet, purse: Purse, act: str, one: int | None, two: int | None) -> tuple[str, str]:
    """The same request to the product and to the model."""
    now = wallet.now
    if act == "top_up":
        return wallet.top_up(one or 1, two or 0), purse.top_up(one or 1, two or 0, now)
    if act == "pay":
        return wallet.pay(one or 1), purse.pay(one or 1, now)
    if act == "hold":
        lasts = LASTS[(two or 0) % len(LASTS)]
        return wallet.hold(one or 1, lasts), purse.hold(one or 1, now, lasts)
    if act == "cash_out":
        return wallet.cash_out(one), purse.cash_out(one)
    if not wallet.made:
        return "done", "done"
    number = (one or 0) % len(wallet.made)
    if act == "capture":
        return wallet.capture(number, two), purse.capture(number, two)
    if act == "void":
        return wallet.void(number), purse.void(number)
    return wallet.refund(number, two), purse.refund(number, two, now)


def compare(wallet: Wallet, purse: Purse) -> None:
    assert wallet.figures() == (purse.free(wallet.now, paid=True), purse.free(wallet.now, paid=False), purse.held)
    lots: Counter[tuple[bool, datetime]] = Counter()
    for lot in wallet.account.lots.values():
        lots[lot.kind == PAID, lot.expires_at] += lot.remaining
    assert +lots == purse.by_end()
    books = wallet.by_account()
    assert books[EXPIRED] == purse.in_all(OVER)
    assert -books[CASH] == sum(grain.paid for grain in purse.grains) - purse.in_all(OUT)
    assert -books[PROMOTION] == sum(not grain.paid for grain in purse.grains) - purse.in_all(FORFEITED)
    wallet.check()


def play(
    steps: list[tuple[str, int | None, int | None]], *, paid_first: bool, bonus_days: int | None, forfeits: bool
) -> None:
    wallet = Wallet(
        NOON, spend_first="paid" if paid_first else "bonus", bonus_days=bonus_days,
        bonus_on_cash_out="forfeit" if forfeits else "keep",
    )  # fmt: skip
    purse = Purse(paid_first=paid_first, bonus_days=bonus_days, forfeits=forfeits)
    for act, one, two in steps:
        if act == "rule":
            wallet.rule(
                spend_first="paid" if paid_first else "bonus",
                bonus_days=ENDS[(one or 0) % len(ENDS)],
                bonus_on_cash_out="forfeit" if forfeits else "keep",
            )
            purse.bonus_days = ENDS[(one or 0) % len(ENDS)]
        if act == "days":
            wallet.now += timedelta(days=one or 0, hours=(two or 0) % 24)
        wallet.look()
        purse.look(wallet.now)
        if act not in {"days", "rule"}:
            product, model = both(wallet, purse, act, one, two)
            assert product == model, (act, one, two)
        compare(wallet, purse)


RULES = {
    "steps": STEPS,
    "paid_first": st.booleans(),
    "bonus_days": st.sampled_from(ENDS),
    "forfeits": st.booleans(),
}


@settings(max_examples=150, deadline=None)
@given(**RULES)
def test_any_mix_of_requests_gives_what_a_model_of_single_grains_gives(
    steps: list[tuple[str, int | None, int | None]], paid_first: bool, bonus_days: int | None, forfeits: bool
) -> None:
    """After every step: what can be spent, of which kind and until when, what is held, over, paid out and forfeited, and every refusal.
    What would break it: an order of lots, a rounding or an end that product and model read differently; a unit made or lost anywhere."""
    play(steps, paid_first=paid_first, bonus_days=bonus_days, forfeits=forfeits)


@pytest.mark.long
@settings(max_examples=5_000, deadline=None)
@given(**RULES)
def test_many_more_mixes(
    steps: list[tuple[str, int | None, int | None]], paid_first: bool, bonus_days: int | None, forfeits: bool
) -> None:
    """The same as above, at the size of a proof."""
    play(steps, paid_first=paid_first, bonus_days=bonus_days, forfeits=forfeits)
