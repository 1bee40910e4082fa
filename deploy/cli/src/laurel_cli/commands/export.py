"""laurel export: what the services hold, as a file for somebody else's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.services.asked import UrlOption, services_of

export = typer.Typer(name="export", help="Write what the services hold to a file.", no_args_is_help=True)


@export.command()
def members(
    file: Annotated[Path, typer.Option("--out", help="Where to: .csv, .ndjson or .parquet.", dir_okay=False)],
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one row per member: member_id, external_id, tier, since, until, points_earned, points_posted, points_available, debt.

    points_earned are the net points of orders (earned less taken back); spending and expiry are not deducted from them.
    """
    from laurel_cli.exporting import COLUMNS, member_rows, write_rows

    with services_of(home, url) as services:
        rows = write_rows(member_rows(services), file)
    if as_json:
        print_json({"file": str(file), "rows": rows, "columns": [name for name, _ in COLUMNS]})
    else:
        out.print(f"{rows:,} members are in {file}.", highlight=False)
