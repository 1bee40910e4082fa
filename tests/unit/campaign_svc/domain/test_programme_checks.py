"""A programme whose campaigns cannot be decided is refused, with the path of what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from campaign_svc.domain.programme import faults_of
from laurel_contracts import programme as document
from tests.unit.campaign_svc.programmes import campaign, leaf, reference, with_campaigns


def paths(*campaigns: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.path, fault.says) for fault in faults_of(with_campaigns(*campaigns))]


def test_the_reference_programme_is_sound() -> None:
    assert faults_of(reference()) == []


@pytest.mark.parametrize(
    ("who", "path", "says"),
    [
        (leaf("ordr_left", ">", 0), "$.campaigns[0].who.fact", "knows no fact ordr_left"),
        ({"all": [leaf("tier", "==", "silver"), leaf("score", ">", 1)]}, "$.campaigns[0].who.all[1].fact", "knows no fact score"),
        (leaf("order_left_minor", "in", ["a"]), "$.campaigns[0].who.op", "is of type integer"),
        (leaf("channel", ">=", "store"), "$.campaigns[0].who.op", "is of type word"),
        (leaf("order_left_minor", ">", "100"), "$.campaigns[0].who.value", "is an integer"),
        (leaf("order_left_minor", ">", True), "$.campaigns[0].who.value", "is an integer"),
        (leaf("shared", "==", 1), "$.campaigns[0].who.value", "is true or false"),
        (leaf("store_id", "==", 5), "$.campaigns[0].who.value", "is a word"),
        (leaf("store_id", "in", "s1"), "$.campaigns[0].who.value", "wants a list"),
        (leaf("store_id", "in", []), "$.campaigns[0].who.value", "wants a list"),
        (leaf("store_id", "==", ["s1"]), "$.campaigns[0].who.value", "wants one value"),
        (leaf("tier", "==", "platinum"), "$.campaigns[0].who.value", "there is no tier platinum"),
        (leaf("tier", "in", ["gold", "platinum"]), "$.campaigns[0].who.value", "there is no tier platinum"),
        (leaf("channel", "==", "shop"), "$.campaigns[0].who.value", "one of online, store"),
        ({"fact": "tier"}, "$.campaigns[0].who.op", "compared by an operator"),
        ({"op": "=="}, "$.campaigns[0].who", "belong to a fact"),
        ({"not": {"any": [{}]}}, "$.campaigns[0].who.not.any[0]", "an empty node"),
        ({"fact": "tier", "op": "==", "value": "gold", "any": [leaf("tier", "==", "gold")]}, "$.campaigns[0].who", "one of a fact"),
    ],
)  # fmt: skip
def test_a_wrong_condition_is_refused_with_its_path(who: dict[str, Any], path: str, says: str) -> None:
    ((found, said),) = paths(campaign(who=who))
    assert found == path
    assert says in said


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (campaign(when="laurel.purchase.refunded.v1"), "$.campaigns[0].when"),
        (campaign(when="standing.kept"), "$.campaigns[0].when"),
        (campaign(what=[{"kind": "points"}]), "$.campaigns[0].what[0]"),
        (campaign(what=[{"kind": "coupon", "points": 3, "coupon": "c"}]), "$.campaigns[0].what[0]"),
        (campaign(what=[{"kind": "points", "points": 1}, {"kind": "coupon"}]), "$.campaigns[0].what[1]"),
        (campaign(what=[{"kind": "coupon", "coupon": "c" * 201}]), "$.campaigns[0].what[0]"),
        (campaign(limits={"per_member": 0}), "$.campaigns[0].limits.per_member"),
        (campaign(limits={"budget": 0}), "$.campaigns[0].limits.budget"),
        (campaign() | {"what": []}, "$.campaigns[0].what"),
    ],
)
def test_a_wrong_campaign_is_refused_with_its_path(broken: dict[str, Any], path: str) -> None:
    assert [found for found, _ in paths(broken)] == [path]


def test_two_campaigns_of_one_id_are_refused() -> None:
    assert [path for path, _ in paths(campaign("x"), campaign("x"))] == ["$.campaigns[1].id"]


def test_every_fault_is_told_at_once() -> None:
    assert len(paths(campaign("x", leaf("a", ">", 1)), campaign("x", leaf("b", ">", 1)))) == 3


@pytest.mark.parametrize("depth", [20, 900])
def test_a_tree_that_nobody_could_read_is_refused(depth: int) -> None:
    body = document.canonical(with_campaigns(campaign(who=leaf("tier", "==", "gold"))))
    deep = b'{"not":' * depth + msgspec.json.encode(leaf("tier", "==", "gold")) + b"}" * depth
    plain = msgspec.json.decode(body)
    plain["campaigns"][0]["who"] = msgspec.Raw(deep)
    assert len(faults_of(document.parse(msgspec.json.encode(plain)))) == 1


def test_a_purchase_campaign_may_ask_for_any_category() -> None:
    assert paths(campaign(who=leaf("category_left_minor(gift-card)", ">=", 1))) == []
