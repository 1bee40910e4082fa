"""Identifiers in their normal form, versions in force, and what of the points can be spent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from member_svc.domain.calendar import zone_of
from member_svc.domain.identifiers import normal
from member_svc.domain.rulebook import NoProgramme, Rulebook, Version
from member_svc.domain.status import Balance, spendable

NOW = datetime(2018, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "spelt", "written"),
    [
        ("phone", "+1 (202) 555-0147", "+12025550147"),
        ("phone", "１３８ 0000 0000", "13800000000"),
        ("email", " Ann@Example.ORG ", "ann@example.org"),
        ("card", "4000 1234", "40001234"),
        ("external_id", " 330 ", "330"),
        ("external_id", "Ab-C", "Ab-C"),
        ("open_id", "oX_y", "oX_y"),
    ],
)
def test_one_identifier_is_one_however_it_is_spelt(kind: str, spelt: str, written: str) -> None:
    assert normal(kind, spelt) == (kind, written)


def test_a_blank_identifier_is_none() -> None:
    with pytest.raises(ValueError, match="blank"):
        normal("phone", " - ")


def version(number: int, effective_from: datetime | None) -> Version:
    return Version(number, effective_from, "USD", zone_of("America/New_York"), timedelta(hours=6))


def test_a_version_is_in_force_from_its_instant_on() -> None:
    rulebook = Rulebook([version(1, None), version(2, NOW), version(3, NOW + timedelta(days=1))])
    assert rulebook.in_force(NOW - timedelta(microseconds=1)).version == 1
    assert rulebook.in_force(NOW).version == 2
    assert rulebook.in_force(NOW + timedelta(days=9)).version == 3
    with pytest.raises(NoProgramme):
        Rulebook([]).in_force(NOW)


def test_available_is_what_is_neither_held_nor_pending_nor_expired() -> None:
    ladder = [(NOW, 20), (NOW + timedelta(days=30), 30), (NOW + timedelta(days=31), 50)]
    pending = [(NOW, 3), (NOW + timedelta(days=1), 5)]
    points = spendable(Balance(100, 10, 0, ladder, pending), NOW)
    assert points == (100 - 20 - 10 - 5, 5, 30, NOW + timedelta(days=30))


def test_while_there_is_debt_nothing_is_available() -> None:
    assert spendable(Balance(100, 0, 1, [], []), NOW).available == 0
    assert spendable(Balance(10, 20, 0, [], []), NOW).available == 0
