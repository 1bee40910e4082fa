"""The demo on a stack of its own: a few households, moved to end now; performed once, shown as often as one likes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from laurel_cli.importing import complete_journey
from laurel_cli.main import app
from laurel_cli.refusal import CommandError
from laurel_cli.stack import throwaway_stack

HOUSEHOLDS = 12


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with throwaway_stack(only=()) as stack:
        yield stack.home.root


def demo(home: Path, *arguments: str) -> str:
    result = CliRunner().invoke(
        app, ["demo", "--households", str(HOUSEHOLDS), *arguments], env={"LAUREL_HOME": str(home)}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_demo_is_performed_once_and_its_summary_adds_up(home: Path) -> None:
    table = complete_journey.load(HOUSEHOLDS)
    figures = json.loads(demo(home, "--json"))
    assert figures["purchases"] == figures["counts"]["accepted"] == complete_journey.CompleteJourney(table).total
    assert sum(figures["tiers"].values()) == figures["members"] == HOUSEHOLDS
    assert figures["trial_balance"] == 0
    assert figures["points"]["outstanding"] == figures["points_of_orders"] + figures["awards"]["points"]
    assert len(figures["best"]) == 5
    assert len(figures["explained"]) == 3
    assert set(figures["seconds"]) == {"start", "read", "programme", "import", "settle", "day"}
    latest = max(datetime.fromisoformat(one["entry"]["at"]) for one in figures["explained"])
    assert datetime.now(UTC) - timedelta(days=366) < latest <= datetime.now(UTC)
    again = json.loads(demo(home, "--json"))
    assert {name: again[name] for name in ("tiers", "points", "counts", "seconds")} == {
        name: figures[name] for name in ("tiers", "points", "counts", "seconds")
    }


def test_its_summary_is_for_a_shopkeeper(home: Path) -> None:
    words = demo(home)
    for title in (
        "Members",
        "Points",
        "Awards",
        "The five best members",
        "Three entries explained",
        "How long it took",
        "Open next",
    ):
        assert title in words


def test_it_does_not_mix_with_other_members(home: Path) -> None:
    with pytest.raises(CommandError, match="laurel reset"):
        demo(home, "--original-dates")
