"""laurel ledger: the proof that the ledger is what it was and adds up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, note, out, print_json
from laurel_cli.refusal import CommandError
from laurel_cli.services.asked import UrlOption, services_of

ledger = typer.Typer(name="ledger", help="Prove the ledger.", no_args_is_help=True)

BREAKS_SHOWN_MAX = 20
STATEMENT_LIMIT_SECONDS = 700.0  # points-svc gives an audit's statement 600


@ledger.command()
def verify(
    seal: Annotated[
        str | None,
        typer.Option("--seal", metavar="ROUND:HASH", help="A seal noted earlier, which must still be there."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the whole ledger: the chain over it, every entry beside its seal, balances, lots and holds rebuilt from the entries, the trial
    balance and its invariants.

    Exit code 1 on any break; each is named, with the entry where it can be. Note the seal that is printed: given back with --seal, it shows
    that nobody has written the whole chain anew since.
    """
    from laurel_cli.services.connection import Connection
    from laurel_cli.services.readers import PointsService
    from laurel_cli.verifying import verify as verify_all
    from laurel_cli.watching import Bar

    noted = _noted(seal)
    with services_of(home, url) as services:
        members = int(services.points.summary()["members"])
        # One statement over all entries may take minutes; a page that waits for another audit is asked for again.
        patient = PointsService(Connection("points-svc", services.points.url, limit_seconds=STATEMENT_LIMIT_SECONDS))
        with Bar("verifying members", members, 0) as bar:
            proof = verify_all(patient, bar.moved, noted=noted)
        patient.close()
    if as_json:
        print_json({"holds": proof.holds, **asdict(proof)})
    else:
        out.print(
            f"{proof.rounds:,} rounds of the chain, {proof.members:,} members, {proof.entries:,} entries "
            f"({proof.entries - proof.sealed:,} not yet sealed).",
            highlight=False,
        )
        for one in proof.breaks[:BREAKS_SHOWN_MAX]:
            who = f" (member {one['member_id']})" if one.get("what") == "differs" else ""
            out.print(f"broken: {one['detail']}{who}", highlight=False, markup=False)
        if proof.broken > BREAKS_SHOWN_MAX:
            out.print(f"and {proof.broken - BREAKS_SHOWN_MAX:,} more; --json names them.", highlight=False)
        if proof.holds:
            out.print("Everything holds: chain, entries, balances, lots, holds, and every invariant.", highlight=False)
        if proof.head is not None:
            out.print(f"seal {proof.head['round']}:{proof.head['hash']}", highlight=False, soft_wrap=True)
    if not proof.holds:
        note(f"laurel: the ledger is broken in {proof.broken:,} places")
        raise typer.Exit(1)


def _noted(seal: str | None) -> tuple[int, str] | None:
    if seal is None:
        return None
    number, _, digest = seal.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise CommandError(f"--seal {seal!r}: write it as it was printed, like 17:9f86d0…")
    return int(number), digest.lower()
