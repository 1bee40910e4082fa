"""laurel reset: stop the stack and delete its data."""

from __future__ import annotations

from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, note, out, print_json
from laurel_cli.refusal import CommandError


def reset(
    home: HomeOption = DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop the stack and delete everything it holds: databases, topics, logs, settings, passwords.

    Servers of your own (LAUREL_DATABASE_URL, KAFKA_BOOTSTRAP_SERVERS) are left as they are.
    """
    from laurel_cli.stack import Stack

    stack = Stack(home)
    root = stack.home.root
    if not stack.home.exists():
        raise CommandError(f"there is no stack in {root}")
    if not yes and not typer.confirm(f"Delete all data of the stack in {root}?", err=True):
        raise CommandError("nothing was deleted")
    stack.wipe(say=note)
    if as_json:
        print_json({"deleted": root})
    else:
        out.print(f"Deleted {root}.", highlight=False, soft_wrap=True)
