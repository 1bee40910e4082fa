"""laurel resay: services say their facts again, so that a reader can be rebuilt."""

from __future__ import annotations

from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.refusal import CommandError
from laurel_cli.services.asked import UrlOption, services_of


def resay(
    service: Annotated[
        list[str] | None, typer.Option("--service", help="Which service speaks (may be repeated) (default: all four)")
    ] = None,
    member: Annotated[
        str | None, typer.Option("--member", help="About whom: external id, kind:value or member id (default: all)")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say the facts again from the services' own books, under the same ids and numbers; who knows them already ignores them."""
    said: dict[str, int] = {}
    with services_of(home, url) as services:
        member_id = services.member.find(member) if member else None
        try:
            speakers = [services.named(name) for name in service] if service else list(services.all)
        except KeyError as error:
            raise CommandError(
                f"there is no service {error}; there are {', '.join(each.name for each in services.all)}"
            ) from error
        for speaker in speakers:
            said[speaker.name] = speaker.resay(member_id)
    if as_json:
        print_json(said)
    else:
        for name, count in said.items():
            out.print(f"{name} says {count:,} facts again", highlight=False)
