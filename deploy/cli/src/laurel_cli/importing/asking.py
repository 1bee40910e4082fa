"""From what a command line asks for to an import that runs: the mapping completed by the programme, the source opened, the lease taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

from laurel_cli.importing.journal import Journal, JournalFile, identity_of, identity_of_file
from laurel_cli.importing.lease import import_lease
from laurel_cli.importing.mapping import Mapping, MappingError, MappingFile, MemberKind, columns_of, read_mapping_file
from laurel_cli.importing.orders import TableOrders
from laurel_cli.importing.reports import NdjsonReports, Source
from laurel_cli.importing.run import Plan, run_import
from laurel_cli.programmes import Active, active_programme
from laurel_cli.services import Services
from laurel_cli.watching import Bar


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of `laurel import`; None where nothing was said."""

    files: Sequence[Path]
    columns: Sequence[str]
    mapping: Path | None
    zone: str | None
    member_kind: str | None
    currency: str | None
    source: str | None
    order_prefix: str | None
    name: str
    lanes: int
    batch: int
    patience_seconds: float
    restart: bool
    tables: bool
    home: Path


def carry_out(asked: Asked, services: Services) -> Journal:
    """Open the files, take the lease, send what is not yet there."""
    active = active_programme(services.member)
    source: Source
    if asked.tables:
        mapping = complete(asked, active)
        source = TableOrders(asked.files, mapping)
        parts: list[object] = [mapping]
    else:
        source = NdjsonReports(asked.files)
        parts = []
    identity = identity_of(
        [services.member.url, asked.lanes, *(identity_of_file(path) for path in asked.files), *parts]
    )
    plan = Plan(asked.lanes, asked.batch, asked.patience_seconds)
    return send(source, services, home=asked.home, name=asked.name, identity=identity, plan=plan, restart=asked.restart)


def send(
    source: Source, services: Services, *, home: Path, name: str, identity: str, plan: Plan, restart: bool = False
) -> Journal:
    """Send a source under a lease and with a journal in the stack's home; goes on where an earlier run of the same import stopped."""
    file = JournalFile(home / "imports", name)
    journal, continued = file.open(identity, plan.lanes)
    if restart or not continued:
        journal = Journal(name=name, identity=identity, positions=[0] * plan.lanes)
    what = f"importing {name}" if journal.acknowledged == 0 else f"importing the rest of {name}"
    with import_lease(services.another_door(), name, journal.lease_id) as journal.lease_id:
        file.write(journal)
        with Bar(what, source.total, journal.acknowledged) as bar:
            run_import(source, services.another_door, file=file, journal=journal, plan=plan, watcher=bar)
    journal.lease_id = None
    file.write(journal)
    return journal


def complete(asked: Asked, active: Active) -> Mapping:
    """The mapping that holds: the command line, then the mapping file, then the programme."""
    file = read_mapping_file(asked.mapping) if asked.mapping else MappingFile()
    kind: Any = asked.member_kind or file.member_kind or "external_id"
    if kind not in get_args(MemberKind):
        raise MappingError(f"--member-kind {kind!r}: choose one of {', '.join(get_args(MemberKind))}")
    zone = asked.zone or file.zone
    currency = asked.currency or file.currency or active.currency
    if currency != active.currency:
        raise MappingError(
            f"the amounts are {currency}, but the programme's currency is {active.currency}; convert them first"
        )
    return Mapping(
        columns=file.columns | columns_of(asked.columns),
        currency=currency,
        exponent=active.exponent if file.exponent is None else file.exponent,
        zone=zone_named(zone) if zone else None,
        member_kind=kind,
        channel=file.channel or "store",
        source=asked.source or file.source or "import",
        order_prefix=asked.order_prefix or file.order_prefix or "",
    )


def zone_named(name: str) -> ZoneInfo:
    """The zone of that IANA name, or a MappingError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise MappingError(
            f"there is no time zone {name!r}; write it like America/New_York or Asia/Shanghai"
        ) from error
