"""domain.md 4.4 and 4.5 and ADR 0010 against the independent model: overrides, sanctions, clubs, tasks. Amounts in fen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from tests.support.model_clubs import club_standing
from tests.support.model_events import Line, Order, Purchase, Refund, Review, SignIn
from tests.support.model_metrics import AsOf, metric
from tests.support.model_overlays import Decided, Overlaid, TakenBack
from tests.support.model_programme import ALWAYS, Condition, Tier, reference_programme
from tests.support.model_tasks import Task

SHANGHAI = ZoneInfo("Asia/Shanghai")
TIERS = ("regular", "silver", "gold", "diamond")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


class Life:
    """One member in the model alone."""

    def __init__(self, *tasks: Task) -> None:
        self.programme = reference_programme()
        self.standings = Overlaid(self.programme)
        self.standings.known.tasks = tasks
        self.orders: list[Order] = []
        self.seq = 0

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def buys(self, day: str, amount: int) -> None:
        event = Purchase(self._next(), at(day), f"o{self.seq}", (Line("1", "s", "grocery", 1, amount),))
        order = Order(event, self.programme)
        self.orders.append(order)
        self.standings.arrive(event)
        self.standings.judge(event, order)

    def refunds(self, day: str, which: int, amount: int) -> None:
        event = Refund(self._next(), at(day), "f", self.orders[which].purchase.order_id, (("1", amount),), amount)
        self.standings.arrive(event)
        self.orders[which].refund(event)
        self.standings.judge(event, None)

    def does(self, event: SignIn | Review) -> None:
        self.standings.arrive(event)
        self.standings.judge(event, None)

    def given(self, day: str, tier: str, since: str, until: str, *, floor: bool = False) -> int:
        self.standings.decide(Decided(self._next(), at(day), "assign", at(since), at(until), TIERS.index(tier), floor))
        return self.seq

    def punished(self, day: str, act: str, until: str, steps: int = 0) -> int:
        self.standings.decide(Decided(self._next(), at(day), act, at(day), at(until), steps=steps))
        return self.seq

    def taken_back(self, day: str, which: int, since: str) -> None:
        self.standings.take_back(TakenBack(self._next(), at(day), which, at(since)))

    def closes(self, day: str) -> str:
        """What applies when the day has been closed."""
        self.standings.close_day(at(day))
        return TIERS[self.standings.effective]

    def growth(self) -> int:
        return metric(Condition("growth_total", 0), self.standings.known, AsOf(date(2030, 1, 1), None))


def silver() -> Life:
    life = Life()
    life.buys("2025-03-01", 20_000)
    return life


@pytest.mark.parametrize(
    ("tier", "floor", "applies"),
    [("diamond", True, "diamond"), ("regular", True, "silver"), ("regular", False, "regular"), ("gold", False, "gold")],
)
def test_it_lies_on_top_while_since_is_reached_and_until_is_not(tier: str, floor: bool, applies: str) -> None:
    life = silver()
    life.given("2025-03-02", tier, "2025-04-01", "2025-05-01", floor=floor)
    assert [life.closes(day) for day in ("2025-03-31", "2025-04-01", "2025-04-30", "2025-05-01")] == [
        "silver", applies, applies, "silver",
    ]  # fmt: skip


def test_of_several_the_one_with_the_highest_number_wins() -> None:
    life = silver()
    life.given("2025-03-02", "diamond", "2025-03-02", "2025-09-01")
    life.given("2025-03-03", "regular", "2025-04-01", "2025-05-01")
    assert [life.closes(day) for day in ("2025-03-31", "2025-04-01", "2025-05-01", "2025-09-01")] == [
        "diamond", "regular", "diamond", "silver",
    ]  # fmt: skip


def test_at_one_instant_period_end_then_override_end_then_override_start() -> None:
    life = silver()
    first = life.given("2025-03-02", "gold", "2025-03-02", "2026-03-01")
    second = life.given("2025-03-03", "diamond", "2026-03-01", "2026-05-01")
    life.closes("2026-03-01")
    causes = [fact.cause.partition(" ")[2] for fact in life.standings.facts[-3:]]
    assert causes == ["2026-02-28T16:00:00+00:00", f"{first} ends", f"{second} begins"]


def test_a_violation_freezes_or_lowers_what_applies_at_its_start() -> None:
    life = silver()
    life.given("2025-03-02", "diamond", "2025-03-02", "2025-12-01")
    life.punished("2025-03-03", "lower", "2025-06-01", steps=1)
    assert life.closes("2025-05-01") == "gold"
    life.punished("2025-05-02", "freeze", "2025-08-01")
    assert [life.closes(day) for day in ("2025-06-01", "2025-08-01", "2025-12-01")] == ["gold", "diamond", "silver"]


def test_taken_back_it_ends_when_the_clock_reaches_that_and_never_before_it_is_known() -> None:
    life = silver()
    first = life.given("2025-03-02", "diamond", "2025-03-02", "2025-12-01")
    life.taken_back("2025-04-10", first, "2025-04-01")
    end = life.standings.facts[-1]
    assert (end.at, end.holds_after, life.standings.applied[-1]) == (at("2025-04-10"), 3, (3, 1))
    second = life.given("2025-04-11", "gold", "2025-05-01", "2025-12-01")
    life.taken_back("2025-04-12", second, "2025-06-01")
    assert [life.closes(day) for day in ("2025-05-01", "2025-06-01")] == ["gold", "silver"]


def test_a_task_is_done_on_the_day_by_which_enough_has_happened_and_undone_by_a_refund() -> None:
    life = Life(Task("purchase", 2, 100, "month", least_minor=50))
    life.buys("2025-03-05", 50)
    life.buys("2025-03-03", 49)
    assert life.growth() == 0
    life.buys("2025-03-02", 50)
    assert life.growth() == 100
    life.refunds("2025-03-06", 0, 1)
    assert life.growth() == 0
    life.buys("2025-03-31", 50)
    life.buys("2025-04-01", 50)
    assert life.growth() == 100


def test_a_club_is_what_the_whole_stream_comes_to_net_of_refunds() -> None:
    ladder = (
        Tier("guest", (ALWAYS,), (ALWAYS,), Fraction(1)),
        replace(
            Tier("friend", ((Condition("orders_in_days", 2, 30),),), (), Fraction(1)), validity_months=1, on_lapse="one_step"
        ),
    )  # fmt: skip
    life = Life()
    life.buys("2025-03-01", 100)
    life.buys("2025-03-10", 100)

    def held() -> int:
        known, steps = life.standings.known, life.standings.steps
        return club_standing(life.programme, ladder, known, steps).tier

    assert held() == 1
    life.refunds("2025-03-11", 0, 100)
    assert held() == 0
    life.buys("2025-03-12", 100)
    assert held() == 1
    life.closes("2025-04-12")
    assert held() == 0
