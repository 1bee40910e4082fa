"""The console script `laurel`. One command, one file in `commands/`; a new one is one line in COMMANDS."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from laurel_cli.commands.day import day
from laurel_cli.commands.demo import demo
from laurel_cli.commands.dlq import dlq
from laurel_cli.commands.down import down
from laurel_cli.commands.explain import explain
from laurel_cli.commands.export import export
from laurel_cli.commands.import_ import import_files
from laurel_cli.commands.ledger import ledger
from laurel_cli.commands.logs import logs
from laurel_cli.commands.programme import programme
from laurel_cli.commands.resay import resay
from laurel_cli.commands.reset import reset
from laurel_cli.commands.screens import screens
from laurel_cli.commands.settle import settle
from laurel_cli.commands.status import status
from laurel_cli.commands.topics import topics
from laurel_cli.commands.up import up
from laurel_cli.console import note
from laurel_cli.refusal import CommandError

COMMANDS = (
    up,
    down,
    status,
    logs,
    reset,
    demo,
    explain,
    settle,
    resay,
    screens,
    topics,
)
GROUPS = (programme, day, dlq, export, ledger)

app = typer.Typer(
    name="laurel",
    rich_markup_mode="markdown",  # paragraphs of docstrings fill the terminal
    help="The Laurel loyalty platform on this machine.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(version("laurel-cli"))
        raise typer.Exit


@app.callback()
def laurel(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """The Laurel loyalty platform on this machine.

    Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage.
    """


for command in COMMANDS:
    app.command()(command)
app.command("import")(import_files)  # `import` cannot be a function's name
for group in GROUPS:
    app.add_typer(group)


def main() -> None:
    """Run the command line; an error that a person can act on is one sentence, not a traceback."""
    try:
        app()
    except CommandError as error:
        note(f"laurel: {error}")
        sys.exit(1)
