"""Reaching a tier again while in it: changes nothing (once, domain.md 4.1), or begins the period anew (repeatedly), as tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.tier_svc.domain.ladders import Told, reference_document, rules_of
from tests.unit.tier_svc.domain.test_checks import says
from tests.unit.tier_svc.domain.test_clubs import WINE
from tier_svc.domain.ladder import Rules, Timeline

REPEATEDLY = {"requalify": "repeatedly"}
BOTH: dict[str, dict[str, Any]] = {"silver": REPEATEDLY, "gold": REPEATEDLY}


def rules(tiers: dict[str, dict[str, Any]] | None = None, version: int = 1, **terms: Any) -> Rules:
    document = reference_document(**terms)
    for tier in document["tiers"]["ladder"]:
        tier.update((BOTH if tiers is None else tiers).get(tier["id"], {}))
    return rules_of(document, version=version)


def silver(tiers: dict[str, dict[str, Any]] | None = None, **terms: Any) -> Told:
    """Silver since 1 March 2025."""
    told = Told(rules(tiers, **terms))
    told.buys("2025-03-01", 20_000)
    return told


@pytest.mark.parametrize(
    ("option", "until", "facts"),
    [({}, "2026-03-01", 1), ({"requalify": "once"}, "2026-03-01", 1), (REPEATEDLY, "2026-06-01", 2)],
)
def test_a_tier_reached_again(option: dict[str, Any], until: str, facts: int) -> None:
    told = silver({"silver": option})
    told.buys("2025-06-01", 20_000)
    assert (told.tier, told.until, len(told.stream.facts)) == ("silver", until, facts)


def test_the_new_period_is_told_with_its_reason_and_interrupts_nothing() -> None:
    told = silver()
    told.buys("2025-06-01", 20_000)
    again = told.stream.facts[-1]
    assert (again.ordinal, again.kind, again.tier_from, again.tier_to) == (2, "kept", "silver", "silver")
    assert (again.cause, again.holds_after, again.at) == ("activity 2", 2, told.at("2025-06-01"))
    assert again.rule == "silver is reached again: largest_order 20000 ≥ 20000"
    standing = told.stream.standing
    assert (standing.since, standing.held_since) == (told.at("2025-06-01"), told.at("2025-03-01").date())
    assert told.stream.ends == []


@pytest.mark.parametrize(
    ("terms", "again", "until", "told_again"),
    [
        ({}, "2025-03-01 23:59", "2026-03-01", 0),  # the same day: it would last no longer
        ({}, "2025-03-02", "2026-03-02", 1),
        ({"period": {"ends": "month"}}, "2025-03-31", "2026-04-01", 1),
        ({"period": {"ends": "month"}}, "2025-04-02", "2026-05-01", 1),
        ({"period": {"kind": "calendar", "dates": ["12-31"]}, "validity_months": 0}, "2025-12-31", "2026-01-01", 0),
        ({"period": {"kind": "anniversary"}}, "2025-11-01", "2026-03-01", 0),
        ({"period": {"kind": "none"}}, "2025-11-01", None, 0),
    ],
)
def test_only_a_period_that_lasts_longer_begins(
    terms: dict[str, Any], again: str, until: str | None, told_again: int
) -> None:
    told = silver(**terms)
    told.buys(again, 100)
    assert (told.until, len(told.stream.facts) - 1) == (until, told_again)


def test_who_reaches_more_rises_and_is_told_once() -> None:
    told = silver()
    told.buys("2025-06-01", 100_000)
    assert (told.tier, told.kinds) == ("gold", ["raised", "raised"])


@pytest.mark.parametrize(
    ("told_on", "until"), [("2026-02-28", "2027-02-28"), ("2026-02-27", "2027-02-27")], ids=["last day", "day before"]
)
def test_a_window_is_reached_again_as_long_as_it_holds_enough(told_on: str, until: str) -> None:
    """1000.00 of 1 March 2025 lie in the 365 days up to 28 February 2026."""
    told = Told(rules())
    told.buys("2025-03-01 10:00", 100_000)
    told.does(told_on, "sign_in")
    assert (told.tier, told.until) == ("gold", until)


def test_what_has_left_the_window_reaches_nothing_again() -> None:
    told = Told(rules())
    told.buys("2025-03-01 10:00", 60_000)
    told.buys("2025-09-01 10:00", 40_000)
    assert (told.tier, told.until) == ("gold", "2026-09-01")
    told.does("2026-03-01", "sign_in")
    assert told.until == "2026-09-01"
    told.day_closes("2026-09-01")
    assert (told.tier, told.kinds[-1]) == ("silver", "lapsed")


def test_after_a_lapse_the_counters_begin_anew_for_reaching_again_too() -> None:
    told = silver(validity_months=1)
    told.day_closes("2026-04-02")  # twelve times kept, then nothing is left of the year
    assert told.tier == "regular"
    told.buys("2026-04-03", 19_999)
    assert told.tier == "regular"
    told.buys("2026-04-04", 30_001)
    told.does("2026-04-07", "sign_in")
    assert (told.tier, told.until) == ("silver", "2026-05-07")


@pytest.mark.parametrize(("left", "tier", "until"), [(20_000, "silver", "2026-06-01"), (19_999, "regular", None)])
def test_a_refund_gives_no_period_back_but_may_take_the_tier(left: int, tier: str, until: str | None) -> None:
    """The order that began the period anew is refunded whole; of the first one so much is left."""
    told = Told(rules())
    first = told.buys("2025-03-01", 20_000)
    second = told.buys("2025-06-01", 20_000)
    told.refunds("2025-06-02", second, 20_000)
    assert (told.tier, told.until) == ("silver", "2026-06-01")
    if left < 20_000:
        told.refunds("2025-06-03", first, 20_000 - left)
    assert (told.tier, told.until) == (tier, until)


def test_a_refund_reaches_nothing_again() -> None:
    told = Told(rules())
    order = told.buys("2025-03-01", 30_000)
    told.refunds("2025-06-01", order, 1)
    assert (told.tier, told.until) == ("silver", "2026-03-01")


@pytest.mark.parametrize(
    ("amount", "kinds", "until"),
    [
        (50_000, ["corrected"], "2027-03-02"),  # T8: 500.00 in the year up to the clock are not enough to reach gold
        (100_000, ["corrected", "kept"], "2027-03-04"),
    ],
)
def test_something_late_has_the_end_judged_again_and_then_reaches_by_itself(
    amount: int, kinds: list[str], until: str
) -> None:
    told = Told(rules({"gold": REPEATEDLY}))
    told.buys("2025-03-01 10:00", 40_000)
    told.buys("2025-03-02 10:00", 60_000)
    told.day_closes("2026-03-04")
    before = len(told.kinds)
    told.buys("2026-03-01 10:00", amount)
    assert (told.tier, told.until, told.kinds[before:]) == ("gold", until, kinds)
    assert {fact.holds_after for fact in told.stream.facts[before:]} == {3}


def test_an_end_judged_again_meets_what_was_reached_again_behind_it() -> None:
    """The way from the end to the clock is walked again with all that lay on it: gold is kept, and reached again on the 3rd."""
    told = Told(rules({"gold": REPEATEDLY}))
    told.buys("2025-03-01 10:00", 40_000)
    told.buys("2025-03-02 10:00", 60_000)
    told.day_closes("2026-03-02")
    assert told.tier == "silver"
    told.buys("2026-03-03 10:00", 60_000)  # silver: 600.00 in the year up to the 3rd
    told.day_closes("2026-03-04")
    told.buys("2026-03-01 10:00", 50_000)
    assert (told.tier, told.until, told.kinds[-2:]) == ("gold", "2027-03-04", ["corrected", "kept"])


def test_in_grace_a_tier_reached_again_waits_for_no_judgement() -> None:
    told = Told(rules({"gold": REPEATEDLY}, grace_days=10))
    told.buys("2025-03-01 10:00", 40_000)
    told.buys("2025-03-02 10:00", 60_000)
    told.buys("2026-03-05 10:00", 100_000)  # the end of 2 March would not be kept
    assert (told.tier, told.until, told.kinds) == ("gold", "2027-03-05", ["raised", "raised", "kept"])
    told.day_closes("2026-03-20")
    assert told.tier == "gold"


def test_a_version_with_a_shorter_validity_shortens_no_period() -> None:
    first, second = rules(), rules(version=2, validity_months=1)
    told = Told(first)
    told.timeline = Timeline([(None, first), (told.at("2025-04-01"), second)])
    told.buys("2025-03-01", 20_000)
    told.buys("2025-04-02", 20_000)
    assert (told.until, told.kinds) == ("2026-03-01", ["raised"])
    told.buys("2026-02-15", 20_000)
    assert (told.until, told.kinds) == ("2026-03-15", ["raised", "kept"])


def test_a_permanent_tier_has_no_period_to_begin_anew() -> None:
    told = silver({"silver": REPEATEDLY | {"permanent": True}})
    told.buys("2025-06-01", 20_000)
    assert (told.until, told.kinds) == (None, ["raised"])


def test_an_override_on_top_hides_nothing_of_it() -> None:
    told = silver()
    told.buys("2025-06-01", 20_000)
    fact = told.stream.facts[-1]
    assert (fact.applied_from, fact.applied_to) == ("silver", "silver")


def test_a_club_is_reached_again_too() -> None:
    club = WINE | {"ladder": [WINE["ladder"][0], WINE["ladder"][1] | REPEATEDLY]}
    told = Told(rules_of(reference_document(clubs=[club])))
    for day in ("2025-03-01", "2025-03-02", "2025-03-20"):
        told.buys(day, 100)
    facts = told.stream.clubs.facts
    assert [(fact.kind, fact.holds_after) for fact in facts] == [("raised", 2), ("kept", 3)]
    assert facts[-1].standing.until == told.at("2025-06-20")


def test_the_lowest_tier_is_not_reached_again() -> None:
    document = reference_document()
    document["tiers"]["ladder"][0] |= REPEATEDLY
    assert "regular is the lowest tier: it has no period" in says(document)
    document["tiers"]["ladder"][0]["requalify"] = "always"
    with pytest.raises(ValueError, match="requalify"):
        rules_of(document)
