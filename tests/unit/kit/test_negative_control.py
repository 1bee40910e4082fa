"""Safeguards are taken away by name, one or several, and never by a mistake in the name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from laurel_kit import negative_control
from laurel_kit.negative_control import HIGH_WATER_MARK, NO_DEDUPE, READ_THEN_WRITE


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(negative_control.SWITCH, raising=False)
    monkeypatch.delenv(negative_control.VARIABLE, raising=False)
    negative_control.on.cache_clear()
    yield
    negative_control.on.cache_clear()


def test_nothing_is_taken_away_unless_it_is_asked_for() -> None:
    assert not any(negative_control.on(control) for control in negative_control.CONTROLS)


def test_several_are_taken_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(negative_control.VARIABLE, f"{READ_THEN_WRITE}, {HIGH_WATER_MARK}")
    assert negative_control.on(READ_THEN_WRITE)
    assert negative_control.on(HIGH_WATER_MARK)
    assert not negative_control.on()


def test_the_old_switch_is_the_dedupe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(negative_control.SWITCH, "1")
    assert negative_control.on()
    assert negative_control.controls() == {NO_DEDUPE}


def test_a_name_that_nobody_knows_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(negative_control.VARIABLE, "no-dedup")
    with pytest.raises(ValueError, match="there is no no-dedup; there are no-dedupe, read-then-write, high-water-mark"):
        negative_control.announce()
