"""The six rows of domain.md 3.7, computed by the independent model: `python -m tests.support.model_figures`."""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.support.complete_journey import CURRENCY, ZONE, Basket, load_baskets
from tests.support.model import Member
from tests.support.model_calendar import local_day, start_of_day
from tests.support.model_events import Event, Purchase, Refund
from tests.support.model_programme import Programme, reference_programme, short_programme

ZONE_NAME = str(ZONE)


@dataclass(frozen=True)
class Row:
    """One row of the table: members by tier from the lowest, net points of orders, and what was judged so far."""

    run: str
    tiers: tuple[int, ...]
    points: int
    ends: int
    demotions: int
    corrected_tier: int
    corrected_dates: int


ROWS = (
    Row("as it is, no day closed", (646, 445, 885, 493), 6_529_007, 0, 0, 0, 0),
    Row("then day.closed 2018-07-01", (660, 496, 848, 465), 6_529_007, 531, 0, 0, 0),
    Row("then 2019-01-01", (963, 860, 537, 109), 6_529_007, 1_823, 0, 0, 0),
    Row("then 2020-01-01", (2469, 0, 0, 0), 6_529_007, 3_329, 0, 0, 0),
    Row("refunds after 72 h", (696, 468, 886, 419), 5_740_589, 0, 200, 0, 0),
    Row("short programme", (2039, 270, 137, 23), 6_844_151, 15_894, 2_013, 94, 18),
)


def summary(run: str, members: Iterable[Member]) -> Row:
    """Read one row off the members."""
    tiers: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    points = ends = 0
    for member in members:
        tiers[member.standing.tier] += 1
        points += sum(member.points_of_order(order_id) for order_id in member.orders)
        ends += member.standings.ends_judged
        for fact in member.facts:
            same = fact.tier_from == fact.tier_to
            kinds["dates" if fact.kind == "corrected" and same else fact.kind] += 1
    counts = tuple(tiers[tier] for tier in range(4))
    # "demotions" are the drops by a refund; a lapse is an end (found by comparing with the table)
    return Row(run, counts, points, ends, kinds["lowered"], kinds["corrected"], kinds["dates"])


def per_household(baskets: Iterable[Basket]) -> dict[int, list[Basket]]:
    """Each member's baskets, in the order given."""
    found: dict[int, list[Basket]] = defaultdict(list)
    for basket in baskets:
        found[basket.household_id].append(basket)
    return found


def purchase(seq: int, basket: Basket) -> Purchase:
    """A basket as an event of a member's stream."""
    return Purchase(seq, basket.time, str(basket.basket_id), basket.lines)


def run_as_it_is(baskets: Sequence[Basket]) -> Iterator[Row]:
    """Rows 1 to 4: no day closed, then three days closed one after another."""
    programme = reference_programme(CURRENCY, ZONE_NAME)
    members = []
    for own in per_household(baskets).values():
        member = Member(programme)
        for seq, basket in enumerate(own, 1):
            member.apply(purchase(seq, basket))
        members.append(member)
    yield summary(ROWS[0].run, members)
    for row, day in zip(ROWS[1:4], (date(2018, 7, 1), date(2019, 1, 1), date(2020, 1, 1)), strict=True):
        for member in members:
            member.close_day(start_of_day(day, ZONE))
        yield summary(row.run, members)


def refunded_whole(basket: Basket) -> bool:
    """Which baskets rows 5 and 6 refund."""
    return basket.basket_id % 10 == 0 and basket.amount_minor > 0


Told = tuple[datetime, int, int, Basket]  # arrival, 0 = purchase or 1 = refund, basket id, basket


def told(baskets: Iterable[Basket], refund_after: timedelta, late: bool) -> list[Told]:
    """A stream by arrival, purchases before refunds, then id."""
    stream: list[Told] = []
    for basket in baskets:
        number = basket.basket_id
        delay = timedelta(hours=24 * (number // 10 % 9 + 1)) if late and number % 10 == 5 else timedelta(0)
        stream.append((basket.time + delay, 0, number, basket))
        if refunded_whole(basket):
            stream.append((basket.time + refund_after, 1, number, basket))
    return sorted(stream, key=lambda each: each[:3])


def event_of(seq: int, each: Told) -> Event:
    """What was told as a numbered event; a refund is one of all lines."""
    arrival, is_refund, number, basket = each
    if not is_refund:
        return purchase(seq, basket)
    lines = tuple((line.line_id, line.amount_minor) for line in basket.lines if line.amount_minor)
    return Refund(seq, arrival, f"{number}-whole", str(number), lines)


def run_refunds(baskets: Sequence[Basket]) -> Iterator[Row]:
    """Row 5: every tenth basket comes back 72 h later."""
    programme = reference_programme(CURRENCY, ZONE_NAME)
    members = []
    for own in per_household(baskets).values():
        member = Member(programme)
        for seq, each in enumerate(told(own, timedelta(hours=72), late=False), 1):
            member.apply(event_of(seq, each))
        members.append(member)
    yield summary(ROWS[4].run, members)


def run_short(baskets: Sequence[Basket]) -> Iterator[Row]:
    """Row 6: the short programme, late arrivals, refunds 720 h later, every day closed 6 h after its end."""
    programme = short_programme(CURRENCY, ZONE_NAME)
    first = local_day(min(basket.time for basket in baskets), ZONE)
    days = [first + timedelta(days=n) for n in range((date(2018, 2, 15) - first).days + 1)]
    closes = [start_of_day(day, ZONE) for day in days]
    members = [_one_short(programme, own, closes) for own in per_household(baskets).values()]
    yield summary(ROWS[5].run, members)


def _one_short(programme: Programme, own: Sequence[Basket], closes: Sequence[datetime]) -> Member:
    member = Member(programme)
    waiting = list(reversed(closes))
    for seq, each in enumerate(told(own, timedelta(hours=720), late=True), 1):
        while waiting and waiting[-1] + timedelta(hours=6) <= each[0]:
            member.close_day(waiting.pop())
        member.apply(event_of(seq, each))
    for as_of in reversed(waiting):
        member.close_day(as_of)
    return member


def say(text: str) -> None:
    """One line to the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(names: Sequence[str]) -> int:
    """Print the rows, with the seconds each took; returns 1 if one differs from the specification."""
    begun = time.perf_counter()
    baskets = load_baskets()
    say(f"{len(baskets)} baskets loaded in {time.perf_counter() - begun:.1f} s")
    runs = {"1": run_as_it_is, "5": run_refunds, "6": run_short}
    wrong = 0
    for name in names or runs:
        begun = time.perf_counter()
        for row in runs[name](baskets):
            same = specified(row)
            wrong += not same
            tiers = " / ".join(str(count) for count in row.tiers)
            say(
                f"{row.run:28} {tiers:28} points {row.points:,}  ends {row.ends:,}  demotions {row.demotions:,}  "
                f"corrected {row.corrected_tier} + {row.corrected_dates}  "
                f"{'as specified' if same else 'DIFFERS'}  {time.perf_counter() - begun:.1f} s",
            )
            begun = time.perf_counter()
    return 1 if wrong else 0


def specified(found: Row) -> bool:
    """Whether a row is the specified one; rows 2 to 4 do not say how many were lowered, but no refund is among them."""
    return found == next(row for row in ROWS if row.run == found.run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
