"""A town of members lives at random (hypothesis, stateful) on a real PostgreSQL and is laid beside the independent model after every step:
earning, late standings, refunds, debt, spending, holds, expiry, transfers, referrals, shares; told by the topics and asked over HTTP, with
whatever crosses between members carried late, twice and out of order.

INVARIANT: every answer, and of every member posted, held, debt, what lies in which lot, what expired of it and how every hold and transfer
ended are the model's. What would break it: any rule of domain.md 3 that a handler or the model has read differently; a balance that is
changed without its lot; anything that depends on who was swept or told first.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_as_test

from laurel_cli.stack import Stack
from laurel_contracts.programme import ExpiryRule
from laurel_kit.migrate import upgrade
from points_svc.domain import bonuses, holds, spending
from points_svc.handlers import rate_activities
from points_svc.main import migrations
from tests.integration.points_svc.books import Books
from tests.integration.points_svc.street import Street
from tests.integration.points_svc.till import open_checkout
from tests.support.model_programme import reference_programme
from tests.support.model_town import Town
from tests.unit.points_svc.script import programme

MEMBERS = 4
pick = st.integers(0, 10**6)
member = st.integers(0, MEMBERS - 1)
LATE = st.sampled_from([timedelta(0)] * 4 + [timedelta(hours=7), timedelta(days=16), timedelta(days=70)])
SMALL = st.integers(1, 40)
SECONDS = st.sampled_from([1, 60, 900, 86_400, 7 * 86_400])
RARE = (
    "debt", "held", "expired", "transferred_in", "transfer_returned", "referred", "shared", "share_taken_back", "rated_again", "returned",
    "repaid", "given_back", "released", "receiver_frozen", "in_debt", "hold_expired", "insufficient_points", "cap",
)  # fmt: skip
CAP = 2
spendable = spending.spendable

counted: Counter[str] = Counter()


def by_what_rules() -> Any:
    """Lots of a month, and caps that a small town reaches."""
    document = programme()
    points = document.points
    return msgspec.structs.replace(
        document,
        points=msgspec.structs.replace(
            points,
            expiry=ExpiryRule(months=1),
            referral=msgspec.structs.replace(points.referral, max_per_month=CAP),
            share=msgspec.structs.replace(points.share, max_per_month=CAP),
        ),
    )


class Life:
    """What outlives one machine: the loop, the books and the till; each machine lives in a street of its own."""

    def __init__(self, runner: asyncio.Runner, books: Books, till: Any) -> None:
        self.runner, self.books, self.till, self.streets = runner, books, till, 0

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


life: list[Life] = []


class Place(RuleBasedStateMachine):
    """The town twice."""

    def __init__(self) -> None:
        super().__init__()
        self.life, self.is_well = life[0], True
        self.life.streets += 1
        self.town = Town(
            replace(reference_programme(), lot_months=1), referrals_a_month=CAP, shares_a_month=CAP
        )  # fmt: skip
        self.street = Street(self.life.books, self.life.till, self.town, self.life.streets)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        self.is_well, was_well = False, self.is_well
        result = self.life.wait(work)
        self.is_well = was_well
        return result

    @initialize(known=st.integers(2, MEMBERS))
    def move_in(self, known: int) -> None:
        for name in range(known):
            self.do(self.street.register(name, None if name < 2 else 0))
        for name in range(known):
            self.do(self.street.buy(name, 1_500, timedelta(days=15 * name), None))

    @rule(hours=st.sampled_from([0.2, 1, 30, 24 * 9, 24 * 25]))
    def time_passes(self, hours: float) -> None:
        self.street.now += timedelta(hours=hours)

    @rule(beside=st.sampled_from([-30, 0, 30]))
    def a_lot_ends_soon(self, beside: int) -> None:
        self.street.come_to_an_end(timedelta(seconds=beside))

    @rule(name=member, referrer=member)
    def register(self, name: int, referrer: int) -> None:
        if not self.town.person(name).active:
            self.do(self.street.register(name, referrer))

    @rule(name=member, frozen=st.sampled_from([False, False, True]))
    def freeze(self, name: int, frozen: bool) -> None:
        self.do(self.street.freeze(name, frozen=frozen))

    @rule(name=member, amount=st.integers(0, 6_000), late=LATE, share=st.one_of(st.none(), pick))
    def buy(self, name: int, amount: int, late: timedelta, share: int | None) -> None:
        self.do(self.street.buy(name, amount, late, share))

    @rule(name=member, which=pick, share=st.sampled_from([1, 3, 10, 10]), late=LATE)
    def refund(self, name: int, which: int, share: int, late: timedelta) -> None:
        self.do(self.street.refund(name, which, share, late))

    @rule(name=member, late=LATE)
    def share(self, name: int, late: timedelta) -> None:
        self.do(self.street.share(name, late))

    @rule(sharer=member, buyers=st.lists(member, min_size=1, max_size=2), late=LATE, refund=st.booleans())
    def share_and_follow(self, sharer: int, buyers: list[int], late: timedelta, refund: bool) -> None:
        """In this order or the other, and perhaps undone."""
        number = len(self.town.shares)
        if not late:
            self.do(self.street.share(sharer, late))
        for buyer in buyers:
            self.do(self.street.buy(buyer, 900, late, number))
        if refund and self.street.left[buyers[0]]:
            self.do(self.street.refund(buyers[0], -1, 10, timedelta(0)))
        if late:
            self.do(self.street.share(sharer, timedelta(0)))

    @rule(name=member, back=st.integers(0, 5), tier=st.integers(0, 3))
    def stand(self, name: int, back: int, tier: int) -> None:
        self.do(self.street.stand(name, back, tier))

    @rule(
        partitions=st.sampled_from([(0, 1), (0, 1), (0,), (1,)]),
        days=st.sampled_from([0, 0, 0, 1, 40]),
        lazy=st.booleans(),
    )
    def close_day(self, partitions: tuple[int, ...], days: int, lazy: bool) -> None:
        """A day that has ended, not always the last one; whom it comes to is swept at once or when something happens to him."""
        self.do(self.street.close_day(partitions, days, lazy=lazy))

    @rule()
    def sweep_lots(self) -> None:
        self.do(self.street.sweep_lots())

    @rule(name=member, points=SMALL, order=pick, again=st.booleans())
    def spend(self, name: int, points: int, order: int, again: bool) -> None:
        self.do(self.street.spend(name, points, order, again=again))

    @rule(name=member, points=SMALL, seconds=SECONDS, order=pick)
    def hold(self, name: int, points: int, seconds: int, order: int) -> None:
        self.do(self.street.hold(name, points, seconds, order))

    @rule(name=member, which=pick, keep=st.integers(0, 5))
    def hold_nearly_all_and_refund(self, name: int, which: int, keep: int) -> None:
        """What is held is not taken, what is missing is owed, and what is released repays it."""
        there = self.town.person(name).ledger.available(self.street.now)
        self.do(self.street.hold(name, max(1, there - keep), 86_400, 0))
        self.do(self.street.refund(name, which, 10, timedelta(0)))

    @precondition(lambda self: self.street.holds)
    @rule(which=pick, percent=st.sampled_from([None, 1, 30, 60, 100, 101]), order=pick)
    def capture(self, which: int, percent: int | None, order: int) -> None:
        self.do(self.street.capture(which, percent, order))

    @precondition(lambda self: self.street.holds)
    @rule(which=pick)
    def void(self, which: int) -> None:
        self.do(self.street.void(which))

    @rule()
    def sweep_holds(self) -> None:
        self.do(self.street.sweep_holds())

    @rule(sender=member, receiver=member, points=SMALL, again=st.booleans(), froze=st.integers(0, 5))
    def give(self, sender: int, receiver: int, points: int, again: bool, froze: int) -> None:
        if sender != receiver:
            self.do(self.street.give(sender, receiver, points, again=again))
            if not froze:
                self.do(self.street.freeze(receiver, frozen=True))

    @rule(which=pick, times=st.sampled_from([1, 1, 2]))
    def carry_one(self, which: int, times: int) -> None:
        """Whatever is on its way, in any order, or something that has come already."""
        self.do(self.street.carry(which, times))

    @rule()
    def carry_all(self) -> None:
        self.do(self.street.carry_all())

    @rule(name=member)
    def ask(self, name: int) -> None:
        self.do(self.street.ask_for_balance(name))

    @invariant()
    def same(self) -> None:
        self.do(self.street.compare())
        counted["steps"] += 1

    def teardown(self) -> None:
        if self.is_well:
            self.do(self.street.come_to_rest(prove=self.life.streets % 8 == 0))
        counted.update(self.street.seen)


def live(examples: int, steps: int, *, same: bool, shrink: bool = True) -> None:
    options = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=same, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
    )  # fmt: skip
    run_as_test(Place, settings=options)


@pytest.fixture
def town_hall(points_postgres: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    """One database, one loop; a closed day sweeps nobody by itself, so that it is the sweeper or what happens next."""
    monkeypatch.setattr(rate_activities, "EXPIRED_AT_ONCE", 0)
    counted.clear()
    with asyncio.Runner() as runner:
        url = points_postgres.fresh_database()
        runner.run(upgrade(url, migrations()))
        books = Books(url)
        runner.run(books.load(by_what_rules()))
        opened = open_checkout(books)
        till = runner.run(opened.__aenter__())
        life.append(Life(runner, books, till))
        yield life[0]
        assert runner.run(books.broken()) == {}
        life.clear()
        runner.run(opened.__aexit__(None, None, None))
        runner.run(books.database.close())


def test_no_difference_after_any_step_of_a_small_town(town_hall: Life) -> None:
    live(examples=12, steps=30, same=True)


@pytest.mark.parametrize(
    ("room", "name", "wrong"),
    [
        (spending, "spendable", lambda account, now: spendable(account, now)[::-1]),
        (bonuses, "undo", lambda *_: None),
        (holds, "due", lambda *_: []),
    ],
    ids=["what lasts longest is taken first", "a bonus is not undone", "a hold that is over gives nothing back"],
)
def test_a_ledger_that_is_wrong_on_purpose_is_noticed(
    town_hall: Life, monkeypatch: pytest.MonkeyPatch, room: Any, name: str, wrong: Any
) -> None:
    """The control: a comparison that cannot fail shows nothing."""
    monkeypatch.setattr(room, name, wrong)
    with pytest.raises(AssertionError):
        live(examples=40, steps=30, same=True, shrink=False)


@pytest.mark.long
def test_no_difference_after_any_of_more_than_10_000_steps(town_hall: Life) -> None:
    live(examples=320, steps=50, same=False)  # how long each is, chance decides
    assert counted["steps"] >= 10_000
    assert [what for what in RARE if not counted[what]] == [], counted
    sys.stdout.write(f"\n{counted['steps']:,} steps in {town_hall.streets} towns: 0 differences; {dict(counted)}\n")
