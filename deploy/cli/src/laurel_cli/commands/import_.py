"""laurel import: history of a channel or a till, through the door, in order, exactly once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laurel_cli.console import DEFAULT_HOME, HomeOption, JsonOption, out, print_json
from laurel_cli.refusal import CommandError
from laurel_cli.services.asked import UrlOption, services_of

if TYPE_CHECKING:
    from laurel_cli.importing.journal import Journal

TABLES = {".csv", ".parquet"}
LINES = {".ndjson", ".jsonl"}


FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", help=".ndjson (one report per line), .csv or .parquet.", exists=True, dir_okay=False
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="Which column is what: member, order, time, amount, and if there: sku, category, quantity, line, store.",
    ),
]
MappingOption = Annotated[
    Path | None,
    typer.Option("--mapping", help="The same and the options below as a YAML file.", exists=True, dir_okay=False),
]
ZoneOption = Annotated[
    str | None, typer.Option("--zone", help="Where times without an offset were taken, e.g. America/New_York.")
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--member-kind", help="What the member column holds: external_id (default), card, phone, email, open_id."
    ),
]
CurrencyOption = Annotated[str | None, typer.Option("--currency", help="Of the amounts. (default: the programme's)")]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="The channel that the reports name. (default: import)")
]
PrefixOption = Annotated[
    str | None,
    typer.Option("--order-prefix", help="Put before order numbers that are unique in one shop or till only."),
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Of the import, for its journal. (default: the first file's)")
]
LanesOption = Annotated[
    int, typer.Option("--lanes", min=1, max=64, help="Requests in flight at once; a member's are always in one lane.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, max=1000, help="Reports in one request at most.")]
PatienceOption = Annotated[
    float, typer.Option("--patience", min=0, help="Seconds that one request is tried before the import gives up.")
]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Forget how far an earlier run got and send everything.")
]
AllowOption = Annotated[bool, typer.Option("--allow-refused", help="Exit with 0 although something was refused.")]


def import_files(
    *,
    files: FilesArgument,
    columns: MapOption = None,
    mapping: MappingOption = None,
    zone: ZoneOption = None,
    member_kind: KindOption = None,
    currency: CurrencyOption = None,
    source: SourceOption = None,
    order_prefix: PrefixOption = None,
    name: NameOption = None,
    lanes: LanesOption = 4,
    batch: BatchOption = 500,
    patience: PatienceOption = 120.0,
    restart: RestartOption = False,
    allow_refused: AllowOption = False,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report the activities of files at the door, in order and exactly once; no day closes by clock meanwhile.

    NDJSON lines are CloudEvents reports and go as they are. Rows of CSV and Parquet are grouped to orders: purchases with
    lines. Money becomes minor units exactly (0.29 is 29; half a cent goes to the even one). Interrupted, the same command
    continues; sent twice, a report is a duplicate and changes nothing.

    Exit code 3 when something was refused or in conflict (1 when the import could not be finished).
    """
    from laurel_cli.importing.asking import Asked, carry_out

    kinds = {file.suffix.lower() for file in files}
    if not kinds <= TABLES | LINES or (kinds & TABLES and kinds & LINES):
        raise CommandError("give files of one sort: reports (.ndjson, .jsonl), or tables (.csv, .parquet)")
    asked = Asked(
        files=files, columns=columns or [], mapping=mapping, zone=zone, member_kind=member_kind, currency=currency,
        source=source, order_prefix=order_prefix, name=name or files[0].stem, lanes=lanes, batch=batch,
        patience_seconds=patience, restart=restart, tables=bool(kinds & TABLES), home=home,
    )  # fmt: skip
    with services_of(home, url) as services:
        journal = carry_out(asked, services)
    if as_json:
        print_json(result_of(journal))
    else:
        show(journal)
    if not allow_refused and any(journal.counts.get(outcome) for outcome in ("refused", "conflict", "unreadable")):
        raise typer.Exit(3)


def result_of(journal: Journal) -> dict[str, object]:
    """The result of an import as plain values."""
    seconds = journal.seconds
    return {
        "name": journal.name,
        "reports": journal.acknowledged,
        "seconds": round(seconds, 2),
        "per_second": round(journal.acknowledged / seconds, 1) if seconds else None,
        **{
            outcome: journal.counts.get(outcome, 0)
            for outcome in ("accepted", "duplicate", "waiting", "refused", "conflict", "unreadable")
        },
        "reasons": [
            {"outcome": r.outcome, "reason": r.reason, "count": r.count, "example": r.example} for r in journal.reasons
        ],
    }


WORDS = {
    "accepted": "accepted",
    "duplicate": "known before (duplicates; nothing happens)",
    "waiting": "waiting for their order",
    "refused": "refused",
    "conflict": "in conflict with what is known under the same number",
    "unreadable": "not readable, so never sent",
}


def show(journal: Journal) -> None:
    """The result of an import in words."""
    rate = f", {journal.acknowledged / journal.seconds:,.0f} a second" if journal.seconds else ""
    out.print(f"{journal.acknowledged:,} reports in {journal.seconds:,.1f} s{rate}:", highlight=False)
    for outcome, words in WORDS.items():
        if count := journal.counts.get(outcome, 0):
            out.print(f"  {count:>9,} {words}", highlight=False)
        for reason in journal.reasons:
            if reason.outcome == outcome:
                out.print(
                    f"            {reason.count:,} × {reason.reason}, e.g. {reason.example}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
