"""laurel demo: a year of a real grocer through the whole stack."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.programme_file import REFERENCE


def demo(
    *,
    original_dates: Annotated[
        bool, typer.Option("--original-dates", help="Keep the dates of 2017; no day is closed then.")
    ] = False,
    households: Annotated[
        int | None, typer.Option("--households", min=1, help="Only the first so many of 2,469. (default: all)")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Add to what the stack holds already.")] = False,
    programme: Annotated[
        Path,
        typer.Option(
            "--programme",
            help="Another rule set, as YAML; in USD and New York either way.",
            show_default="the reference programme",
            exists=True,
            dir_okay=False,
        ),
    ] = REFERENCE,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Start the stack and stream a year of real baskets (Complete Journey: 155,848 of 2,469 households) through the door.

    The dates are moved by whole days so that the year ends now. Ends in a summary; the stack stays up until `laurel down`.
    Interrupted, the same command continues; done once, it shows the summary as it is now.
    """
    from laurel_cli.demo.figures import gather
    from laurel_cli.demo.performance import Wish, perform
    from laurel_cli.demo.view import view
    from laurel_cli.programmes import active_programme
    from laurel_cli.services import Addresses, open_services

    bill, journal = perform(home, Wish(programme, original_dates, households, keep))
    setup = os.environ.get("LAUREL_SETUP_SECONDS")
    with open_services(Addresses.found(home, {})) as services:
        figures = gather(services, bill, journal, float(setup) if setup else None)
        active = active_programme(services.member)
    if as_json:
        print_json(asdict(figures))
    else:
        out.print(view(figures, bill, active.programme))
