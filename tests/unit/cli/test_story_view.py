"""A member's story can be read: standing and what is missing, entries, awards, and each campaign's verdict leaf by leaf."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from laurel_cli.ledger_words import Lens
from laurel_cli.member_story import Story
from laurel_cli.story_view import fact_in_words, needed_in_words, view

LENS = Lens("USD", 2, ZoneInfo("America/New_York"))
FACT = {
    "ordinal": 2, "kind": "raised", "effective_from": "silver", "effective_to": "gold", "at": "2026-02-19T03:44:00Z",
    "cause": "activity 36", "rule": "gold is reached: spend_in_days(365) 100991 ≥ 100000", "metrics": {},
}  # fmt: skip
NEED = {"metric": "spend_in_days(365)", "have": 100_991, "at_least": 300_000, "at_most": None, "missing": 199_009}
KEEP = {"metric": "spend_in_days(365)", "have": 100_991, "at_least": 100_000, "at_most": None, "missing": 0}
STANDING = {
    "tier": "gold", "since": "2026-02-19T03:44:00Z", "until": "2027-02-18T05:00:00Z", "ordinal": 2,
    "needed": {
        "next": [{"tier": "diamond", "by": None, "all_of": [NEED]},
                 {"tier": "diamond", "by": None, "all_of": [NEED | {"metric": "spend_total", "at_least": 500_000, "missing": 399_009}]}],
        "keep": [{"tier": "gold", "by": "2027-02-18T05:00:00Z", "all_of": [KEEP]}],
    },
}  # fmt: skip
MEMBER = {
    "state": "provisional",
    "enrolled_at": "2026-01-02T15:00:00Z",
    "identifiers": [{"kind": "card", "value": "77"}],
}
STORY = Story(
    member_id="0cd6f3cc-2e9d-41b2-bd48-9405c3439fbd", member=MEMBER, standing=STANDING, facts=[FACT], balance=None, entries=[],
    awards=[], orders={36: "o-9"}, order=None, decisions=[],
)  # fmt: skip


def shown(story: Story) -> str:
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(view(story, LENS))
    return captured.get()


def test_a_fact_names_its_day_its_order_and_the_condition_in_money() -> None:
    assert fact_in_words(FACT, LENS, {36: "o-9"}) == (
        "2. raised on 18 Feb 2026: silver → gold by activity 36 (order o-9), because gold is reached: "
        "spend in 365 days 1,009.91 ≥ 1,000.00"
    )


def test_it_says_what_is_missing_for_the_next_tier_and_to_keep_this_one() -> None:
    assert list(needed_in_words(STANDING, LENS)) == [
        "for diamond: spend in 365 days 1,009.91 of 3,000.00 (1,990.09 missing), or "
        "spend total 1,009.91 of 5,000.00 (3,990.09 missing)",
        "to stay gold beyond 18 Feb 2027: spend in 365 days 1,009.91, 1,000.00 is enough",
    ]


def test_a_service_that_does_not_know_the_member_yet_is_named() -> None:
    words = shown(replace(STORY, standing=None))
    assert "tier-svc has not heard of this member yet" in words
    assert "points-svc has not heard of this member yet" in words
    assert "Member 77" in words


def test_the_verdict_of_a_campaign_shows_each_leaf() -> None:
    leaf: dict[str, Any] = {"says": "order_left_minor >= 10000", "held": False, "found": 2_138, "parts": []}
    verdict = {
        "name": "Big basket", "says": "the condition did not hold",
        "condition": {"says": "all", "held": False, "found": None, "parts": [leaf,
                      {"says": "tier in [gold]", "held": True, "found": "gold", "parts": []}]},
    }  # fmt: skip
    order = {
        "order_id": "o-9",
        "at": "2026-02-19T03:44:00Z",
        "amount_minor": 2_138,
        "refunded_minor": 0,
        "tier": "gold",
        "ordinal": 2,
        "points": 32,
    }
    words = shown(replace(STORY, order=order, decisions=[{"campaigns": [verdict]}]))
    assert "✗ order left >= 100.00 (is 21.38)" in words
    assert "✓ tier in [gold] (is gold)" in words
    assert "32 points net" in words
