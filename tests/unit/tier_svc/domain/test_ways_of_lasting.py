"""Whole histories under the other terms of domain.md 4.2 and 4.3, as tables: periods of other kinds, grace, what lapses and what a refund
does, tiers that never drop, conditions joined by any and all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.tier_svc.domain.ladders import Told, reference_document, rules_of, short_document
from tier_svc.domain.ladder import Timeline
from tier_svc.domain.needs import needs_of


def member(short: bool = False, tier: dict[str, dict[str, Any]] | None = None, **tiers: Any) -> Told:
    document = short_document() if short else reference_document()
    document["tiers"].update(tiers)
    for each in document["tiers"]["ladder"]:
        each.update((tier or {}).get(each["id"], {}))
    return Told(rules_of(document))


@pytest.mark.parametrize(
    ("terms", "until"),
    [
        ({}, "2026-03-02"),
        ({"period": {"kind": "none"}}, None),
        ({"period": {"ends": "month"}}, "2026-04-01"),
        ({"period": {"ends": "quarter"}}, "2026-04-01"),
        ({"period": {"ends": "year"}}, "2027-01-01"),
        ({"period": {"kind": "calendar", "dates": ["12-31"]}, "validity_months": 0}, "2026-01-01"),
        ({"period": {"kind": "calendar", "ends": "quarter"}, "validity_months": 0}, "2025-04-01"),
        ({"period": {"kind": "calendar", "ends": "month"}, "validity_months": 0}, "2025-04-01"),
        ({"period": {"kind": "anniversary"}}, "2026-03-01"),
        ({"period": {"kind": "anniversary"}, "validity_months": 6}, "2025-09-01"),
    ],
)
def test_until_when_a_rise_of_2_march_lasts(terms: dict[str, Any], until: str | None) -> None:
    told = member(**terms)
    told.does("2025-03-01", "sign_in")
    told.buys("2025-03-02 12:00", 20_000)
    assert (told.tier, told.until) == ("silver", until)


@pytest.mark.parametrize(
    ("terms", "ends"),
    [
        ({"validity_months": 0, "period": {"ends": "month"}}, ["04-01", "05-01", "06-01", "07-01"]),
        ({"validity_months": 0, "period": {"ends": "quarter"}}, ["04-01", "07-01"]),
        ({"validity_months": 1}, ["04-02", "05-02", "06-02", "07-02"]),
        ({"validity_months": 1, "period": {"kind": "anniversary"}}, ["03-31", "04-30", "05-31", "06-30"]),
    ],
)
def test_ends_follow_each_other_by_month_and_quarter(terms: dict[str, Any], ends: list[str]) -> None:
    told = member(tier={"silver": {"keep": [{"always": True}]}}, **terms)
    told.does("2025-01-31", "sign_in")
    told.buys("2025-03-02 12:00", 20_000)
    told.day_closes("2025-07-02")
    judged = [fact for fact in told.stream.facts if fact.kind == "kept"]
    assert [told.rules.calendar.day_of(fact.at).isoformat()[5:] for fact in judged] == ends


@pytest.mark.parametrize(
    ("on_lapse", "own", "tiers"),
    [
        ("to_kept", None, ["regular"]), ("one_step", None, ["gold", "silver", "regular"]),
        ("never", None, ["diamond"]), ("to_kept", "one_step", ["gold", "regular"]),
        ("one_step", "never", ["diamond"]), ("never", "to_kept", ["regular"]),
    ],
)  # fmt: skip
def test_several_lapses_in_a_row(on_lapse: str, own: str | None, tiers: list[str]) -> None:
    told = member(tier={"diamond": {"on_lapse": own} if own else {}}, on_lapse=on_lapse)
    told.buys("2020-03-01", 900_000)
    told.day_closes("2020-03-02")
    seen = []
    for year in range(2022, 2027):  # on 1 March 2021 the year still holds the order
        told.day_closes(f"{year}-03-02")
        seen.append(told.tier)
    assert list(dict.fromkeys(seen)) == tiers


def test_all_ends_that_have_passed_are_judged_at_once_and_in_order() -> None:
    told = member(on_lapse="one_step")
    told.buys("2020-03-01 12:00", 900_000)
    told.does("2026-01-01", "sign_in")
    assert [(f.kind, f.tier_to, f.holds_after) for f in told.stream.facts[1:]] == [
        ("kept", "diamond", 1), ("lapsed", "gold", 1), ("lapsed", "silver", 1), ("lapsed", "regular", 1),
    ]  # fmt: skip


def test_a_permanent_tier_is_lost_by_no_end_and_no_refund() -> None:
    told = member(tier={"diamond": {"permanent": True}})
    order = told.buys("2020-03-01", 900_000)
    told.refunds("2020-03-02", order, 900_000)
    told.day_closes("2030-01-01")
    assert (told.tier, told.until, told.kinds) == ("diamond", None, ["raised"])


def test_a_tier_may_last_longer_than_the_others() -> None:
    told = member(tier={"gold": {"validity_months": 24}})
    told.buys("2025-03-01", 20_000)
    assert told.until == "2026-03-01"
    told.buys("2025-03-02", 100_000)
    assert told.until == "2027-03-02"


class TestGrace:
    """T4 and its neighbours: gold of 2 March, whose end is judged 30 days later."""

    def gold(self, **tiers: Any) -> Told:
        told = member(**({"grace_days": 30} | tiers))
        told.buys("2025-03-01", 40_000)
        told.buys("2025-03-02", 60_000)
        return told

    def test_meanwhile_the_old_tier_applies(self) -> None:
        told = self.gold()
        told.day_closes("2026-03-31")
        assert (told.tier, told.until, told.kinds) == ("gold", "2026-03-02", ["raised", "raised"])

    def test_then_it_is_judged_as_of_the_end_and_all_begins_there(self) -> None:
        told = self.gold()
        told.day_closes("2026-04-01")
        standing = told.stream.standing
        assert (told.tier, told.until, told.kinds[-1]) == ("silver", "2027-03-02", "lapsed")
        assert (standing.since, standing.restart) == (told.at("2026-03-02"), told.at("2026-03-02"))

    @pytest.mark.parametrize(("happened", "tier"), [("2026-03-01 23:59", "gold"), ("2026-03-02 00:00", "silver")])
    def test_what_happened_before_the_end_counts_however_late_it_comes(self, happened: str, tier: str) -> None:
        told = self.gold()
        told.day_closes("2026-03-30")
        told.buys(happened, 50_000)
        told.day_closes("2026-04-01")
        assert told.tier == tier

    def test_counters_begin_at_the_end_with_what_came_since(self) -> None:
        told = self.gold()
        told.buys("2026-03-10", 7_000)
        told.buys("2026-03-20", 5_000)
        told.day_closes("2026-04-01")
        assert (told.tier, told.stream.sums.values[:2]) == ("silver", [12_000, 7_000])
        told.buys("2026-04-02", 1_000)
        assert told.stream.sums.values[:2] == [13_000, 7_000]

    def test_a_rise_meanwhile_begins_a_period_of_its_own(self) -> None:
        told = self.gold()
        told.buys("2026-03-10", 300_000)
        assert (told.tier, told.until) == ("diamond", "2027-03-10")
        told.day_closes("2026-04-02")
        assert told.kinds == ["raised", "raised", "raised"]

    def test_a_late_activity_after_the_judgement_has_it_judged_again(self) -> None:
        told = self.gold(grace_days=2)
        told.buys("2026-03-03", 100)
        told.day_closes("2026-03-05")
        assert told.tier == "silver"
        told.buys("2026-03-01 10:00", 50_000)
        assert (told.tier, told.kinds[-1], told.until) == ("gold", "corrected", "2027-03-02")

    @pytest.mark.parametrize(
        ("ends", "judged"), [("month", "2026-04-01"), ("quarter", "2026-04-01"), ("year", "2027-01-01")]
    )
    def test_grace_is_rounded_to_the_end_of_a_unit(self, ends: str, judged: str) -> None:
        told = self.gold(grace_days=0, grace_ends=ends)
        assert told.stream.wakes_at == told.at(judged)

    def test_the_grace_of_a_running_period_stays_what_it_was(self) -> None:
        told = self.gold()
        without = rules_of(reference_document(), version=2)
        told.timeline = Timeline([(None, told.rules), (told.at("2025-06-01"), without)])
        told.day_closes("2026-03-31")
        assert told.tier == "gold"
        told.day_closes("2026-04-01")
        assert (told.tier, told.stream.standing.due) == ("silver", None)


@pytest.mark.parametrize(
    ("on_refund", "tier", "at_end"), [("at_once", "regular", "regular"), ("at_period_end", "silver", "regular")]
)
def test_a_refund_lowers_at_once_or_at_the_end_of_the_period(on_refund: str, tier: str, at_end: str) -> None:
    told = member(on_refund=on_refund)
    order = told.buys("2025-03-01 12:00", 20_000)
    told.refunds("2025-03-02", order, 20_000)
    assert told.tier == tier
    told.day_closes("2026-03-01")
    assert told.tier == at_end


ANY = {"any": [{"metric": "orders_in_days", "days": 30, "at_least": 3}, {"metric": "growth_total", "at_least": 100}]}
BOTH = {"all": [{"metric": "active_days_in_days", "days": 10, "at_least": 3}, ANY]}
QUIET = {
    "all": [{"metric": "spend_total", "at_least": 5_000}, {"metric": "complaints_in_days", "days": 90, "at_most": 0}]
}


@pytest.mark.parametrize(
    ("reach", "does", "tier"),
    [
        (ANY, ["buys 1", "buys 1"], "regular"), (ANY, ["buys 1", "buys 1", "buys 1"], "silver"),
        (ANY, ["buys 10000"], "silver"), (ANY, ["review"] * 9, "regular"), (ANY, ["review"] * 10, "silver"),
        (BOTH, ["buys 10000"], "regular"), (BOTH, ["buys 10000", "sign_in", "sign_in"], "silver"),
        (BOTH, ["sign_in", "sign_in", "sign_in"], "regular"), (BOTH, ["complaint", "sign_in", "buys 10000"], "regular"),
        (QUIET, ["buys 5000"], "silver"), (QUIET, ["complaint", "buys 5000"], "regular"),
        (QUIET, ["buys 4999"], "regular"), (QUIET, ["share"] * 50, "regular"),
    ],
)  # fmt: skip
def test_conditions_joined_by_any_and_all(reach: dict[str, Any], does: list[str], tier: str) -> None:
    told = member(tier={"silver": {"reach": [reach], "keep": []}})
    for day, what in enumerate(does, start=1):
        time = f"2025-{3 + day // 29:02}-{day % 28 + 1:02}"
        if what.startswith("buys"):
            told.buys(time, int(what.split()[1]))
        else:
            told.does(time, what)
    assert told.tier == tier


def test_each_way_of_a_joined_condition_is_told_with_what_is_missing() -> None:
    told = member(tier={"silver": {"reach": [BOTH], "keep": []}})
    told.buys("2025-03-01", 4_000)
    assert told.stream.clock is not None
    ways = needs_of(told.stream, told.timeline, told.stream.clock).next
    assert [{each.metric: each.missing for each in way.all_of} for way in ways] == [
        {"active_days_in_days(10)": 2, "orders_in_days(30)": 2}, {"active_days_in_days(10)": 2, "growth_total": 60},
    ]  # fmt: skip
