"""laurel logs: what the parts have written."""

from __future__ import annotations

from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption


def logs(
    part: Annotated[
        str | None, typer.Argument(help="postgres, kafka (kafka-2 …), a service, or prometheus. (default: all)")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each part.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the last lines of one part's log, or of all."""
    import json
    import sys

    from laurel_cli.stack import Stack, StackError
    from laurel_cli.stack.logs import follow_logs, last_lines

    stack = Stack(home)
    names = stack.kafka_nodes if part == "kafka" else [name for name in stack.parts if part in (None, name)]
    if not names:
        raise StackError(f"there is no part {part!r}; there are {', '.join(stack.parts)}")
    chosen = {name: stack.home.log(name) for name in names}
    width = max(map(len, chosen))

    def show(name: str, line: str) -> None:
        text = line if len(chosen) == 1 else f"{name:<{width}} | {line}"
        sys.stdout.write((json.dumps({"part": name, "line": line}) if as_json else text) + "\n")

    for name, line in last_lines(chosen, lines):
        show(name, line)
    if follow:
        sys.stdout.flush()
        try:
            for name, line in follow_logs(chosen):
                show(name, line)
                sys.stdout.flush()
        except KeyboardInterrupt:
            return
