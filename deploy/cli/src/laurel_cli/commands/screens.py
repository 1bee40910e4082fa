"""laurel screens: the pictures of the README, made from the running program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, note, out, print_json

DEFAULT_FOLDER = Path("docs/images")


def screens(
    *,
    folder: Annotated[Path, typer.Option("--out", help="Where the pictures go.", file_okay=False)] = DEFAULT_FOLDER,
    member: Annotated[
        str | None, typer.Option("--member", help="Whom `laurel explain` is shown for. (default: the best member)")
    ] = None,
    columns: Annotated[int, typer.Option("--columns", min=60, max=200, help="Width of the terminal.")] = 108,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Make SVG pictures of `laurel status`, the demo's summary and `laurel explain`, by running them (the demo first)."""
    from laurel_cli.exporting import member_rows
    from laurel_cli.screens import Screen, render
    from laurel_cli.services import Addresses, open_services

    made = [render(Screen("demo", ("demo",)), home, columns, folder)]
    if member is None:
        with open_services(Addresses.found(home, {})) as services:
            member = max(member_rows(services), key=lambda row: int(row["points_earned"]))["external_id"]
    for screen in (Screen("status", ("status",)), Screen("explain", ("explain", str(member), "--entries", "6"))):
        note(f"running {screen.title}")
        made.append(render(screen, home, columns, folder))
    if as_json:
        print_json([str(path) for path in made])
    else:
        for path in made:
            out.print(str(path), highlight=False)
