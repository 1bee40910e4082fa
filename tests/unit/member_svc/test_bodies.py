"""What a body must be before anything is done with it. The document says integer, so what merely looks like one is not taken: a night of
made-up requests (T-H01) had a lease of `true` seconds accepted, as one second; a sanction would have taken `true` steps down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from member_svc.api.days import BeginImport
from member_svc.api.decisions import NewSanction

SANCTION = {
    "act": "lower",
    "steps": 2,
    "until": "2026-12-01T00:00:00Z",
    "reason": "returns without end",
    "actor": "staff-7",
}
BODIES: list[tuple[type[BaseModel], str, dict[str, Any]]] = [
    (BeginImport, "ttl_seconds", {"name": "history", "ttl_seconds": 2}),
    (NewSanction, "steps", SANCTION),
]


@pytest.mark.parametrize(("body", "field", "good"), BODIES)
def test_a_whole_number_is_taken(body: type[BaseModel], field: str, good: dict[str, Any]) -> None:
    assert getattr(body.model_validate_json(json.dumps(good)), field) == 2


@pytest.mark.parametrize("looks_like_one", [True, "2", None, 1.5])
@pytest.mark.parametrize(("body", "field", "good"), BODIES)
def test_what_only_looks_like_a_whole_number_is_refused(
    body: type[BaseModel], field: str, good: dict[str, Any], looks_like_one: object
) -> None:
    with pytest.raises(ValidationError):
        body.model_validate_json(json.dumps(good | {field: looks_like_one}))
