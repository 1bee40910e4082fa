"""Clubs beside the main ladder (features T27): structures of their own on the same metrics, as tables."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from laurel_contracts.activities import OrderLine
from tests.unit.tier_svc.domain.keeping import Keeper
from tests.unit.tier_svc.domain.ladders import Told, reference_document, rules_of
from tests.unit.tier_svc.domain.test_checks import says
from tier_svc.domain.ladder import Timeline
from tier_svc.domain.steps import Step

WINE: dict[str, Any] = {
    "id": "wine",
    "validity_months": 3,
    "ladder": [
        {"id": "guest"},
        {
            "id": "friend",
            "reach": [{"metric": "orders_in_days", "days": 30, "at_least": 2}],
            "keep": [{"metric": "orders_in_days", "days": 30, "at_least": 1}],
        },
        {"id": "connoisseur", "reach": [{"metric": "largest_order", "at_least": 50_000}]},
    ],
}


def member(*clubs: dict[str, Any], **tiers: Any) -> Told:
    return Told(rules_of(reference_document(clubs=list(clubs or (WINE,)), **tiers)))


def held(told: Told, club: str = "wine") -> str:
    now = told.stream.clubs.kept.get(club)
    return told.rules.clubs[club].name(now.standing.tier if now else "")


@pytest.mark.parametrize(
    ("amounts", "main", "club"),
    [
        ([100], "regular", "guest"), ([100, 100], "regular", "friend"), ([20_000], "silver", "guest"),
        ([50_000], "silver", "connoisseur"), ([100, 100, 50_000], "silver", "connoisseur"), ([120_000], "gold", "connoisseur"),
    ],
)  # fmt: skip
def test_a_club_and_the_main_ladder_know_nothing_of_each_other(amounts: list[int], main: str, club: str) -> None:
    told = member()
    for day, amount in enumerate(amounts, start=1):
        told.buys(f"2025-03-{day:02}", amount)
    assert (told.tier, held(told)) == (main, club)


def test_the_main_ladder_is_the_same_with_and_without_clubs() -> None:
    """INVARIANT: who knows only the main ladder does not notice clubs.

    Clubs whose facts took ordinals of the main ladder, or whose lapses began its counters anew, would break it."""
    facts = []
    for told in (member(), Told(rules_of(reference_document()))):
        order = told.buys("2025-03-01", 60_000)
        told.buys("2025-03-02", 100_000)
        told.day_closes("2025-08-01")
        told.refunds("2025-08-02", order, 50_000)
        told.day_closes("2026-08-01")
        facts.append(told.stream.facts)
    assert facts[0] == facts[1]


def test_a_club_has_periods_of_its_own() -> None:
    told = member()
    told.buys("2025-03-01", 100)
    told.buys("2025-03-02", 100)
    told.day_closes("2025-06-02")
    assert [(f.ordinal, f.kind, f.tier_from, f.tier_to, f.holds_after) for f in told.stream.clubs.facts] == [
        (1, "raised", "guest", "friend", 2), (2, "lapsed", "friend", "guest", 2),
    ]  # fmt: skip
    assert told.stream.clubs.facts[0].rule == "friend is reached: orders_in_days(30) 2 ≥ 2"
    assert told.kinds == []


def test_a_lapse_of_a_club_begins_its_own_counters_anew() -> None:
    told = member(
        WINE | {"ladder": [{"id": "guest"}, {"id": "friend", "reach": [{"metric": "spend_total", "at_least": 300}]}]}
    )
    told.buys("2025-03-01", 300)
    told.day_closes("2025-06-01")
    assert held(told) == "guest"
    told.buys("2025-06-02", 299)
    assert (held(told), told.stream.sums.values[0]) == ("guest", 599)
    told.buys("2025-06-03", 1)
    assert held(told) == "friend"


def test_a_refund_undoes_what_the_order_was_for_the_club() -> None:
    told = member()
    order = told.buys("2025-03-01", 50_000)
    assert held(told) == "connoisseur"
    told.refunds("2025-03-05", order, 1)
    assert held(told) == "guest"
    assert told.stream.clubs.facts[-1].kind == "lowered"


def test_something_late_has_the_ends_of_the_club_judged_again() -> None:
    told = member()
    told.buys("2025-03-01", 100)
    told.buys("2025-03-02", 100)
    told.day_closes("2025-06-20")
    assert held(told) == "guest"
    told.buys("2025-05-20", 100)
    assert (held(told), told.stream.clubs.facts[-1].kind) == ("friend", "raised")


def test_a_club_that_a_version_brings_knows_what_was_before() -> None:
    told = Told(rules_of(reference_document()))
    told.buys("2025-03-01", 50_000)
    second = rules_of(reference_document(clubs=[WINE]), version=2)
    told.timeline = Timeline([(None, told.rules), (told.at("2025-04-01"), second)])
    told.does("2025-03-20", "sign_in")
    assert told.stream.clubs.kept == {}
    told.does("2025-04-02", "sign_in")
    told.rules = second
    assert held(told) == "connoisseur"


FRIENDS = WINE | {"ladder": WINE["ladder"][:2]}  # windows alone
TOTALS = WINE | {
    "ladder": [{"id": "guest"}, {"id": "friend", "reach": [{"metric": "spend_total", "at_least": 60_000}]}]
}


@pytest.mark.parametrize(
    ("club", "lapses", "with_past"),
    [
        (WINE, 0, 0),
        (TOTALS, 0, 0),  # nobody has lapsed: both count from the beginning
        (FRIENDS, 1, 1),  # the end of its period
        (TOTALS, 1, 3),  # the purchases behind its lapse, the first of which brings the end with it
    ],
)
def test_the_whole_past_is_read_only_where_the_running_sums_cannot_tell(
    club: dict[str, Any], lapses: int, with_past: int
) -> None:
    rules = rules_of(reference_document(clubs=[club]))
    keeper, timeline = Keeper(), Timeline([(None, rules)])
    days = [date(2025, 3, 1) + timedelta(days=9 * n) for n in range(8)]
    if lapses:
        days += [date(2025, 9, 1) + timedelta(days=n) for n in range(3)]
    for seq, day in enumerate(days, start=1):
        time = rules.calendar.start_of(day)
        line = OrderLine(line_id="1", sku="s", category="grocery", quantity=1, amount_minor=10_000)
        step = Step(seq, time, day, timeline)
        keeper.batch(
            lambda stream, step=step, line=line: stream.purchase(step, f"o{step.seq}", (line,), 10_000, rules),  # type: ignore[misc]
            reaches=time, days=[day.toordinal()], refunds=[],
        )  # fmt: skip
    assert [fact.kind for fact in keeper.club_facts][:2] == (["raised", "lapsed"] if lapses else ["raised"])
    assert keeper.judged_with_past == with_past


@pytest.mark.parametrize(
    ("clubs", "reason"),
    [
        ([WINE, WINE], "wine stands twice"),
        ([WINE | {"ladder": []}], "a ladder needs at least one tier"),
        ([WINE | {"ladder": [{"id": "guest"}, {"id": "friend"}]}], "friend cannot be reached"),
        ([WINE | {"validity_months": 0}], "a period of friend would end where it begins"),
    ],
)
def test_a_club_that_makes_no_sense_is_refused(clubs: list[dict[str, Any]], reason: str) -> None:
    assert reason in says(reference_document(clubs=clubs))
