"""What a ladder does not use stands in no canonical document: the hash of a version from before these options is what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from laurel_contracts import programme

REFERENCE = Path(__file__).parents[3] / "deploy" / "program" / "reference.yaml"


def canonical_tiers(**tiers: Any) -> dict[str, Any]:
    document = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    document["tiers"].update(tiers)
    parsed: dict[str, Any] = msgspec.json.decode(programme.canonical(programme.parse(msgspec.json.encode(document))))[
        "tiers"
    ]
    return parsed


def test_the_reference_programme_bears_none_of_the_later_options() -> None:
    tiers = canonical_tiers()
    assert set(tiers) == {"ladder", "validity_months", "grace_days", "on_lapse", "on_refund"}
    assert all(not {"validity_months", "on_lapse", "permanent", "requalify"} & set(tier) for tier in tiers["ladder"])
    assert all("any" not in condition for tier in tiers["ladder"] for condition in (*tier["reach"], *tier["keep"]))


def test_what_is_used_stands_there_with_all_its_defaults() -> None:
    tiers = canonical_tiers(period={"kind": "anniversary"}, clubs=[{"id": "wine", "ladder": [{"id": "guest"}]}])
    assert tiers["period"] == {"kind": "anniversary", "ends": "day", "dates": []}
    assert tiers["clubs"][0]["validity_months"] == 12


@pytest.mark.parametrize(
    "tiers",
    [
        {"period": {"kind": "lunar"}}, {"period": {"dates": ["13-01"]}}, {"grace_days": 367}, {"grace_ends": "week"},
        {"on_refund": "never"}, {"validity_months": -1}, {"clubs": [{"ladder": []}]}, {"clubs": [{"id": "a", "ladder": [], "clubs": []}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_option_means_is_refused(tiers: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        canonical_tiers(**tiers)
