"""laurel day: the programme's calendar."""

from __future__ import annotations

from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.services.asked import UrlOption, services_of

day = typer.Typer(name="day", help="The programme's calendar: end days by command.", no_args_is_help=True)


@day.command()
def close(
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of",
            help="A local date (the day that begins then; all before it is closed), or an instant with an offset.",
        ),
    ],
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close all days before AS_OF: judge the period ends up to it, and expire the points up to it.

    The record is laid into every partition; `laurel settle` waits until everybody has applied it. The door refuses a day
    that its business clock has not reached, and one earlier than the last.
    """
    with services_of(home, url) as services:
        answer = services.member.close_day(as_of)
    if as_json:
        print_json(answer)
    else:
        out.print(f"The days before {answer['as_of']} are closed ({answer['records']} records).", highlight=False)


@day.command("list")
def list_days(home: HomeOption = DEFAULT_HOME, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show which days have been closed."""
    with services_of(home, url) as services:
        answer = services.member.days()
    if as_json:
        print_json(answer)
        return
    days = answer["items"] if isinstance(answer, dict) else answer
    for one in days:
        out.print(one["as_of"] if isinstance(one, dict) else one, highlight=False)
    if not days:
        out.print("No day has been closed.")
