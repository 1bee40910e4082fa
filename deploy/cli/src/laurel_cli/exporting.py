"""Members as rows, joined from the pages of three services; written as CSV, NDJSON or Parquet. Read after `laurel settle` the rows belong
together; in between each service is as far as it is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from laurel_cli.refusal import CommandError
from laurel_cli.services import Services

COLUMNS = (
    ("member_id", str),
    ("external_id", str),
    ("tier", str),
    ("since", str),
    ("until", str),
    ("points_earned", int),
    ("points_posted", int),
    ("points_available", int),
    ("debt", int),
)
Row = dict[str, Any]


def member_rows(services: Services) -> Iterator[Row]:
    """One row per member that the door knows; points and tier of those who have none yet are 0 and empty."""
    standings = {row["member_id"]: row for row in services.tier.standings()}
    balances = {row["member_id"]: row for row in services.points.balances()}
    for member in services.member.members():
        member_id = member["member_id"]
        standing, balance = standings.get(member_id, {}), balances.get(member_id, {})
        yield {
            "member_id": member_id,
            "external_id": _external_id(member["identifiers"]),
            "tier": standing.get("tier"),
            "since": standing.get("since"),
            "until": standing.get("until"),
            "points_earned": balance.get("earned_net", 0),
            "points_posted": balance.get("posted", 0),
            "points_available": balance.get("available", 0),
            "debt": balance.get("debt", 0),
        }


def _external_id(identifiers: list[dict[str, str]]) -> str | None:
    return next((one["value"] for one in identifiers if one["kind"] == "external_id"), None)


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Write the rows and say how many; the ending of the name chooses the format."""
    kind = path.suffix.lower()
    writers = {".csv": _write_csv, ".ndjson": _write_ndjson, ".jsonl": _write_ndjson, ".parquet": _write_parquet}
    if kind not in writers:
        raise CommandError(f"--out {path}: the name must end in {', '.join(writers)}")
    try:
        return writers[kind](rows, path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error


def _write_csv(rows: Iterable[Row], path: Path) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [name for name, _ in COLUMNS])
        writer.writeheader()
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(row)
    return count


def _write_ndjson(rows: Iterable[Row], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _write_parquet(rows: Iterable[Row], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet

    schema = pa.schema([(name, pa.string() if kind is str else pa.int64()) for name, kind in COLUMNS])
    table = pa.Table.from_pylist(list(rows), schema=schema)
    pyarrow.parquet.write_table(table, path)
    return int(table.num_rows)
