"""The standings of domain.md 3.7, all six rows, from the judge alone: a year of a real retailer's baskets without any I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from laurel_contracts.activities import OrderLine, RefundLine
from tests.unit.tier_svc.domain.journey import ZONE, Sale, sales
from tests.unit.tier_svc.domain.ladders import reference_document, rules_of, short_document
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import Sums
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Close, Step, Stream

BUYS, GIVES_BACK = 0, 1  # at one instant purchases come before refunds


class Households:
    """All members of a run, fed in the order of the log."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.timeline = Timeline([(None, rules)])
        self.streams: dict[int, Stream] = {}
        self.closed: datetime | None = None

    def buys(self, sale: Sale) -> None:
        line = OrderLine(line_id="1", sku="basket", quantity=1, amount_minor=sale.amount)
        stream, step = self._step(sale.household, sale.time)
        stream.purchase(step, str(sale.basket), (line,), sale.amount, self.rules)

    def gives_back(self, sale: Sale, time: datetime) -> None:
        line = RefundLine(line_id="1", quantity=1, amount_minor=sale.amount)
        stream, step = self._step(sale.household, time)
        stream.refund(step, str(sale.basket), (line,), None)

    def close(self, as_of: datetime) -> None:
        self.closed = as_of
        close = Close(as_of, self.timeline)
        for stream in self.streams.values():
            stream.close(close)

    def close_day(self, day: str) -> None:
        self.close(self.rules.calendar.start_of(date.fromisoformat(day)))

    def _step(self, household: int, time: datetime) -> tuple[Stream, Step]:
        stream = self.streams.get(household)
        if stream is None:
            stream = Stream(UUID(int=household), 0, sums=Sums(), standing=Standing(), born_as_of=self.closed)
            self.streams[household] = stream
        stream.move_on(self.closed)
        return stream, Step(stream.last_seq + 1, time, self.rules.calendar.day_of(time), self.timeline)

    @property
    def tiers(self) -> list[int]:
        """Members per tier, lowest first."""
        tally = Counter(self.rules.name(stream.standing.tier) for stream in self.streams.values())
        return [tally[tier.id] for tier in self.rules.ladder]

    @property
    def kinds(self) -> Counter[str]:
        return Counter(fact.kind for stream in self.streams.values() for fact in stream.facts)

    @property
    def ends_judged(self) -> int:
        return self.kinds["kept"] + self.kinds["lapsed"]


@pytest.fixture(scope="module")
def journey() -> list[Sale]:
    found = sales()
    assert len(found) == 155_848
    return found


def refunds_of(journey: Iterable[Sale], after: timedelta) -> list[tuple[datetime, int, int, Sale]]:
    """Every basket with an id divisible by 10 and something in it is refunded whole."""
    return [(s.time + after, GIVES_BACK, s.basket, s) for s in journey if s.basket % 10 == 0 and s.amount > 0]


def test_as_it_is_and_then_with_the_days_closed(journey: list[Sale]) -> None:
    households = Households(rules_of(reference_document(), zone=ZONE))
    for sale in journey:
        households.buys(sale)
    assert households.tiers == [646, 445, 885, 493]
    assert set(households.kinds) == {"raised"}
    for day, tiers, ends in (
        ("2018-07-01", [660, 496, 848, 465], 531),
        ("2019-01-01", [963, 860, 537, 109], 1_823),
        ("2020-01-01", [2_469, 0, 0, 0], 3_329),
    ):
        households.close_day(day)
        assert (households.tiers, households.ends_judged) == (tiers, ends)


def test_with_a_tenth_of_the_baskets_refunded(journey: list[Sale]) -> None:
    households = Households(rules_of(reference_document(), zone=ZONE))
    stream = [(s.time, BUYS, s.basket, s) for s in journey] + refunds_of(journey, timedelta(hours=72))
    for time, what, _, sale in sorted(stream, key=lambda each: each[:3]):
        if what == BUYS:
            households.buys(sale)
        else:
            households.gives_back(sale, time)
    assert households.tiers == [696, 468, 886, 419]
    assert households.kinds["lowered"] == 200


def test_the_short_programme_with_late_baskets_refunds_and_every_day_closed(journey: list[Sale]) -> None:
    households = Households(rules_of(short_document(), zone=ZONE))
    calendar = households.rules.calendar
    stream = refunds_of(journey, timedelta(hours=720))
    for sale in journey:
        late = timedelta(hours=24 * ((sale.basket // 10) % 9 + 1)) if sale.basket % 10 == 5 else timedelta()
        stream.append((sale.time + late, BUYS, sale.basket, sale))
    stream.sort(key=lambda each: each[:3])
    first, last = calendar.day_of(stream[0][0]), date(2018, 2, 15)
    days = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    closing = [(calendar.start_of(day) + timedelta(hours=6), calendar.start_of(day)) for day in days]
    for arrives, what, _, sale in stream:
        while closing and closing[0][0] <= arrives:
            households.close(closing.pop(0)[1])
        if what == BUYS:
            households.buys(sale)
        else:
            households.gives_back(sale, arrives)
    for _, as_of in closing:
        households.close(as_of)
    assert households.tiers == [2_039, 270, 137, 23]
    assert households.ends_judged == 15_894
    assert households.kinds["lowered"] == 2_013
    corrected = [fact for each in households.streams.values() for fact in each.facts if fact.kind == "corrected"]
    in_tier = sum(fact.tier_from != fact.tier_to for fact in corrected)
    assert (in_tier, len(corrected) - in_tier) == (94, 18)


def test_the_instants_of_the_data_are_utc(journey: list[Sale]) -> None:
    assert journey[0].time.tzinfo is UTC
