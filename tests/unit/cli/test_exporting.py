"""Members leave as rows with exactly the columns promised, in three formats that say the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from laurel_cli.exporting import COLUMNS, member_rows, write_rows
from laurel_cli.refusal import CommandError
from laurel_cli.services import Services


class Answers:
    """What the services would answer, page by page."""

    def members(self) -> Iterator[dict[str, Any]]:
        yield {
            "member_id": "a",
            "identifiers": [{"kind": "card", "value": "7"}, {"kind": "external_id", "value": "42"}],
        }
        yield {"member_id": "b", "identifiers": []}

    def standings(self) -> Iterator[dict[str, Any]]:
        yield {"member_id": "a", "tier": "gold", "since": "2026-01-02T00:00:00Z", "until": "2027-01-02T05:00:00Z"}

    def balances(self) -> Iterator[dict[str, Any]]:
        yield {"member_id": "a", "earned_net": 300, "posted": 350, "available": 340, "debt": 0}


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    answers: Any = Answers()
    return list(member_rows(Services(answers, answers, answers, answers, answers)))


def test_a_row_joins_what_three_services_say_and_a_member_nobody_spoke_of_has_nothing(
    rows: list[dict[str, Any]],
) -> None:
    assert [list(row) for row in rows] == [[name for name, _ in COLUMNS]] * 2
    assert list(rows[0].values()) == [
        "a",
        "42",
        "gold",
        "2026-01-02T00:00:00Z",
        "2027-01-02T05:00:00Z",
        300,
        350,
        340,
        0,
    ]
    assert list(rows[1].values()) == ["b", None, None, None, None, 0, 0, 0, 0]


def test_the_three_formats_say_the_same(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    for ending in ("csv", "ndjson", "parquet"):
        assert write_rows(rows, tmp_path / f"m.{ending}") == 2
    assert [json.loads(line) for line in (tmp_path / "m.ndjson").read_text().splitlines()] == rows
    assert pq.read_table(tmp_path / "m.parquet").to_pylist() == rows
    with (tmp_path / "m.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
        ]


def test_an_unknown_ending_and_a_folder_that_is_not_there_are_sentences(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=r"must end in \.csv"):
        write_rows(rows, tmp_path / "m.xlsx")
    with pytest.raises(CommandError, match="cannot write"):
        write_rows(rows, tmp_path / "nowhere" / "m.csv")
