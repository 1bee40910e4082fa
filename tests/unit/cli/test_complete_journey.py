"""Complete Journey as domain.md 3.7 reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from laurel_cli.importing import complete_journey
from laurel_cli.importing.reports import Prepared
from laurel_contracts.activities import PurchaseRecorded
from laurel_contracts.envelope import Event


class Seen(msgspec.Struct):
    """What the tests want to know of one report."""

    id: str
    time: datetime
    data: PurchaseRecorded


@pytest.fixture(scope="module")
def transactions() -> Any:
    return complete_journey.load()


@pytest.fixture(scope="module")
def year(transactions: Any) -> list[tuple[bytes, Seen]]:
    decode = msgspec.json.Decoder(Seen).decode
    found = []
    for one in complete_journey.CompleteJourney(transactions):
        assert isinstance(one, Prepared)
        found.append((one.lane_key, decode(one.body)))
    return found


def test_there_are_as_many_baskets_members_and_baskets_worth_nothing_as_the_specification_says(
    transactions: Any, year: list[tuple[bytes, Seen]]
) -> None:
    source = complete_journey.CompleteJourney(transactions)
    assert source.total == len(year) == len({seen.id for _, seen in year}) == 155_848
    assert source.households == len({key for key, _ in year}) == 2_469
    assert sum(seen.data.amount_minor == 0 for _, seen in year) == 478
    assert sum(len(seen.data.lines) for _, seen in year) == 1_469_307
    assert sum(seen.data.amount_minor for _, seen in year) == 459_603_958


def test_every_purchase_is_worth_its_lines_and_knows_its_categories(year: list[tuple[bytes, Seen]]) -> None:
    assert all(seen.data.amount_minor == sum(line.amount_minor for line in seen.data.lines) for _, seen in year)
    categories = {line.category for _, seen in year for line in seen.data.lines}
    assert {"COFFEE", "ICE CREAM/MILK/SHERBTS", "unknown"} <= categories
    assert len(categories) > 200


def test_baskets_come_by_receipt_time_and_then_by_number(year: list[tuple[bytes, Seen]]) -> None:
    """By the wall clock of the receipts: so an instant goes back only where the clock was put forward, by an hour at most."""
    steps = [(after.time - before.time) for (_, before), (_, after) in pairwise(year)]
    assert min(steps) >= -timedelta(hours=1)
    assert year[0][1].id == "31198570044"
    assert year[0][1].time == datetime(2017, 1, 1, 16, 53, 26, tzinfo=UTC)


def test_a_choice_of_households_is_the_first_so_many_with_all_their_baskets(transactions: Any) -> None:
    few = complete_journey.CompleteJourney(complete_journey.load(10))
    assert few.households == 10
    assert 0 < few.total < complete_journey.CompleteJourney(transactions).total


@pytest.mark.parametrize(
    "now",
    [
        "2026-11-24T15:00:00+00:00",
        "2026-11-24T09:00:00+00:00",
        "2026-03-08T07:30:00+00:00",
        "2018-01-01T09:01:20+00:00",
    ],
)
def test_the_year_is_moved_by_whole_days_to_end_within_the_last_day_and_never_in_the_future(
    transactions: Any, now: str
) -> None:
    at = datetime.fromisoformat(now)
    days = complete_journey.days_until(at, transactions)
    last = datetime(2018, 1, 1, 4, 1, 20) + timedelta(days=days)
    ends = last.replace(tzinfo=complete_journey.ZONE)
    assert ends <= at
    assert at - ends < timedelta(days=1, hours=1)


def test_reports_are_whole_cloudevents(transactions: Any) -> None:
    first = next(iter(complete_journey.CompleteJourney(transactions, shift_days=1)))
    assert isinstance(first, Prepared)
    event = msgspec.json.decode(first.body, type=Event[PurchaseRecorded])
    assert event.time == datetime(2017, 1, 2, 16, 53, 26, tzinfo=UTC)
    assert b'"specversion":"1.0"' in first.body
    assert b'"identifier":{"kind":"external_id","value":"900"}' in first.body
