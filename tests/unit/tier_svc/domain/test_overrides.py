"""Overrides on top of the computed tier (domain.md 4.4, 4.5), as tables: what applies when, and that what lies below goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.tier_svc.domain.ladders import Told, reference_document, rules_of, short_document
from tier_svc.domain.facts import Fact
from tier_svc.domain.overlaying import Override

RULES = rules_of(reference_document())


class Staffed(Told):
    """A member about whom staff decides too."""

    def given(self, time: str, tier: str, since: str, until: str, mode: str = "exact", **more: Any) -> int:
        step = self._step(time)
        entry = Override(
            step.seq, tier, self.at(since), self.at(until), mode, "reason", "staff/7", **more,  # type: ignore[arg-type]
        )  # fmt: skip
        self.stream.override(step, entry)
        return step.seq

    def taken_back(self, time: str, override_seq: int, since: str | None = None) -> int:
        step = self._step(time)
        self.stream.take_back(step, override_seq, self.at(since or time), "by mistake", "staff/9")
        return step.seq

    def frozen(self, time: str, until: str, since: str | None = None) -> int:
        return self.given(time, "", since or time, until, act="freeze")

    def lowered(self, time: str, until: str, steps: int, since: str | None = None) -> int:
        return self.given(time, "", since or time, until, act="lower", steps=steps)

    @property
    def applies(self) -> str:
        return self.rules.name(self.stream.overlay.effective(self.rules, self.stream.standing.tier))

    @property
    def last(self) -> Fact:
        return self.stream.facts[-1]


def silver(rules: Any = RULES) -> Staffed:
    member = Staffed(rules)
    member.buys("2025-03-01", 20_000)
    return member


@pytest.mark.parametrize(
    ("tier", "mode", "applies"),
    [
        ("diamond", "floor", "diamond"), ("diamond", "exact", "diamond"), ("regular", "floor", "silver"),
        ("regular", "exact", "regular"), ("silver", "floor", "silver"), ("silver", "exact", "silver"),
        ("platinum", "exact", "silver"), ("platinum", "floor", "silver"),  # nobody knows it: it only stands in the history
    ],
)  # fmt: skip
def test_what_applies_while_an_override_lies_on_top(tier: str, mode: str, applies: str) -> None:
    member = silver()
    member.given("2025-03-02", tier, "2025-03-02", "2025-06-01", mode)
    assert (member.tier, member.applies) == ("silver", applies)


@pytest.mark.parametrize(
    ("clock", "applies"),
    [
        ("2025-03-31 23:59:59", "silver"), ("2025-04-01 00:00", "diamond"), ("2025-04-30 23:59:59", "diamond"),
        ("2025-05-01 00:00", "silver"), ("2025-05-02", "silver"),
    ],
)  # fmt: skip
def test_it_applies_from_its_start_until_before_its_end(clock: str, applies: str) -> None:
    member = silver()
    member.given("2025-03-02", "diamond", "2025-04-01", "2025-05-01")
    member.does(clock, "sign_in")
    assert member.applies == applies


@pytest.mark.parametrize("by", ["activity", "day"])
def test_start_and_end_are_facts_when_the_clock_first_reaches_them(by: str) -> None:
    member = silver()
    seq = member.given("2025-03-02", "diamond", "2025-04-01", "2025-05-01")
    if by == "activity":
        member.does("2025-06-01", "sign_in")  # number 3: what is judged on the way holds after 2
    else:
        member.day_closes("2025-06-01")
    begins, ends = member.stream.facts[-2:]
    assert [(f.kind, f.cause, f.holds_after, f.applied_from, f.applied_to) for f in (begins, ends)] == [
        ("overridden", f"override {seq} begins", 2, "silver", "diamond"),
        ("overridden", f"override {seq} ends", 2, "diamond", "silver"),
    ]
    assert (begins.at, ends.at) == (member.at("2025-04-01"), member.at("2025-05-01"))
    assert (begins.tier_from, begins.tier_to) == ("silver", "silver")


def test_one_that_has_begun_when_it_comes_holds_after_its_own_number() -> None:
    member = silver()
    seq = member.given("2025-03-05", "gold", "2025-03-01", "2025-05-01", "floor")
    assert (member.last.holds_after, member.last.at, member.applies) == (seq, member.at("2025-03-05"), "gold")


def test_one_that_is_over_when_it_comes_only_stands_in_the_history() -> None:
    member = silver()
    seq = member.given("2025-03-05", "gold", "2025-03-01", "2025-03-05")
    assert (member.applies, member.kinds, list(member.stream.overlay.changed)) == ("silver", ["raised"], [seq])
    assert member.stream.wakes_at == member.stream.standing.until


def test_the_end_of_a_temporary_tier_does_not_touch_what_lies_below() -> None:
    """INVARIANT: an override writes nothing of the computed standing.

    A service that sets the tier at the start and puts the old one back at the end would lose the gold reached meanwhile."""
    member = silver()
    member.given("2025-03-02", "diamond", "2025-03-02", "2025-05-01")
    member.buys("2025-04-01", 100_000)
    raised = member.last
    assert (raised.kind, raised.tier_to, raised.applied_from, raised.applied_to) == (
        "raised",
        "gold",
        "diamond",
        "diamond",
    )
    before = member.stream.standing
    member.day_closes("2025-05-01")
    assert (member.applies, member.stream.standing) == ("gold", before)


def test_a_floor_does_not_hide_a_rise_above_it() -> None:
    member = silver()
    member.given("2025-03-02", "gold", "2025-03-02", "2025-05-01", "floor")
    member.buys("2025-04-01", 600_000)
    assert (member.tier, member.applies, member.last.applied_from) == ("diamond", "diamond", "gold")


def test_of_several_the_one_with_the_highest_number_wins_while_it_lasts() -> None:
    member = silver()
    member.given("2025-03-02", "diamond", "2025-03-02", "2025-09-01")
    member.given("2025-03-03", "regular", "2025-04-01", "2025-05-01")
    seen = []
    for day in ("2025-03-31", "2025-04-01", "2025-05-01", "2025-09-01"):
        member.day_closes(day)
        seen.append(member.applies)
    assert seen == ["diamond", "regular", "diamond", "silver"]


def test_one_with_a_lower_number_that_begins_meanwhile_changes_nothing_but_is_told() -> None:
    member = silver()
    late = member.given("2025-03-02", "diamond", "2025-04-01", "2025-09-01")
    member.given("2025-03-03", "regular", "2025-03-03", "2025-05-01")
    member.day_closes("2025-04-15")
    assert (member.last.cause, member.last.applied_from, member.last.applied_to) == (
        f"override {late} begins", "regular", "regular",
    )  # fmt: skip
    member.day_closes("2025-05-01")
    assert member.applies == "diamond"


def test_at_one_instant_period_end_comes_before_override_end_before_override_start() -> None:
    member = Staffed(rules_of(short_document()))
    member.buys("2025-03-01", 20_000)
    first = member.given("2025-03-02", "gold", "2025-03-02", "2025-04-01")
    second = member.given("2025-03-03", "diamond", "2025-04-01", "2025-05-01")
    member.day_closes("2025-04-01")
    assert [fact.cause for fact in member.stream.facts[-3:]] == [
        "end 2025-03-31T16:00:00+00:00", f"override {first} ends", f"override {second} begins",
    ]  # fmt: skip
    assert [fact.applied_to for fact in member.stream.facts[-3:]] == ["gold", "regular", "diamond"]


@pytest.mark.parametrize(
    ("spent", "steps", "applies"),
    [(20_000, 1, "regular"), (100_000, 1, "silver"), (100_000, 2, "regular"), (20_000, 9, "regular"), (600_000, 2, "silver"),
     (100, 1, "regular"), (600_000, 0, "diamond")],
)  # fmt: skip
def test_a_violation_lowers_by_steps_and_no_further_than_the_lowest(spent: int, steps: int, applies: str) -> None:
    member = Staffed(RULES)
    member.buys("2025-03-01", spent)
    computed = member.tier
    member.lowered("2025-03-02", "2025-06-01", steps)
    assert (member.tier, member.applies) == (computed, applies)
    member.day_closes("2025-06-01")
    assert member.applies == computed


def test_lowering_begins_at_what_applies_then() -> None:
    member = silver()
    member.given("2025-03-02", "diamond", "2025-03-02", "2025-12-01")
    member.lowered("2025-03-03", "2025-06-01", 1, since="2025-04-01")
    assert member.applies == "diamond"
    member.day_closes("2025-04-01")
    assert member.applies == "gold"


def test_frozen_a_member_stays_where_he_is_whatever_he_does() -> None:
    member = silver()
    member.frozen("2025-03-02", "2025-06-01")
    member.buys("2025-04-01", 600_000)
    assert (member.tier, member.applies) == ("diamond", "silver")
    member.day_closes("2025-06-01")
    assert member.applies == "diamond"


def test_a_lapse_underneath_is_judged_as_if_nothing_lay_on_top() -> None:
    member = silver()
    member.given("2025-03-02", "diamond", "2025-03-02", "2027-01-01")
    member.day_closes("2026-03-01")
    lapsed = member.last
    assert (lapsed.kind, lapsed.tier_to, lapsed.applied_to) == ("kept", "silver", "diamond")
    member.day_closes("2027-03-01")
    assert [(f.kind, f.applied_to) for f in member.stream.facts[-2:]] == [
        ("overridden", "silver"),
        ("lapsed", "regular"),
    ]


def test_a_refund_underneath_lowers_what_will_show_later() -> None:
    member = Staffed(RULES)
    order = member.buys("2025-03-01", 20_000)
    member.given("2025-03-02", "gold", "2025-03-02", "2025-05-01", "floor")
    member.refunds("2025-03-03", order, 20_000)
    assert (member.last.kind, member.tier, member.applies) == ("lowered", "regular", "gold")
    member.day_closes("2025-05-01")
    assert member.applies == "regular"


def test_a_correction_underneath_says_what_applies() -> None:
    """T8 with a VIP on top: the end is judged again below, and nothing of it shows."""
    member = Staffed(RULES)
    member.buys("2025-03-01 12:00", 40_000)
    member.buys("2025-03-02 12:00", 60_000)
    member.given("2025-12-01", "diamond", "2025-12-01", "2026-06-01")
    member.day_closes("2026-03-04")
    member.buys("2026-03-01 10:00", 50_000)
    assert (member.last.kind, member.last.tier_to, member.last.applied_from, member.last.applied_to) == (
        "corrected", "gold", "diamond", "diamond",
    )  # fmt: skip


def test_ordinals_stay_without_gaps() -> None:
    member = silver()
    member.given("2025-03-02", "gold", "2025-03-03", "2025-03-04")
    member.frozen("2025-03-05", "2025-04-01")
    member.buys("2025-03-06", 600_000)
    member.day_closes("2025-05-01")
    assert [fact.ordinal for fact in member.stream.facts] == list(range(1, len(member.stream.facts) + 1))


def test_a_fact_says_who_decided_and_why() -> None:
    member = silver()
    member.given("2025-03-02", "gold", "2025-03-02", "2025-05-01", "floor")
    assert member.last.rule == "at least gold until 2025-05-01T00:00:00+08:00: reason (staff/7)"
