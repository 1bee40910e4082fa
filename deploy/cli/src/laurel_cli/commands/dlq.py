"""laurel dlq: what could not be applied, why, and what to do about it."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.refusal import CommandError
from laurel_cli.services import Services
from laurel_cli.services.asked import UrlOption, services_of
from laurel_cli.services.speaking import Speaking

dlq = typer.Typer(name="dlq", help="Dead letters: list, show, replay or discard them.", no_args_is_help=True)

ServiceOption = Annotated[str | None, typer.Option("--service", help="Only this service (default: all four)")]
IdArgument = Annotated[str, typer.Argument(metavar="[SERVICE/]ID", help="As `laurel dlq list` shows it.")]
StateOption = Annotated[str | None, typer.Option("--state", help="Only letters in this state (default: any)")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who asks for it (default: your user name)")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Letters per service at most.")]


@dlq.command("list")
def list_letters(
    *,
    service: ServiceOption = None,
    state: StateOption = None,
    limit: LimitOption = 50,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the dead letters, the newest first: from where, why, and whether they have been dealt with."""
    with services_of(home, url) as services:
        letters = [
            {"service": one.name, **letter}
            for one in _asked(services, service)
            for letter in one.dead_letters(state, limit)
        ]
    if as_json:
        print_json(letters)
        return
    if not letters:
        out.print("There are no dead letters.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("letter", "state", "by", "from", "reason"):
        table.add_column(heading, no_wrap=True)
    table.add_column("detail", overflow="fold")
    for letter in letters:
        table.add_row(
            f"{letter['service']}/{letter['id']}",
            _text(letter, "state"),
            _text(letter, "resolved_by"),
            _origin(letter),
            _text(letter, "reason"),
            _text(letter, "detail"),
        )
    out.print(table)


@dlq.command()
def show(
    letter: IdArgument,
    service: ServiceOption = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter with its content."""
    with services_of(home, url) as services:
        speaker, number = _addressed(services, letter, service)
        found = speaker.dead_letter(number)
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        out.print(f"[bold]{name.replace('_', ' ')}[/]: ", end="")
        out.print(_action_lines(value) if name == "actions" else value, markup=False, soft_wrap=True)


@dlq.command()
def replay(
    letter: IdArgument,
    *,
    service: ServiceOption = None,
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply a dead letter now, and what was parked behind it. Mend the reason first. Exit code 1 when it fails again. Who asked for it is
    kept beside the letter; one that had been replayed already is a duplicate, and nothing happens."""
    with services_of(home, url) as services:
        speaker, number = _addressed(services, letter, service)
        _tell(speaker.replay(number, by or _user()), f"{speaker.name}/{number}", as_json)


@dlq.command()
def discard(
    letter: IdArgument,
    *,
    service: ServiceOption = None,
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a dead letter up; it stays on record as discarded, and by whom. It cannot be replayed afterwards."""
    with services_of(home, url) as services:
        speaker, number = _addressed(services, letter, service)
        _tell(speaker.discard(number, by or _user()), f"{speaker.name}/{number} is discarded", as_json)


def _asked(services: Services, name: str | None) -> list[Speaking]:
    if name is None:
        return list(services.all)
    try:
        return [services.named(name)]
    except KeyError:
        raise CommandError(
            f"there is no service {name!r}; there are {', '.join(each.name for each in services.all)}"
        ) from None


def _addressed(services: Services, letter: str, service: str | None) -> tuple[Speaking, str]:
    before, slash, number = letter.rpartition("/")
    name = before if slash else service
    if not name:
        raise CommandError(f"letter {letter!r} of which service? Write it like points-svc/{letter}, or give --service")
    return _asked(services, name)[0], number


def _tell(answer: dict[str, Any], done: str, as_json: bool) -> None:
    """What was applied, and where it stopped; exit code 1 when it stopped."""
    stopped = answer.get("stopped_at") is not None
    if as_json:
        print_json(answer)
    else:
        applied = f"{answer['replayed']:,} letters are applied now"
        where = f"; it stopped at letter {answer['stopped_at']}: {answer['detail']}" if stopped else ""
        before = "; it had been replayed before" if answer.get("duplicates") else ""
        out.print(f"{done}: {applied}{before}{where}", highlight=False, markup=False, soft_wrap=True)
    if stopped:
        raise typer.Exit(1)


def _user() -> str | None:
    """Who sits at the keyboard; None where the machine does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None


def _action_lines(actions: Sequence[dict[str, Any]]) -> str:
    """What was done about a letter, one line each; a dash where nothing was."""
    lines = [
        f"{one['at']} {one['action']} by {one['asked_by']}: {one['outcome']} {one['detail']}".rstrip()
        for one in actions
    ]
    return "\n  ".join(["", *lines]) if lines else "-"


def _text(letter: dict[str, Any], name: str) -> str:
    return str(letter.get(name) or "")


def _origin(letter: dict[str, Any]) -> str:
    """Where it was read; the door keeps what came over HTTP without a partition."""
    if letter["partition"] < 0:
        return "over HTTP"
    return f"{letter['topic']}/{letter['partition']} @ {letter['offset']}"
