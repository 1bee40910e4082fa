"""The index says exactly what the trees say, and a thousand campaigns cost little more than ten."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_svc.domain.catalogue import CATALOGUE, PURCHASE, TIER_FACTS
from campaign_svc.domain.conditions import Ladder, compiled, explained
from campaign_svc.domain.programme import Ruleset, faults_of
from tests.unit.campaign_svc.programmes import campaign, leaf, with_campaigns

log = logging.getLogger(__name__)

TIERS = ["regular", "silver", "gold", "diamond"]
AMOUNTS = st.integers(-1, 12)
STORES = ["s1", "s2", "s3", ""]

words = st.one_of(
    st.builds(leaf, st.just("store_id"), st.sampled_from(["==", "!="]), st.sampled_from(STORES)),
    st.builds(
        leaf, st.just("store_id"), st.sampled_from(["in", "not in"]), st.lists(st.sampled_from(STORES), min_size=1)
    ),
    st.builds(leaf, st.just("channel"), st.sampled_from(["==", "!="]), st.sampled_from(["store", "online"])),
)
tiers = st.one_of(
    st.builds(leaf, st.just("tier"), st.sampled_from(["==", "!=", ">=", ">", "<=", "<"]), st.sampled_from(TIERS)),
    st.builds(leaf, st.just("tier"), st.sampled_from(["in", "not in"]), st.lists(st.sampled_from(TIERS), min_size=1)),
)
integers = st.builds(
    leaf,
    st.sampled_from(["order_left_minor", "order_amount_minor", "orders_count", "category_left_minor(food)"]),
    st.sampled_from(["==", "!=", ">=", ">", "<=", "<"]),
    AMOUNTS,
)
truths = st.builds(leaf, st.just("shared"), st.sampled_from(["==", "!="]), st.booleans())
leaves = st.one_of(words, tiers, integers, truths)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=8,
)
moments = st.fixed_dictionaries(
    {
        "store_id": st.sampled_from([*STORES, "elsewhere"]),
        "channel": st.sampled_from(["store", "online"]),
        "tier": st.sampled_from(TIERS),
        "order_left_minor": AMOUNTS,
        "order_amount_minor": AMOUNTS,
        "orders_count": AMOUNTS,
        "category_left_minor(food)": AMOUNTS,
        "shared": st.booleans(),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(trees, st.just({})), min_size=1, max_size=12), st.lists(moments, min_size=1, max_size=8))
def test_the_index_equals_naive_evaluation_and_the_explanation(
    whos: list[dict[str, Any]], facts: list[dict[str, Any]]
) -> None:
    programme = with_campaigns(*(campaign(f"c{place}", who) for place, who in enumerate(whos)))
    assert faults_of(programme) == []
    ruleset = Ruleset(programme)
    index = ruleset.fired_by(PURCHASE)
    assert index is not None
    ladder = Ladder(tuple(TIERS))
    for moment in facts:
        naive = [c.id for c in programme.campaigns if compiled(c.who, ladder, TIER_FACTS)(moment)]
        assert [c.id for c in index.matching(moment)] == naive
        assert [c.id for c in programme.campaigns if explained(c.who, moment, ladder, TIER_FACTS).held] == naive


def test_an_explanation_names_every_leaf_with_what_was_found() -> None:
    who = {
        "all": [
            leaf("order_left_minor", ">=", 100),
            {"any": [leaf("tier", ">=", "gold"), leaf("store_id", "in", ["s1"])]},
        ]
    }
    programme = with_campaigns(campaign(who=who))
    ruleset = Ruleset(programme)
    told = ruleset.explain(programme.campaigns[0], {"order_left_minor": 150, "tier": "silver", "store_id": "s2"})
    assert told.held is False
    assert [(part.says, part.held, part.found) for part in told.leaves()] == [
        ("order_left_minor >= 100", True, 150), ("tier >= gold", False, "silver"), ("store_id in [s1]", False, "s2"),
    ]  # fmt: skip


def test_every_fact_of_the_catalogue_says_what_it_means() -> None:
    for facts in CATALOGUE.values():
        for fact in facts.values():
            assert fact.says


def many(count: int) -> Ruleset:
    """Live campaigns as merchants have them: a store, a tier, a threshold; one in ten with a condition that no mask can hold."""
    campaigns = []
    for place in range(count):
        parts = [
            leaf("store_id", "==", f"s{place % 200}"),
            leaf("tier", ">=", TIERS[place % 4]),
            leaf("order_left_minor", ">=", 1_000 + place),
        ]
        if place % 10 == 0:
            parts.append({"any": [leaf("orders_count", ">", place), leaf("channel", "==", "online")]})
        campaigns.append(campaign(f"c{place}", {"all": parts}))
    return Ruleset(with_campaigns(*campaigns))


def microseconds_per_event(match: Callable[[dict[str, Any]], object]) -> float:
    """The best of several rounds, so that a busy machine does not blur the figure."""
    moments = [
        {
            "store_id": f"s{n % 250}",
            "tier": TIERS[n % 4],
            "order_left_minor": n * 37 % 5_000,
            "orders_count": n,
            "channel": "store",
        }
        for n in range(200)
    ]
    rounds = []
    for _ in range(7):
        began = time.perf_counter()
        for moment in moments:
            match(moment)
        rounds.append(time.perf_counter() - began)
    return min(rounds) / len(moments) * 1e6


def test_a_thousand_live_campaigns_cost_little_more_than_ten() -> None:
    few, lots = many(10).fired_by(PURCHASE), many(1_000).fired_by(PURCHASE)
    assert few is not None
    assert lots is not None
    ten, thousand = microseconds_per_event(few.matching), microseconds_per_event(lots.matching)
    naive = microseconds_per_event(lambda moment: [entry for entry in lots.entries if entry.holds(moment)])
    log.info("µs an event: %.2f of 10 campaigns, %.2f of 1000, %.0f of 1000 without the index", ten, thousand, naive)
    assert thousand - ten < 10  # of the 50 that a purchase may cost
    assert thousand < naive / 20  # the bar of performance.md
