"""laurel programme: the rule set as a versioned document, loaded into all four services and activated at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.services.asked import UrlOption, services_of

programme = typer.Typer(name="programme", help="The rule set: load, compare, show.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The programme as YAML.", exists=True, dir_okay=False)]
CurrencyOption = Annotated[str | None, typer.Option("--currency", help="Instead of the file's.")]
ZoneOption = Annotated[str | None, typer.Option("--zone", help="Instead of the file's, e.g. America/New_York.")]
VersionOption = Annotated[int | None, typer.Option("--version", min=1, help="Instead of the file's.")]


@programme.command()
def apply(
    *,
    file: FileArgument,
    currency: CurrencyOption = None,
    zone: ZoneOption = None,
    version: VersionOption = None,
    activate: Annotated[
        bool, typer.Option("--activate/--no-activate", help="Bring it into force, or only load it.")
    ] = True,
    effective_from: Annotated[
        str | None,
        typer.Option(
            "--effective-from",
            help="An instant with an offset, not in the past (default: now; the first version: from the beginning)",
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load a programme version into all four services and, when all hold the same, bring it into force.

    A published version never changes: the same file again is fine, other rules need the next version number.
    """
    from laurel_cli import programmes
    from laurel_cli.programme_file import read_programme
    from laurel_cli.watching import waiting_for
    from laurel_contracts.programme import sha256

    document = read_programme(file, currency=currency, zone=zone, version=version)
    with services_of(home, url) as services, waiting_for("activating the programme") as tell:
        programmes.put_everywhere(services, document)
        done = (
            programmes.activate(services, document, effective_from, tell=tell)
            if activate
            else "is loaded, not in force"
        )
    result = {"programme": document.programme, "version": document.version, "sha256": sha256(document), "result": done}
    if as_json:
        print_json(result)
    else:
        out.print(
            f"Programme {document.programme}, version {document.version} ({document.currency}, {document.zone}) {done}.",
            highlight=False,
        )


@programme.command()
def diff(
    *,
    file: FileArgument,
    currency: CurrencyOption = None,
    zone: ZoneOption = None,
    against: Annotated[
        int | None, typer.Option("--against", min=1, help="A version (default: the one in force)")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rule by rule what a file would change. Currency and zone are the active version's unless given."""
    from dataclasses import asdict

    from laurel_cli import programmes
    from laurel_cli.programme_file import read_programme
    from laurel_cli.programme_words import differences

    with services_of(home, url) as services:
        active = programmes.active_programme(services.member, against)
    document = read_programme(file, currency=currency or active.currency, zone=zone or active.programme.zone)
    changes = differences(active.programme, document)
    if as_json:
        print_json({"version": active.version, "changes": [asdict(change) for change in changes]})
        return
    if not changes:
        out.print(f"{file} says the same as version {active.version}.", highlight=False)
        return
    table = Table("rule", f"version {active.version}", str(file), box=None, pad_edge=False)
    for change in changes:
        table.add_row(change.rule, f"[red]{change.before}[/]", f"[green]{change.after}[/]")
    out.print(table)


@programme.command()
def show(
    *,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Which one (default: the one in force)")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rules in force, and which versions there are."""
    import msgspec

    from laurel_cli import programmes
    from laurel_cli.programme_words import rules

    with services_of(home, url) as services:
        active = programmes.active_programme(services.member, version)
        held = programmes.versions(services.member)
    if as_json:
        print_json(
            {
                "version": active.version,
                "sha256": active.sha256,
                "versions": held,
                "document": msgspec.to_builtins(active.programme),
            }
        )
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rules(active.programme):
        table.add_row(name, value)
    out.print(table)
    for one in held:
        since = f" from {one['effective_from']}" if one.get("effective_from") else ""
        out.print(
            f"version {one['version']}: {one.get('state', 'loaded')}{since}  {one['sha256'][:12]}", highlight=False
        )
