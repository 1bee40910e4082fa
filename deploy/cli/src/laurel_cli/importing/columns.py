"""Columns of a table into the values that reports carry. Every distinct value is converted once, because prices, times and names repeat;
a value that cannot be converted becomes None and says why, so that one bad row costs one order and not the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from laurel_cli.importing.mapping import MappingError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LONGEST_TEXT = 200  # what the contracts' ShortText holds


@dataclass(frozen=True, slots=True)
class Converted:
    """A column as its distinct converted values (None where it failed) and, per row, which of them; and the reasons of the failures."""

    codes: Any  # pyarrow.Int32Array, no nulls
    values: list[Any]
    reasons: list[str]

    def spread(self, kind: Any) -> Any:
        """The value of every row, as an array to sort by."""
        return pa.array(self.values, type=kind).take(self.codes)


@dataclass(frozen=True, slots=True)
class Times:
    """Two readings of a time column, in microseconds: `order` to sort by (wall clock when the file has no offsets), `instant` as UTC."""

    order: Converted
    instant: Converted


def convert(column: Any, reading: Callable[[Any], Any]) -> Converted:
    """Apply `reading` to each distinct value of the column."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    coded = pc.dictionary_encode(array, null_encoding="encode")
    values: list[Any] = []
    reasons: list[str] = []
    for value in coded.dictionary.to_pylist():
        try:
            values.append(reading(value))
        except ValueError as error:
            values.append(None)
            reasons.append(str(error))
    return Converted(coded.indices, values, reasons)


def text_of(value: object) -> str:
    """A name or number of the file as the text that goes into a report."""
    if value is None:
        raise ValueError("it is empty")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    if not 1 <= len(text) <= LONGEST_TEXT:
        raise ValueError(f"{text[:40]!r} is {'empty' if not text else f'longer than {LONGEST_TEXT} characters'}")
    return text


def text_or_unknown(value: object) -> str:
    """As `text_of`, but what is empty is `unknown`."""
    return "unknown" if value is None or not str(value).strip() else text_of(value)


def pieces(value: object) -> int:
    """A quantity; weighed goods (a quantity that is no whole number) count as 1, as domain.md 2.1 says."""
    if value is None or value == "":
        return 1
    try:
        number = Decimal(repr(value) if isinstance(value, float) else str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is no quantity") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"{value!r} is no quantity")
    return int(number) if number == int(number) else 1


def read_times(column: Any, zone: ZoneInfo | None, shift_days: int) -> Times:
    """A column of timestamps, dates or ISO 8601 texts. Times without an offset are local to `zone`, the earlier of two readings (fold=0);
    sorted by the wall clock then, because that is the order of the receipts."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    naive = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    if not naive and not pa.types.is_timestamp(kind):
        naive = not _names_an_offset(column)
    if naive and zone is None:
        raise MappingError("the times of this file carry no offset; say where they were taken: --zone America/New_York")
    shift = timedelta(days=shift_days)

    def checked(value: Any) -> datetime:
        moment = _moment(value)
        if (moment.tzinfo is None) is not naive:
            raise ValueError(
                f"{value!r} is written {'with' if naive else 'without'} an offset, unlike the rest of its column"
            )
        return moment

    def wall_clock(value: Any) -> int:
        return _microseconds(checked(value).replace(tzinfo=UTC) + shift) if naive else instant(value)

    def instant(value: Any) -> int:
        moment = checked(value)
        if not naive:
            if zone is None or not shift_days:
                return _microseconds(moment + shift)
            moment = moment.astimezone(zone).replace(tzinfo=None)
        return _microseconds((moment + shift).replace(tzinfo=zone, fold=0))

    return Times(convert(column, wall_clock), convert(column, instant))


def _microseconds(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 (local time, placed in its zone by the caller)
    if value is None or value == "":
        raise ValueError("the time is empty")
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(
            f"{value!r} is no time; write it like 2026-03-01T18:05:00 or with an offset at the end"
        ) from None


def _names_an_offset(column: Any) -> bool:
    """Whether the first readable text of the column carries an offset; the others must do as it does."""
    for value in column.slice(0, 1000).to_pylist():
        try:
            return _moment(value).tzinfo is not None
        except ValueError:
            continue
    return False
