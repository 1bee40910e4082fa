"""Which column of a table means what: the mapping, from `--map field=column` and from a YAML file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from laurel_cli.refusal import CommandError

NEEDED = ("member", "order", "time", "amount")
FIELDS = (*NEEDED, "sku", "category", "quantity", "line", "store")
MemberKind = Literal["phone", "email", "card", "open_id", "external_id"]


class MappingError(CommandError):
    """The mapping cannot be used; the message says what to write instead."""


class MappingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The YAML form. `columns` is what `--map` gives; the rest are the options of the same names."""

    columns: dict[str, str] = {}
    member_kind: MemberKind | None = None
    zone: str | None = None
    currency: str | None = None
    exponent: int | None = None
    channel: Literal["store", "online"] | None = None
    source: str | None = None
    order_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """How the rows of a table become purchases. `columns` maps our field to the file's column; one row is one line of an order."""

    columns: dict[str, str]
    currency: str
    exponent: int = 2  # minor units are 10^-exponent of the major unit
    zone: ZoneInfo | None = None  # what times without an offset are read in (the earlier of two readings: fold=0)
    member_kind: MemberKind = "external_id"
    channel: Literal["store", "online"] = "store"
    source: str = "import"  # with a `store` column the store's id is appended
    order_prefix: str = ""  # makes order numbers unique in the programme when the file's own are not
    shift_days: int = 0  # local times are moved by whole days, so that hours and shop habits stay


def columns_of(pairs: Iterable[str]) -> dict[str, str]:
    """`field=column` pairs as a mapping; a MappingError names what is misspelt or said twice."""
    columns: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not name or not column:
            raise MappingError(f"--map {pair!r}: write it as field=column, for example member=household_id")
        if name not in FIELDS:
            raise MappingError(f"--map {pair!r}: there is no field {name!r}; there are {', '.join(FIELDS)}")
        if name in columns:
            raise MappingError(f"--map: {name} is mapped twice, to {columns[name]!r} and to {column!r}")
        columns[name] = column
    return columns


def read_mapping_file(path: Path) -> MappingFile:
    """The mapping of a YAML file; a MappingError says where it is wrong."""
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=MappingFile)
    except OSError as error:
        raise MappingError(f"cannot read the mapping {path}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise MappingError(f"{path} is no mapping: {error}") from error
    columns_of(f"{name}={column}" for name, column in found.columns.items())
    return found


def check_columns(columns: dict[str, str], there: Iterable[str], file: str) -> None:
    """Raise a MappingError unless everything needed is mapped, and to columns that exist."""
    names = list(there)
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise MappingError(
            f"{file}: nothing says which column is the {' and the '.join(missing)}; give --map {missing[0]}=COLUMN. "
            f"The columns are {', '.join(names)}"
        )
    unknown = [column for column in columns.values() if column not in names]
    if unknown:
        raise MappingError(f"{file} has no column {unknown[0]!r}; the columns are {', '.join(names)}")
