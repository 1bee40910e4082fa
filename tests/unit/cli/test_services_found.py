"""Services are found by what the command line says, else the environment, else the stack; and every problem is a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from laurel_cli.refusal import CommandError
from laurel_cli.services import Connection, Refused, Unreachable
from laurel_cli.services.asked import addresses
from laurel_cli.stack import Stack
from tests.unit.cli.door_double import DoorDouble, serving


@pytest.fixture
def door() -> Iterator[DoorDouble]:
    with serving() as door:
        yield door


def test_the_command_line_wins_then_the_environment_then_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MEMBER", "POINTS", "TIER", "CAMPAIGN"):
        monkeypatch.delenv(f"LAUREL_{name}_URL", raising=False)
    monkeypatch.setenv("LAUREL_TIER_URL", "http://tiers.example:1")
    monkeypatch.setenv("LAUREL_MEMBER_URL", "http://members.example:1")
    found = addresses(tmp_path, ["member=http://door.example:2/"]).of
    assert found["member-svc"] == "http://door.example:2"
    assert found["tier-svc"] == "http://tiers.example:1"
    assert found["points-svc"] == Stack(tmp_path).urls()["points-svc"]


@pytest.mark.parametrize("pair", ["member", "member=", "door=http://x", "member=localhost"])
def test_a_service_that_is_misspelt_is_a_sentence(tmp_path: Path, pair: str) -> None:
    with pytest.raises(CommandError, match="write it like member=http"):
        addresses(tmp_path, [pair])


def test_nobody_there_is_a_sentence_that_says_what_to_look_at() -> None:
    with pytest.raises(Unreachable, match=r"tier-svc cannot be reached .* laurel status"):
        Connection("tier-svc", "http://127.0.0.1:9").get("/progress")


def test_a_problem_is_told_with_title_detail_and_what_was_found(door: DoorDouble) -> None:
    at = Connection("member-svc", door.url)
    door.failures = [(503, {"x-kind": "no_programme", "retry-after": "7"})]
    with pytest.raises(Refused, match="member-svc refused POST /v1/activities: Not now") as refused:
        at.post("/v1/activities", {})
    at.close()
    assert (refused.value.kind, refused.value.status, refused.value.retry_after_seconds) == ("no_programme", 503, 7.0)


def test_a_question_to_a_busy_service_is_asked_again_for_a_while_and_nothing_else_is(door: DoorDouble) -> None:
    """`laurel ledger` beside the service's own proof of the books: one audit runs at a time. Broken by giving up at the first 503, by
    asking for ever, and by sending an order twice."""
    at = Connection("points-svc", door.url, busy_seconds_max=5.0)
    door.failures = [(503, {"retry-after": "0"})] * 3
    assert at.get("/v1/ledger/trial-balance") == {"reports": 0}
    assert door.requests == 4
    for failure in ((503, {"retry-after": "6"}), (503, {}), (503, {"x-kind": "no_programme", "retry-after": "0"})):
        door.failures = [failure]
        with pytest.raises(Refused):
            at.get("/v1/ledger/trial-balance")
    door.failures = [(503, {"retry-after": "0"})]
    with pytest.raises(Refused):
        at.post("/v1/activities", {})
    at.close()
    assert door.requests == 8
