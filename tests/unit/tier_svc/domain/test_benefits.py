"""Benefits bound to tiers: who has what on which day, as tables, and what a programme may not promise."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laurel_contracts import programme as document
from tests.unit.tier_svc.domain.ladders import reference_document
from tier_svc.domain.benefit_checks import faults_of_benefits
from tier_svc.domain.benefits import Catalogue, Holder, Verdict, best_of_each, spans_of, verdict
from tier_svc.domain.spans import EVER, Span, birthday_near, span_of
from tier_svc.store.shelf import benefits_of

DAY = date(2026, 5, 4)  # a Monday

CATALOGUE: dict[str, Any] = {
    "packs": [{"id": "fashion", "name": "时尚"}, {"id": "family", "name": "家庭"}],
    "catalogue": [
        {"id": "price", "kind": "member_price"},
        {"id": "family-price", "kind": "member_price", "percent_off": 25, "from_tier": "silver", "packs": ["family"]},
        {"id": "delivery", "kind": "free_delivery", "from_tier": "silver", "limits": {"per_member": 2, "per": "month"}},
        {"id": "desk", "kind": "priority_service", "from_tier": "gold"},
        {
            "id": "gift", "kind": "birthday_gift", "from_tier": "silver", "gives": "cake",
            "around_birthday": {"days_before": 7, "days_after": 3}, "limits": {"per_member": 1, "per": "birthday"},
        },
        {"id": "party", "kind": "birthday_event", "tiers": ["diamond"], "around_birthday": {"days_after": 30}},
        {"id": "preview", "kind": "exclusive_campaign", "tiers": ["gold"], "limits": {"total": 100, "total_per": "quarter"}},
        {"id": "lasts", "kind": "point_validity", "from_tier": "gold", "months": 24},
    ],
}  # fmt: skip


def catalogue_of(benefits: dict[str, Any] | None = CATALOGUE) -> Catalogue:
    words = reference_document() | ({} if benefits is None else {"benefits": benefits})
    programme = document.parse(words)
    assert faults_of_benefits(benefits_of(programme), programme.tiers.ladder) == []
    return Catalogue(benefits_of(programme), programme.tiers.ladder)


def all_of(
    holder: Holder, day: date = DAY, used: dict[str, int] | None = None, taken: dict[str, int] | None = None
) -> dict[str, Verdict]:
    catalogue = catalogue_of()
    verdicts = [
        verdict(
            each, holder, catalogue.ladder, day,
            used=(used or {}).get(each.id, 0),
            taken=None if each.total is None else (taken or {}).get(each.id, 0),
        )
        for each in catalogue.benefits.values()
    ]  # fmt: skip
    return {each.benefit.id: each for each in best_of_each(verdicts)}


@pytest.mark.parametrize(
    ("holder", "applies"),
    [
        (Holder("regular"), ""),
        (Holder("silver"), "price delivery"),
        (Holder("gold"), "price delivery desk preview lasts"),
        (Holder("diamond"), "price delivery desk lasts"),
        # the pack's price is better than silver's 10 % and gold's 20 %, and not than diamond's 30 %
        (Holder("silver", "family"), "family-price delivery"),
        (Holder("gold", "family"), "family-price delivery desk preview lasts"),
        (Holder("diamond", "family"), "price delivery desk lasts"),
        (Holder("silver", "fashion"), "price delivery"),
        # 4 May: 7 days before and 3 after the birthday, and one day beyond each
        (Holder("silver", None, (5, 11)), "price delivery gift"),
        (Holder("silver", None, (5, 12)), "price delivery"),
        (Holder("silver", None, (5, 1)), "price delivery gift"),
        (Holder("silver", None, (4, 30)), "price delivery"),
        (Holder("diamond", None, (5, 4)), "price delivery desk gift party lasts"),
        (Holder("diamond", None, (4, 4)), "price delivery desk party lasts"),
        (Holder("diamond", None, (4, 3)), "price delivery desk lasts"),
    ],
)
def test_who_has_what(holder: Holder, applies: str) -> None:
    assert [each for each, found in all_of(holder).items() if found.applies] == applies.split()


@pytest.mark.parametrize(("tier", "percent"), [("silver", 10), ("gold", 20), ("diamond", 30)])
@pytest.mark.parametrize("benefits", [CATALOGUE, {"catalogue": []}, None])
def test_the_ladder_promises_the_member_price_9_8_7(tier: str, percent: int, benefits: Any) -> None:
    """9/8/7折 stand once, at the tiers; a programme without the part `benefits` keeps them too."""
    catalogue = catalogue_of(benefits)
    benefit = catalogue.benefits["price" if benefits is CATALOGUE else "member-price"]
    found = verdict(benefit, Holder(tier), catalogue.ladder, DAY)
    assert (found.applies, found.value) == (True, percent)


@pytest.mark.parametrize(
    ("benefit", "holder", "asks", "needs"),
    [
        ("desk", Holder("silver"), "tier", "gold"),
        ("desk", Holder("regular"), "tier", "gold"),
        ("preview", Holder("diamond"), "tier", None),  # no tier above has it
        ("family-price", Holder("gold"), "pack", "family"),
        ("gift", Holder("gold"), "birthday", "birthday"),
        ("gift", Holder("gold", None, (8, 20)), "birthday", "2026-08-13"),
        ("gift", Holder("gold", None, (4, 20)), "birthday", "2027-04-13"),
        ("delivery", Holder("gold"), "limit", "2026-06-01"),
        ("preview", Holder("gold"), "quantity", "2026-07-01"),
    ],
)
def test_why_not_and_what_it_would_need(benefit: str, holder: Holder, asks: str, needs: str | None) -> None:
    found = all_of(holder, used={"delivery": 2}, taken={"preview": 100})[benefit]
    no = next(reason for reason in found.reasons if not reason.holds)
    assert (no.asks, no.needs) == (asks, needs)
    assert not found.applies


def test_what_is_left() -> None:
    found = all_of(Holder("gold"), used={"delivery": 1}, taken={"preview": 99})
    assert (found["delivery"].left, found["preview"].left_of_all, found["desk"].left) == (1, 1, None)


@pytest.mark.parametrize(
    ("per", "day", "since", "until"),
    [
        ("day", "2026-12-31", "2026-12-31", "2027-01-01"),
        ("week", "2026-05-10", "2026-05-04", "2026-05-11"),
        ("week", "2026-05-04", "2026-05-04", "2026-05-11"),
        ("month", "2024-02-29", "2024-02-01", "2024-03-01"),
        ("quarter", "2026-12-31", "2026-10-01", "2027-01-01"),
        ("quarter", "2026-01-01", "2026-01-01", "2026-04-01"),
        ("year", "2026-07-01", "2026-01-01", "2027-01-01"),
    ],
)
def test_the_span_of_a_day(per: str, day: str, since: str, until: str) -> None:
    assert span_of(per, date.fromisoformat(day)) == (date.fromisoformat(since), date.fromisoformat(until))


@pytest.mark.parametrize(
    ("birthday", "before", "after", "day", "since", "until"),
    [
        ((1, 1), 7, 7, "2026-12-28", "2026-12-25", "2027-01-09"),  # one birthday, two calendar years
        ((1, 1), 7, 7, "2027-01-08", "2026-12-25", "2027-01-09"),
        ((1, 1), 7, 7, "2027-01-09", "2027-12-25", "2028-01-09"),
        ((12, 31), 0, 5, "2027-01-05", "2026-12-31", "2027-01-06"),
        ((2, 29), 0, 0, "2026-02-28", "2026-02-28", "2026-03-01"),
        ((2, 29), 0, 0, "2028-02-28", "2028-02-29", "2028-03-01"),
    ],
)
def test_the_days_around_a_birthday(
    birthday: tuple[int, int], before: int, after: int, day: str, since: str, until: str
) -> None:
    near = birthday_near(birthday, before, after, date.fromisoformat(day))
    assert near == (date.fromisoformat(since), date.fromisoformat(until))


DAYS = st.dates(date(1999, 1, 1), date(2040, 12, 31))


@given(per=st.sampled_from(["day", "week", "month", "quarter", "year", None]), day=DAYS, other=DAYS)
def test_a_day_lies_in_one_span_of_a_kind(per: str | None, day: date, other: date) -> None:
    """INVARIANT: two days either share a span or lie in spans that do not touch; a span with a gap or an overlap would break it."""
    first, second = span_of(per, day), span_of(per, other)
    assert day in first
    assert other in second
    assert (other in first) == (first == second)
    if first.until is not None:
        assert span_of(per, first.until).since == first.until
        assert span_of(per, first.until - timedelta(days=1)) == first
    else:
        assert first == Span(EVER, None)


@given(day=DAYS, month=st.integers(1, 12), on=st.integers(1, 28), before=st.integers(0, 60), after=st.integers(0, 60))
def test_two_birthdays_never_share_a_day(day: date, month: int, on: int, before: int, after: int) -> None:
    """INVARIANT: who uses his gift in the days around one birthday has one a year, wherever a calendar year ends."""
    near = birthday_near((month, on), before, after, day)
    assert near.until is not None
    assert day < near.until
    following = birthday_near((month, on), before, after, near.until)
    assert following.since >= near.until
    assert following.since > near.since + timedelta(days=300)


@pytest.mark.parametrize(
    ("benefits", "path"),
    [
        ([{"id": "a", "kind": "other"}, {"id": "a", "kind": "other"}], "$.benefits.catalogue[1].id"),
        ([{"id": "a", "kind": "other", "from_tier": "gold", "tiers": ["gold"]}], "$.benefits.catalogue[0]"),
        ([{"id": "a", "kind": "other", "from_tier": "platinum"}], "$.benefits.catalogue[0].from_tier"),
        ([{"id": "a", "kind": "other", "tiers": ["platinum"]}], "$.benefits.catalogue[0].tiers"),
        ([{"id": "a", "kind": "other", "packs": ["sport"]}], "$.benefits.catalogue[0].packs"),
        ([{"id": "a", "kind": "other", "percent_off": 10}], "$.benefits.catalogue[0].percent_off"),
        ([{"id": "a", "kind": "other", "months": 10}], "$.benefits.catalogue[0].months"),
        ([{"id": "a", "kind": "point_validity"}], "$.benefits.catalogue[0].months"),
        ([{"id": "a", "kind": "other", "limits": {"per": "month"}}], "$.benefits.catalogue[0].limits.per"),
        ([{"id": "a", "kind": "other", "limits": {"total_per": "month"}}], "$.benefits.catalogue[0].limits.total_per"),
        (
            [{"id": "a", "kind": "birthday_gift", "limits": {"per_member": 1, "per": "birthday"}}],
            "$.benefits.catalogue[0].limits.per",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(benefits: list[dict[str, Any]], path: str) -> None:
    programme = document.parse(reference_document() | {"benefits": {"catalogue": benefits}})
    assert [fault.path for fault in faults_of_benefits(benefits_of(programme), programme.tiers.ladder)] == [path]


def test_a_programme_without_benefits_and_tasks_keeps_its_hash() -> None:
    """The canonical form of a document that uses neither part names neither."""
    canonical = document.canonical(document.parse(reference_document()))
    assert b'"benefits"' not in canonical
    assert b'"tasks"' not in canonical
    holder, catalogue = Holder("silver"), catalogue_of()
    assert spans_of(catalogue.benefits["price"], holder, DAY).member == Span(EVER, None)
