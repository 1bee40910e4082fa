"""How a command line names the services: `--url` once per service, the environment, or the stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from laurel_cli.refusal import CommandError
from laurel_cli.services.found import SERVICE_NAMES, Addresses, Services, open_services, variable

UrlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        metavar="SERVICE=ADDRESS",
        help="Where a service is, e.g. member=http://127.0.0.1:7401 (may be repeated).  "
        f"[default: {variable('member-svc')} and its like, else the stack in --home]",
    ),
]


def addresses(home: Path, urls: list[str] | None) -> Addresses:
    """The addresses of all four services."""
    given: dict[str, str | None] = {}
    for pair in urls or []:
        name, equals, address = pair.partition("=")
        service = f"{name.strip().removesuffix('-svc')}-svc"
        if not equals or service not in SERVICE_NAMES or "://" not in address:
            raise CommandError(
                f"--url {pair!r}: write it like member=http://127.0.0.1:7401; there are {', '.join(SERVICE_NAMES)}"
            )
        given[service] = address.strip().rstrip("/")
    return Addresses.found(home, given)


@contextmanager
def services_of(home: Path, urls: list[str] | None) -> Iterator[Services]:
    """The four services, connected."""
    with open_services(addresses(home, urls)) as services:
        yield services
