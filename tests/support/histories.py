"""Seeded histories for the model test: real baskets, sprinkled with all that channels do (domain.md 2).

The same seed and baskets give the same reports; a household's part does not depend on which other households are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from random import Random
from zoneinfo import ZoneInfo

from tests.support.complete_journey import CURRENCY, ZONE, Basket
from tests.support.crossing_histories import Between, Told, crossing
from tests.support.model_calendar import local_day, start_of_day
from tests.support.model_door import Report
from tests.support.model_events import Line
from tests.support.reports import (
    complaint_report,
    joined_report,
    purchase_report,
    refund_report,
    review_report,
    share_report,
    sign_in_report,
    survey_report,
)

CLOSE_DELAY = timedelta(hours=6)


@dataclass(frozen=True)
class Mix:
    """How often things happen: chances between 0 and 1, each for one basket unless it says otherwise."""

    late: float = 0.08  # of any report: arrives 1 hour to 9 days late
    same_id: float = 0.04  # the same report again
    other_source: float = 0.04  # the same order from another source, with other id and time
    conflict: float = 0.01  # the same order with another amount
    refund: float = 0.15
    repeated_refund: float = 0.4  # of a refunded basket: one more refund, and again
    early_refund: float = 0.3  # of a late basket: a refund arrives before it
    review: float = 0.12
    joined: float = 0.05
    other: float = 0.06  # a share, a complaint or a survey
    signed_in: float = 0.03  # of a day: a run of sign-ins begins
    stays: float = 0.85  # of a run: it goes on the next day
    spend: float = 0.25
    registered: float = 0.8  # of a member
    close_every: int = 1  # days; 0: no day is closed
    close_until: date | None = None  # days are closed up to this one; None: 40 days after the last basket


def history(
    baskets: Iterable[Basket],
    seed: int,
    mix: Mix | None = None,
    zone: ZoneInfo = ZONE,
    between: Between | None = None,
) -> list[Report]:
    """Door-level reports and commands in order of arrival: CloudEvents, and day.close, register, and what is asked for at a till.
    `between`: what crosses between households; nothing where it is not given."""
    mix = mix or Mix()
    by_household = sorted(baskets, key=lambda each: (each.household_id, each.time, each.basket_id))
    told: list[Told] = []
    for household, own in groupby(by_household, key=lambda each: each.household_id):
        told += Household(household, list(own), seed, mix, zone).told()
    if between is not None:
        told = crossing(told, seed, between)
    told += _closed_days(by_household, mix, zone)
    # Commands of the calendar come first at their instant: a day is closed before what arrives then.
    return [report for _, _, report in sorted(told, key=lambda each: (each[0], each[1]))]


def _closed_days(baskets: Sequence[Basket], mix: Mix, zone: ZoneInfo) -> Iterator[Told]:
    if not mix.close_every or not baskets:
        return
    times = [basket.time for basket in baskets]
    day = local_day(min(times), zone) + timedelta(days=1)
    last = mix.close_until or local_day(max(times), zone) + timedelta(days=40)
    while day <= last:
        as_of = start_of_day(day, zone)
        yield as_of + CLOSE_DELAY, -1, {"command": "day.close", "as_of": as_of.isoformat()}
        day += timedelta(days=mix.close_every)


class Household:
    """Invents what one member does besides buying. Ids are unique per household and in order of invention."""

    def __init__(self, household: int, baskets: Sequence[Basket], seed: int, mix: Mix, zone: ZoneInfo) -> None:
        self.name = f"household-{household}"
        self.identifier = {"kind": "card", "value": self.name}
        self.number = household * 100_000  # breaks ties of arrival between households in one way
        self.baskets = baskets
        self.random = Random(f"{seed}:{household}")
        self.mix = mix
        self.zone = zone
        self.said: list[Told] = []
        self.spent = 0  # points, roughly: whether they were there is for the ledger to say

    def told(self) -> list[Told]:
        """Everything, with its arrival."""
        for basket in self.baskets:
            arrival = self._buys(basket)
            for happens, what in (
                (self.mix.refund, self._refunds),
                (self.mix.review, self._reviews),
                (self.mix.joined, self._joins),
                (self.mix.other, self._does),
                (self.mix.spend, self._spends),
            ):
                if self._chance(happens):
                    what(basket, arrival)
        self._signs_in()
        if self._chance(self.mix.registered):
            at = self.baskets[0].time + self._hours(-48, 24 * 60)
            command = {"command": "register", "identifier": self.identifier, "time": self._written(at)}
            self._say(at, command)
        return self.said

    # what happens

    def _buys(self, basket: Basket) -> datetime:
        """The receipt, late perhaps, again perhaps, and from the web perhaps; returns its arrival."""
        arrival = self._arrival(basket.time)
        report = self._receipt(basket, f"pos/store-{basket.store_id}", basket.time, basket.lines)
        self._say(arrival, report)
        if self._chance(self.mix.same_id):
            self._say(arrival + self._hours(0, 72), report)
        if self._chance(self.mix.other_source):
            told_at = basket.time + self._hours(-2, 2)
            self._say(arrival + self._hours(0, 72), self._receipt(basket, "web", told_at, basket.lines))
        if self._chance(self.mix.conflict):
            first = basket.lines[0]
            other = Line(first.line_id, first.sku, first.category, first.quantity, first.amount_minor + 1)
            report = self._receipt(basket, "web", basket.time, (other, *basket.lines[1:]))
            self._say(arrival + self._hours(1, 72), report)
        if arrival > basket.time and basket.amount_minor and self._chance(self.mix.early_refund):
            for _ in range(self.random.randint(1, 3)):  # together they may exceed the order: dead letters
                at = basket.time + (arrival - basket.time) * self.random.random()
                self._refund(basket, at, at)
        return arrival

    def _receipt(self, basket: Basket, source: str, time: datetime, lines: Sequence[Line]) -> Report:
        channel = "online" if source == "web" else "store"
        return purchase_report(
            source,
            self._id("buy"),
            self._written(time),
            self.name,
            str(basket.basket_id),
            lines,
            channel=channel,
            store_id=f"store-{basket.store_id}",
            currency=CURRENCY,
        )

    def _refunds(self, basket: Basket, arrival: datetime) -> None:
        """One refund or several, of the whole, of lines or of an amount; some ask for more than is left."""
        at = basket.time
        while basket.amount_minor:
            at += self._hours(1, 24 * 30)
            self._refund(basket, at, max(self._arrival(at), arrival))
            if not self._chance(self.mix.repeated_refund):
                return

    def _refund(self, basket: Basket, at: datetime, arrival: datetime) -> None:
        name = self._id("refund")
        what = self._what_comes_back(basket)
        value = self.random.choice((None, self.name))
        report = refund_report("pos/returns", name, self._written(at), str(basket.basket_id), name, what, value)
        self._say(arrival, report)
        if self._chance(self.mix.same_id * 2):
            again = {**report, "id": self._id("refund"), "source": "web"}
            self._say(arrival + self._hours(0, 48), again)

    def _what_comes_back(self, basket: Basket) -> int | list[tuple[str, int, int]]:
        paid = [line for line in basket.lines if line.amount_minor]
        kind = self.random.choice(("whole", "lines", "part of a line", "amount", "all as an amount"))
        if kind == "whole":
            return [(line.line_id, line.quantity, line.amount_minor) for line in paid]
        if kind == "lines":
            some = self.random.sample(paid, self.random.randint(1, len(paid)))
            return [(line.line_id, line.quantity, line.amount_minor) for line in some]
        if kind == "part of a line":
            line = self.random.choice(paid)
            return [(line.line_id, 0, self.random.randint(1, line.amount_minor))]
        if kind == "amount":
            return self.random.randint(1, basket.amount_minor)
        return basket.amount_minor

    def _reviews(self, basket: Basket, _arrival: datetime) -> None:
        """Reviews of some lines on one day: sometimes more than the cap, sometimes one sku twice, sometimes too early."""
        at = basket.time + self._hours(0, 24 * 10)
        for line in self.random.choices(basket.lines, k=self.random.randint(1, 5)):
            at += timedelta(minutes=self.random.randint(1, 90))
            name = self._id("review")
            order_id, photos = str(basket.basket_id), self.random.randint(0, 2)
            report = review_report("app", name, self._written(at), self.name, name, order_id, line.sku, photos)
            self._say(self._arrival(at), report)

    def _joins(self, basket: Basket, _arrival: datetime) -> None:
        at = basket.time + self._hours(0, 24 * 5)
        activity = f"activity-{self.random.randint(1, 12)}"  # few, so that some are joined twice
        report = joined_report("app", self._id("join"), self._written(at), self.name, activity)
        self._say(self._arrival(at), report)

    def _does(self, basket: Basket, _arrival: datetime) -> None:
        at = basket.time + self._hours(0, 24 * 5)
        name, time = self._id("deed"), self._written(at)
        makers: tuple[Callable[[], Report], ...] = (
            lambda: share_report("app", name, time, self.name, name, basket.lines[0].sku),
            lambda: complaint_report("desk", name, time, self.name, name),
            lambda: survey_report("app", name, time, self.name, name, self.random.randint(0, 10)),
        )
        self._say(self._arrival(at), self.random.choice(makers)())

    def _spends(self, basket: Basket, arrival: datetime) -> None:
        """A spending at the till, often of nearly all there is, so that a refund leads to debt; for this order or none."""
        rough = sum(each.amount_minor for each in self.baskets if each.time <= basket.time) // 100 - self.spent
        points = max(1, self.random.choice((rough, rough * 3 // 2, rough * 2, rough // 3)))
        self.spent += min(points, max(rough, 0)) // 2  # tiers, sign-ins and campaigns give more than this knows
        at = arrival + self._hours(0, 24)
        command: Report = {
            "command": "spend",
            "identifier": self.identifier,
            "points": points,
            "at": self._written(at),
        }
        if self._chance(0.5):
            command["order_id"] = str(basket.basket_id)
        self._say(at, command)

    def _signs_in(self) -> None:
        """Runs of days signed in, some of them twice a day and from two devices."""
        day = local_day(self.baskets[0].time, self.zone)
        last = local_day(self.baskets[-1].time, self.zone)
        runs = False
        while day <= last:
            runs = self._chance(self.mix.stays if runs else self.mix.signed_in)
            for _ in range(self.random.choice((1, 1, 1, 2)) if runs else 0):
                at = start_of_day(day, self.zone) + timedelta(seconds=self.random.randrange(22 * 3600))
                report = sign_in_report("app", self._id("sign-in"), self._written(at), self.name)
                self._say(self._arrival(at), report)
            day += timedelta(days=1)

    # how it is told

    def _chance(self, chance: float) -> bool:
        return self.random.random() < chance

    def _hours(self, least: int, most: int) -> timedelta:
        return timedelta(seconds=self.random.randint(least * 3600, most * 3600))

    def _arrival(self, at: datetime) -> datetime:
        return at + self._hours(1, 9 * 24) if self._chance(self.mix.late) else at

    def _id(self, what: str) -> str:
        self.number += 1
        return f"{self.name}-{what}-{self.number}"

    def _written(self, at: datetime) -> str:
        """An instant as a channel writes it: with the local offset, or in UTC."""
        return at.astimezone(self.random.choice((self.zone, UTC))).isoformat()

    def _say(self, arrival: datetime, report: Report) -> None:
        self.number += 1
        self.said.append((arrival, self.number, report))
