"""What a member needs for the next tier and to keep this one, exact to the minor unit (domain.md 4.7)."""

from __future__ import annotations

from tests.unit.tier_svc.domain.ladders import Told, reference_document, rules_of, short_document
from tier_svc.domain.needs import Needs, needs_of

RULES = rules_of(reference_document())


def needs(member: Told) -> Needs:
    assert member.stream.clock is not None
    return needs_of(member.stream, member.timeline, member.stream.clock)


def missing(told: Needs) -> dict[str, int]:
    return {each.metric: each.missing for need in told.next for each in need.all_of}


def test_a_new_member_sees_both_ways_to_silver() -> None:
    member = Told(RULES)
    member.buys("2025-03-01", 12_345)
    told = needs(member)
    assert told.tier == "regular"
    assert told.keep == ()
    assert missing(told) == {"spend_total": 50_000 - 12_345, "largest_order": 20_000 - 12_345}


def test_what_is_missing_is_exact_to_the_minor_unit() -> None:
    member = Told(RULES)
    member.buys("2025-03-01", 40_000)
    short = missing(needs(member))["spend_in_days(365)"]
    member.buys("2025-03-01 13:00", short - 1)
    assert member.tier == "silver"
    member.buys("2025-03-01 14:00", 1)
    assert member.tier == "gold"


def test_keeping_looks_at_the_last_day_of_the_period() -> None:
    member = Told(RULES)
    member.buys("2025-03-01", 40_000)
    member.buys("2025-03-02 12:00", 60_000)
    (keep,) = needs(member).keep
    # On 1 March of the next year the window begins on 2 March: the 400.00 of 1 March will have left it.
    assert (keep.as_of.isoformat(), keep.holds) == ("2026-03-01", False)
    assert (keep.all_of[0].have, keep.all_of[0].missing) == (60_000, 40_000)
    member.buys("2025-12-01", 40_000)
    assert needs(member).keep[0].holds
    member.day_closes("2026-03-02")
    assert (member.tier, member.kinds[-1]) == ("gold", "kept")


def test_at_the_top_there_is_nothing_more_to_reach() -> None:
    member = Told(RULES)
    member.buys("2025-03-01", 900_000)
    told = needs(member)
    assert (told.tier, told.next) == ("diamond", ())
    assert told.keep[0].holds


def test_asking_looks_as_of_the_clock_and_moves_nothing() -> None:
    member = Told(rules_of(short_document()))
    member.buys("2025-03-01", 20_000)
    member.day_closes("2025-03-31")
    member.stream.move_on(member.closed)
    have = {each.metric: each.have for need in needs(member).next for each in need.all_of}
    assert have == {"spend_total": 20_000, "spend_in_days(30)": 0}
    assert member.stream.sums.values[3:] == [20_000]
