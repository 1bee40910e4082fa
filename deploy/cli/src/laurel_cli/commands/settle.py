"""laurel settle: wait until everything that was said has had its effect."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, note, out, print_json
from laurel_cli.services.asked import UrlOption, services_of
from laurel_cli.settling import settle as wait_until_settled
from laurel_cli.watching import waiting_for

TOLD_AT_MOST = 3  # obstacles in one line of progress; the rest is a number


def settle(
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait at most.")] = 300.0,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until all outboxes are empty, all cursors are at the end, no lane waits, closed days have come to everybody and no points are
    under way between members, twice in a row with nothing moved in between.

    Exit code 1 when the time limit passes or a lane is halted; the reasons name the service and the lane.
    """
    with services_of(home, url) as services, waiting_for("settling") as tell:
        result = wait_until_settled(
            lambda: [service.progress() for service in services.all],
            limit_seconds=timeout,
            tell=lambda found: tell(_in_brief([str(one) for one in found])),
        )
    seconds = round(result.seconds, 1)
    if as_json:
        print_json({
            "settled": not result.obstacles, "seconds": seconds, "looks": result.looks,
            "obstacles": [asdict(one) for one in result.obstacles],
        })  # fmt: skip
    elif not result.obstacles:
        out.print(f"Everything is settled after {seconds} s.", highlight=False)
    else:
        for one in result.obstacles:
            out.print(f"still waiting for {one}", highlight=False, markup=False)
    if result.obstacles:
        note(f"laurel: not settled after {seconds} s")
        raise typer.Exit(1)


def _in_brief(found: list[str]) -> str:
    rest = len(found) - TOLD_AT_MOST
    return "; ".join(found[:TOLD_AT_MOST]) + (f"; and {rest} more" if rest > 0 else "")
