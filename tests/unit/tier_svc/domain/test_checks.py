"""What is refused before a programme is published (domain.md 4.6)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from laurel_contracts.programme import Programme, parse
from tests.unit.tier_svc.domain.ladders import reference_document, short_document
from tier_svc.domain.checks import faults_beside, faults_of


def programme(document: dict[str, Any]) -> Programme:
    return parse(msgspec.json.encode(document))


def says(document: dict[str, Any]) -> list[str]:
    read = programme(document)
    return [fault.says for fault in faults_of(read.tiers, read.zone)]


def changed(tier: int, **parts: Any) -> dict[str, Any]:
    document = reference_document()
    document["tiers"]["ladder"][tier] |= parts
    return document


def test_the_reference_and_the_short_programme_are_fine() -> None:
    assert says(reference_document()) == says(short_document()) == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (changed(1, keep=[{"metric": "largest_order", "at_least": 20_001}]),
         "to keep silver asks more of largest_order (20001) than to reach it (20000)"),
        (changed(2, keep=[{"metric": "spend_in_days", "days": 365, "at_least": 100_001}]),
         "to keep gold asks more of spend_in_days(365) (100001) than to reach it (100000)"),
        (changed(1, reach=[]), "silver cannot be reached"),
        (changed(1, reach=[{"metric": "spend_in_days", "at_least": 1}]), "spend_in_days needs days"),
        (changed(1, reach=[{"metric": "spend_total", "days": 3, "at_least": 1}]), "spend_total takes no days"),
        (changed(1, reach=[{"metric": "spend_total"}]), "spend_total is compared with nothing"),
        (changed(1, reach=[{}]), "a condition is exactly one of: a metric, `all`, `always`"),
        (changed(1, reach=[{"all": [{}]}]), "a condition is exactly one of: a metric, `all`, `always`"),
        (changed(1, id="gold"), "gold stands twice"),
        (changed(0, reach=[{"metric": "spend_total", "at_least": 1}]),
         "regular is the lowest tier: it is reached by joining and always kept"),
        (reference_document() | {"zone": "Asia/Nowhere"}, "Asia/Nowhere is no time zone"),
    ],
)  # fmt: skip
def test_a_ladder_that_makes_no_sense_is_refused(document: dict[str, Any], reason: str) -> None:
    assert reason in says(document)


def test_a_keep_over_another_window_than_the_reach_may_ask_anything() -> None:
    assert says(changed(2, keep=[{"metric": "spend_in_days", "days": 30, "at_least": 900_000}])) == []


def test_nobody_loses_his_tier_or_his_calendar_by_a_new_version() -> None:
    old, new = programme(reference_document()), reference_document() | {"zone": "Europe/Berlin"}
    new["tiers"]["ladder"] = new["tiers"]["ladder"][:3]
    new_one = programme(new)
    assert [fault.says for fault in faults_beside(new_one.tiers, new_one.zone, old.tiers, old.zone)] == [
        "diamond is missing, which an earlier version has",
        "the zone cannot change from Asia/Shanghai: local days are stamped for ever",
    ]
