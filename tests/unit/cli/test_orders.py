"""Rows of tables become orders: grouped, exact, in the order in which they happened; what cannot be read costs one order only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet
import pytest

from laurel_cli.importing.mapping import Mapping, MappingError, check_columns, columns_of, read_mapping_file
from laurel_cli.importing.orders import TableOrders, orders_of
from laurel_cli.importing.reports import Prepared, Unreadable
from laurel_contracts.envelope import Report
from laurel_contracts.registry import data_decoder

NEW_YORK = ZoneInfo("America/New_York")
COLUMNS = {
    "member": "card",
    "order": "bon",
    "time": "at",
    "amount": "paid",
    "sku": "article",
    "category": "group",
    "quantity": "pieces",
}
MAPPING = Mapping(columns=COLUMNS, currency="USD", zone=NEW_YORK, member_kind="card", source="till")
ROW = {
    "card": "C1",
    "bon": "1",
    "at": "2026-03-01 10:00:00",
    "paid": "1.10",
    "article": "A",
    "group": "tea",
    "pieces": "2",
}


def table(*rows: dict[str, Any]) -> Any:
    return pa.Table.from_pylist([ROW | row for row in rows])


def reports(found: Iterator[Prepared | Unreadable]) -> list[dict[str, Any]]:
    out = []
    for one in found:
        assert isinstance(one, Prepared), one
        out.append(json.loads(one.body))
    return out


def test_rows_of_one_order_become_lines_of_one_purchase() -> None:
    (one,) = reports(orders_of(table({}, {"article": "B", "paid": "2.25", "pieces": "1"}), MAPPING))
    assert one["type"] == "laurel.purchase.recorded.v1"
    assert (one["id"], one["source"], one["time"]) == ("1", "till", "2026-03-01T15:00:00Z")
    assert one["data"] == {
        "order_id": "1", "channel": "store", "currency": "USD", "amount_minor": 335,
        "identifier": {"kind": "card", "value": "C1"},
        "lines": [
            {"line_id": "1", "sku": "A", "category": "tea", "quantity": 2, "amount_minor": 110},
            {"line_id": "2", "sku": "B", "category": "tea", "quantity": 1, "amount_minor": 225},
        ],
    }  # fmt: skip


def test_what_is_sent_is_a_report_of_the_contract() -> None:
    import msgspec

    (one,) = orders_of(table({}), MAPPING)
    assert isinstance(one, Prepared)
    report = msgspec.json.decode(one.body, type=Report)
    assert data_decoder(report.type).decode(report.data).amount_minor == 110


def test_orders_come_by_time_and_rows_of_an_order_stay_together() -> None:
    rows = table(
        {"bon": "2", "at": "2026-03-02 09:00:00"},
        {"bon": "3", "at": "2026-03-02 08:00:00"},
        {"bon": "2", "at": "2026-03-02 09:05:00"},
        {"bon": "1", "at": "2026-03-02 09:02:00"},
    )
    found = reports(orders_of(rows, MAPPING))
    assert [one["id"] for one in found] == ["3", "2", "1"]
    assert found[1]["time"] == "2026-03-02T14:00:00Z"  # the earliest row of the order
    assert len(found[1]["data"]["lines"]) == 2


def test_order_numbers_that_are_numbers_sort_as_numbers() -> None:
    found = reports(orders_of(pa.Table.from_pylist([ROW | {"bon": number} for number in (10, 9)]), MAPPING))
    assert [one["id"] for one in found] == ["9", "10"]


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2017-03-12 02:30:00", "2017-03-12T07:30:00Z"),  # a time that the clock skipped: read by the offset before it
        ("2017-11-05 01:30:00", "2017-11-05T05:30:00Z"),  # a time that came twice: the first of the two
        ("2017-07-01T12:00:00-04:00", "2017-07-01T16:00:00Z"),
    ],
)
def test_a_local_time_is_read_in_its_zone_the_earlier_of_two_readings(local: str, instant: str) -> None:
    (one,) = reports(orders_of(table({"at": local}), MAPPING))
    assert one["time"] == instant


def test_a_shift_keeps_the_local_hour_over_a_change_of_the_clock() -> None:
    from dataclasses import replace

    (one,) = reports(orders_of(table({"at": "2017-01-10 09:00:00"}), replace(MAPPING, shift_days=180)))
    assert one["time"] == "2017-07-09T13:00:00Z"


def test_times_without_an_offset_need_a_zone() -> None:
    from dataclasses import replace

    with pytest.raises(MappingError, match="--zone"):
        list(orders_of(table({}), replace(MAPPING, zone=None)))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"paid": "three"}, "amount (column paid)"), ({"paid": "-1.00"}, "negative"), ({"card": ""}, "member (column card)"),
        ({"at": "yesterday"}, "time (column at)"), ({"pieces": "-1"}, "quantity (column pieces)"), ({"paid": None}, "amount"),
        ({"at": "2026-03-01T10:00:00-05:00"}, "offset"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_costs_its_order_and_says_why(bad: dict[str, Any], reason: str) -> None:
    found = list(orders_of(table({}, {"bon": "2"} | bad, {"bon": "2"}, {"bon": "3"}), MAPPING))
    unreadable = [one for one in found if isinstance(one, Unreadable)]
    assert len(found) == 3
    assert [one.where for one in unreadable] == ["order 2"]
    assert reason in unreadable[0].detail


def test_an_order_of_two_members_is_not_sent() -> None:
    (one,) = orders_of(table({}, {"card": "C2"}), MAPPING)
    assert isinstance(one, Unreadable)
    assert "more than one member" in one.detail


def test_weighed_goods_count_as_one_piece_and_missing_words_as_unknown() -> None:
    (one,) = reports(orders_of(table({"pieces": "0.532", "group": None}, {"pieces": None, "article": ""}), MAPPING))
    assert [(line["quantity"], line.get("category"), line["sku"]) for line in one["data"]["lines"]] == [
        (1, None, "A"), (1, "tea", "unknown"),  # `unknown` is the contract's default, so it is left out
    ]  # fmt: skip


def test_csv_and_parquet_of_the_same_rows_give_the_same_reports(tmp_path: Path) -> None:
    rows = table({}, {"bon": "2", "paid": "0.29"}, {"bon": "2", "paid": "10.00"})
    (tmp_path / "a.csv").write_text(
        "\ufeff"
        + ",".join(rows.column_names)
        + "\n"
        + "\n".join(",".join(row.values()) for row in rows.to_pylist())
        + "\n",
        encoding="utf-8",
    )
    pyarrow.parquet.write_table(rows, tmp_path / "a.parquet")
    from_csv, from_parquet = (TableOrders([tmp_path / name], MAPPING) for name in ("a.csv", "a.parquet"))
    assert from_csv.total == from_parquet.total == 2
    assert list(from_csv) == list(from_parquet)
    assert list(from_csv) == list(from_csv)  # a journal's positions rest on this


def test_a_store_column_makes_a_channel_of_each_store() -> None:
    from dataclasses import replace

    mapping = replace(MAPPING, columns=COLUMNS | {"store": "shop"}, order_prefix="a-")
    (one,) = reports(orders_of(table({"shop": 330}), mapping))
    assert (one["source"], one["data"]["store_id"], one["data"]["order_id"]) == ("till/store-330", "330", "a-1")


def test_a_mapping_is_checked_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no field 'basket'"):
        columns_of(["basket=x"])
    with pytest.raises(MappingError, match="twice"):
        columns_of(["order=x", "order=y"])
    with pytest.raises(MappingError, match="field=column"):
        columns_of(["order"])
    with pytest.raises(MappingError, match="which column is the time and the amount"):
        check_columns({"member": "a", "order": "b"}, ["a", "b"], "f.csv")
    with pytest.raises(MappingError, match="no column 'when'; the columns are a, b"):
        check_columns({"member": "a", "order": "b", "time": "when", "amount": "b"}, ["a", "b"], "f.csv")
    path = tmp_path / "map.yaml"
    path.write_text("columns: {member: card, order: bon}\nzone: America/New_York\nmember_kind: card\n")
    assert read_mapping_file(path).columns == {"member": "card", "order": "bon"}
    path.write_text("colums: {}\n")
    with pytest.raises(MappingError, match="colums"):
        read_mapping_file(path)
