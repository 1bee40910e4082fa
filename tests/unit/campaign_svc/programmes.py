"""Programmes for campaign tests: the reference one, and small ones with the campaigns that a test is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from laurel_contracts import programme as document
from laurel_contracts.programme import Programme

REFERENCE = Path(__file__).parents[3] / "deploy" / "program" / "reference.yaml"
PURCHASE = "laurel.purchase.recorded.v1"


def reference_document() -> dict[str, Any]:
    return dict(yaml.safe_load(REFERENCE.read_text(encoding="utf-8")))


def reference() -> Programme:
    return document.parse(reference_document())


def with_campaigns(*campaigns: dict[str, Any], version: int = 1) -> Programme:
    """The reference programme with these campaigns instead of its own."""
    return document.parse(reference_document() | {"version": version, "campaigns": list(campaigns)})


def campaign(
    id: str = "one",
    who: dict[str, Any] | None = None,
    *,
    when: str = PURCHASE,
    what: Sequence[Mapping[str, Any]] | None = None,
    limits: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": id,
        "when": when,
        "who": who or {},
        "what": list(what) if what else [{"kind": "points", "points": 10}],
        "limits": limits or {},
        **more,
    }


def leaf(fact: str, op: str, value: Any) -> dict[str, Any]:
    return {"fact": fact, "op": op, "value": value}
