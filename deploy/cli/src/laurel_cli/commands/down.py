"""laurel down: stop the stack."""

from __future__ import annotations

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, note, out, print_json


def down(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Stop what this stack started; nothing is lost.

    Each process is known by its pid and its start time, so a stranger is never stopped. Services get SIGTERM and 12 s,
    Kafka and PostgreSQL 20 s each; then SIGKILL.
    """
    from laurel_cli.stack import Stack

    stopped = Stack(home).down(say=note)
    if as_json:
        print_json({"stopped": stopped})
    else:
        out.print(f"Stopped: {', '.join(stopped) or 'nothing ran'}.", highlight=False)
