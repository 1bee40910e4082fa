"""Rows of a table, grouped to orders: purchases with lines, in the order in which they happened. One row is one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from laurel_cli.importing import columns
from laurel_cli.importing.mapping import Mapping, MappingError, check_columns
from laurel_cli.importing.money import minor_units
from laurel_cli.importing.reports import Prepared, ReportedPurchase, Unreadable
from laurel_contracts.activities import LINES_MAX, OrderLine
from laurel_contracts.envelope import Event, Identifier

PURCHASE = "laurel.purchase.recorded.v1"
ROWS_AT_A_TIME = 65_536  # rows that are Python values at one moment: some 20 MB
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode

# The fields of a row, in the order in which a reason for refusing it is looked for.
_Row = tuple[Any, ...]
_CHECKED = ("order", "member", "instant", "amount", "quantity", "sku", "category", "line", "store")


@dataclass(slots=True)
class TableOrders:
    """The orders of tables, file after file; within a file by time and then by order. Memory: one file's mapped columns at a time."""

    paths: Sequence[Path]
    mapping: Mapping
    total: int = field(init=False)

    def __post_init__(self) -> None:
        for path in self.paths:
            check_columns(self.mapping.columns, column_names(path), path.name)
        order = self.mapping.columns["order"]
        self.total = sum(count_orders(read_table(path, [order])[order]) for path in self.paths)

    def __iter__(self) -> Iterator[Prepared | Unreadable]:
        for path in self.paths:
            yield from orders_of(read_table(path, self.mapping.columns.values()), self.mapping)


def column_names(path: Path) -> list[str]:
    """The columns that a CSV or Parquet file has."""
    try:
        if path.suffix.lower() == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        with path.open(encoding="utf-8-sig") as lines:
            return list(pyarrow.csv.read_csv(pa.BufferReader(lines.readline().encode())).column_names)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MappingError(f"cannot read {path}: {error}") from error


def count_orders(column: Any) -> int:
    """How many orders the rows of an order column make."""
    return len(pc.unique(column))


def read_table(path: Path, names: Iterable[str]) -> Any:
    """Some columns of a CSV or Parquet file. CSV columns are read as text, so that money stays as it is written."""
    wanted = sorted(set(names))
    try:
        if path.suffix.lower() == ".parquet":
            return pyarrow.parquet.read_table(path, columns=wanted)
        as_text = pyarrow.csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        return pyarrow.csv.read_csv(path, convert_options=as_text)
    except (OSError, pa.ArrowException) as error:
        raise MappingError(f"cannot read {path}: {error}") from error


def orders_of(table: Any, mapping: Mapping) -> Iterator[Prepared | Unreadable]:
    """One report per order, or the reason why not. `order` groups the rows; an order's time is its earliest row's."""
    readings, sequence = _prepare(table, mapping)
    build = _Builder(mapping, {name: reading.reasons for name, reading in readings.items()})
    del table
    rows: list[_Row] = []
    current: object = None
    for row in _rows(readings, sequence):
        if row[0] != current and rows:
            yield build.order(rows)
            rows = []
        current = row[0]
        rows.append(row)
    if rows:
        yield build.order(rows)


def _rows(readings: dict[str, columns.Converted], sequence: Any) -> Iterator[_Row]:
    """The rows in stream order, a slice at a time."""
    for start in range(0, len(sequence), ROWS_AT_A_TIME):
        places = sequence.slice(start, ROWS_AT_A_TIME)
        cells: list[Iterable[Any]] = []
        for name in _CHECKED:
            reading = readings.get(name)
            if reading is None:
                cells.append(repeat(None, len(places)))
            else:
                values = reading.values
                cells.append([values[code] for code in reading.codes.take(places).to_pylist()])
        yield from zip(*cells, strict=False)


def _prepare(table: Any, mapping: Mapping) -> tuple[dict[str, columns.Converted], Any]:
    """The mapped columns, converted, and the row numbers in stream order."""
    mapped = mapping.columns
    times = columns.read_times(table[mapped["time"]], mapping.zone, mapping.shift_days)
    ways: dict[str, Callable[[Any], Any]] = {
        "order": columns.text_of,
        "member": columns.text_of,
        "amount": partial(minor_units, exponent=mapping.exponent),
        "quantity": columns.pieces,
        "sku": columns.text_or_unknown,
        "category": columns.text_or_unknown,
        "line": columns.text_of,
        "store": columns.text_of,
    }
    readings = {name: columns.convert(table[mapped[name]], way) for name, way in ways.items() if name in mapped}
    orders = readings["order"].codes
    keys = pa.table(
        {
            "time": _earliest_of_order(orders, times.order.spread(pa.int64())),
            "order": table[mapped["order"]],  # numbers sort as numbers, texts as texts
            "row": pa.array(range(table.num_rows), pa.int64()),
        }
    )
    sequence = pc.sort_indices(keys, [("time", "ascending"), ("order", "ascending"), ("row", "ascending")])
    return readings | {"instant": times.instant}, sequence


def _earliest_of_order(orders: Any, times: Any) -> Any:
    """For each row the earliest time of its order, so that an order's rows stay together."""
    grouped = (
        pa.table({"order": orders, "time": times}).group_by("order", use_threads=False).aggregate([("time", "min")])
    )
    by_order = grouped.take(pc.sort_indices(grouped["order"]))
    return by_order["time_min"].combine_chunks().take(orders)


class _Builder:
    """From the rows of one order to the bytes of its report."""

    def __init__(self, mapping: Mapping, reasons: dict[str, list[str]]) -> None:
        self._mapping = mapping
        self._reasons = reasons
        # What a row must have for its order to be sent: every mapped field.
        self._needed = [(place, name) for place, name in enumerate(_CHECKED) if name in reasons]

    def order(self, rows: list[_Row]) -> Prepared | Unreadable:
        refusal = self._refusal(rows)
        if refusal is not None:
            return Unreadable(f"order {rows[0][0]}", "unreadable_row", refusal)
        order, member, instant, *_, store = rows[0]
        if len(rows) > 1:
            instant = min(row[2] for row in rows)
        mapping = self._mapping
        lines = tuple(
            OrderLine(
                line_id=line or str(number),
                sku=sku or "unknown",
                category=category or "unknown",
                quantity=1 if quantity is None else quantity,
                amount_minor=amount,
            )
            for number, (_, _, _, amount, quantity, sku, category, line, _) in enumerate(rows, start=1)
        )
        order_id = mapping.order_prefix + order
        report = Event(
            id=order_id,
            source=f"{mapping.source}/store-{store}" if store else mapping.source,
            type=PURCHASE,
            time=_EPOCH + timedelta(microseconds=instant),
            data=ReportedPurchase(
                order_id=order_id,
                channel=mapping.channel,
                store_id=store,
                currency=mapping.currency,
                lines=lines,
                amount_minor=sum([line.amount_minor for line in lines]),
                identifier=Identifier(kind=mapping.member_kind, value=member),
            ),
        )
        return Prepared(f"{mapping.member_kind}:{member}".encode(), b'{"specversion":"1.0",' + _encode(report)[1:])

    def _refusal(self, rows: list[_Row]) -> str | None:
        """Why these rows are no order; None when they are one."""
        if len(rows) > LINES_MAX:
            return f"it has {len(rows)} lines; an order holds {LINES_MAX}"
        for row in rows:
            if None in row:
                for place, name in self._needed:
                    if row[place] is None:
                        return self._unreadable(name)
        member = rows[0][1]
        for row in rows:
            if row[1] != member:
                return f"its rows name more than one member: {member}, {row[1]}"
        return None

    def _unreadable(self, name: str) -> str:
        field = "time" if name == "instant" else name
        example = next(iter(self._reasons[name]), None)
        return f"its {field} (column {self._mapping.columns[field]}) cannot be read" + (
            f", e.g. {example}" if example else ""
        )
