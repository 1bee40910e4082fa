"""laurel topics: make the topics of the contracts on a broker. What containers run once before the services."""

from __future__ import annotations

from typing import Annotated

import typer

from laurel_cli.console import JsonOption, out, print_json
from laurel_cli.stack.settings import DEFAULT_PARTITIONS, MOST_PARTITIONS


def topics(
    bootstrap: Annotated[
        str, typer.Option("--bootstrap", envvar="KAFKA_BOOTSTRAP_SERVERS", help="The broker, as host:port.")
    ],
    partitions: Annotated[
        int,
        typer.Option(
            "--partitions",
            envvar="LAUREL_PARTITIONS",
            min=1,
            max=MOST_PARTITIONS,
            help="Fixed for the life of a stack.",
        ),
    ] = DEFAULT_PARTITIONS,
    as_json: JsonOption = False,
) -> None:
    """Make the topics that are missing on a broker of your own; `laurel up` does it by itself.

    A topic that is there with another number of partitions is refused, nothing is changed. May be run again and again.
    """
    from laurel_cli.stack.topics import ensure_topics, wanted_topics

    wanted = wanted_topics(partitions)
    made = ensure_topics(bootstrap, wanted)
    if as_json:
        print_json({"made": made, "there": [topic.name for topic in wanted if topic.name not in made]})
    else:
        out.print(f"{len(made)} topics made, {len(wanted) - len(made)} were there.", highlight=False)
