"""laurel explain: why a member has what he has."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.services.asked import UrlOption, services_of


def explain(
    *,
    member: Annotated[str, typer.Argument(help="External id, kind:value (phone:…, card:…), or member id.")],
    order: Annotated[
        str | None, typer.Option("--order", help="Only this order: every entry, and each campaign's verdict.")
    ] = None,
    entries: Annotated[int, typer.Option("--entries", min=1, max=1000, help="How many of the latest entries.")] = 10,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a member's standing, points and awards, and for each entry the cause, the rule and its version, every factor, the result."""
    from laurel_cli.ledger_words import Lens
    from laurel_cli.member_story import tell
    from laurel_cli.programmes import active_programme
    from laurel_cli.story_view import view

    with services_of(home, url) as services:
        story = tell(services, services.member.find(member), order_id=order, entries=entries)
        if as_json:
            print_json(asdict(story))
            return
        lens = Lens.of(active_programme(services.member).programme)
    out.print(view(story, lens))
