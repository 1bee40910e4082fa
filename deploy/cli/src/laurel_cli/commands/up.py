"""laurel up: start the stack, or what is missing of it."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, err, note, out, print_json

PortBaseOption = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        envvar="LAUREL_PORT_BASE",
        help="First port; parts stand at fixed distances above it: member-svc +1, points-svc +2, tier-svc +3, "
        "campaign-svc +4, kafka +10 and +11 (three brokers: to +15), postgres +20, prometheus +30. (default: as before, else 7400)",
    ),
]
ClockOption = Annotated[
    str | None,
    typer.Option(
        "--clock",
        help="Begin at this business moment, e.g. 2018-01-02T00:00:00-05:00. Time runs on from there, also while the "
        "stack is down; it never goes back. (default: as before, else the real time)",
    ),
]
DaysOption = Annotated[
    str | None,
    typer.Option("--days", help="Who ends a business day: clock or command. (default: as before, else clock)"),
]
PartitionsOption = Annotated[
    int | None,
    typer.Option("--partitions", help="Partitions of each topic, fixed for the life of a stack. (default: 16)"),
]
BrokersOption = Annotated[
    int | None,
    typer.Option(
        "--brokers",
        help="Kafka nodes: 1, or 3 that keep three copies of everything and go on when one of them dies. Fixed for the "
        "life of a stack. (default: 1)",
    ),
]
WithoutOption = Annotated[
    list[str] | None, typer.Option("--without", metavar="PART", help="Leave a part out (may be repeated).")
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PARTS", help="Start these parts only, e.g. kafka,postgres (may be repeated)."),
]


def up(
    *,
    home: HomeOption = DEFAULT_HOME,
    port_base: PortBaseOption = None,
    clock: ClockOption = None,
    days: DaysOption = None,
    partitions: PartitionsOption = None,
    brokers: BrokersOption = None,
    without: WithoutOption = None,
    only: OnlyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the stack: PostgreSQL, Kafka, topics, the four services, and Prometheus if this machine has it.

    Nothing but Python is needed: PostgreSQL and Java come from wheels, Kafka is fetched once (44 MB) and kept in the
    user's cache. Parts that run are kept, dead ones are started again. LAUREL_DATABASE_URL (a superuser's DSN) and
    KAFKA_BOOTSTRAP_SERVERS use servers of your own instead.
    """
    from laurel_cli.stack import Stack

    began = time.monotonic()
    stack = Stack(home, port_base)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        fetching = bar.add_task("fetching Kafka", visible=False)
        stack.up(
            only=_split(only) if only else None,
            without=_split(without or []),
            clock=clock,
            days=days,
            partitions=partitions,
            brokers=brokers,
            say=note,
            progress=lambda there, wanted: bar.update(fetching, completed=there, total=wanted, visible=there < wanted),
        )
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        print_json({"home": stack.home.root, "seconds": seconds, "pids": stack.pids(), "urls": stack.urls()})
    else:
        out.print(f"The stack is up after {seconds} s: laurel status, laurel logs -f, laurel down.", highlight=False)


def _split(words: list[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]
