"""One performance of the demo, step by step, each timed; interrupted, the next one goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from laurel_cli.console import note
from laurel_cli.importing import complete_journey
from laurel_cli.importing.asking import send
from laurel_cli.importing.journal import Journal, JournalFile, identity_of
from laurel_cli.importing.lanes import LANES
from laurel_cli.importing.lease import import_lease
from laurel_cli.importing.run import Plan
from laurel_cli.programme_file import read_programme
from laurel_cli.programmes import activate, put_everywhere
from laurel_cli.refusal import CommandError
from laurel_cli.services import Addresses, Services, open_services
from laurel_cli.settling import Settled, settle
from laurel_cli.stack import Stack
from laurel_cli.watching import waiting_for

IMPORT_NAME = "complete-journey"
SETTLE_LIMIT_SECONDS = 600.0
CURRENCY = "USD"
CLOCK_OF_ORIGINAL_DATES = "2018-01-02T00:00:00-05:00"


class Bill(msgspec.Struct):
    """What is performed, so that an interrupted demo continues, and how many seconds each part took."""

    shift_days: int
    households: int | None
    original_dates: bool
    purchases: int = 0
    seconds: dict[str, float] = {}
    lease_id: str | None = None
    finished: bool = False


@contextmanager
def timed(bill: Bill, part: str) -> Iterator[None]:
    """Add what this block takes to a part of the bill."""
    began = time.monotonic()
    yield
    bill.seconds[part] = round(bill.seconds.get(part, 0.0) + time.monotonic() - began, 2)


class BillFile:
    """<LAUREL_HOME>/demo.json."""

    def __init__(self, home: Path) -> None:
        self._path = home / "demo.json"

    def read(self) -> Bill | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Bill)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, bill: Bill) -> None:
        self._path.write_bytes(msgspec.json.format(msgspec.json.encode(bill), indent=2))


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    programme: Path
    original_dates: bool
    households: int | None
    keep: bool


def perform(home: Path, wish: Wish) -> tuple[Bill, Journal]:
    """Start the stack, import the year, settle, close the day; the services go on running. A demo that was finished is only started."""
    began = time.monotonic()
    clock, closing = _calendar(wish)
    Stack(home).up(clock=clock, days=closing, say=note)
    started = round(time.monotonic() - began, 2)
    file = BillFile(home)
    known = file.read()
    with open_services(Addresses.found(home, {})) as services:
        _refuse_to_mix(services, known, wish)
        if known is not None and known.finished:
            wait_until_settled(services)
            return known, JournalFile(home / "imports", IMPORT_NAME).read() or Journal(IMPORT_NAME, "", [])
        reading = time.monotonic()
        with waiting_for("reading a year of receipts"):
            table = complete_journey.load(wish.households)
        bill = known or _new_bill(wish, table)
        bill.seconds.setdefault("start", started)
        bill.seconds.setdefault("read", round(time.monotonic() - reading, 2))
        source = complete_journey.CompleteJourney(table, bill.shift_days)
        bill.purchases = source.total
        file.write(bill)
        journal = _import(services, home, wish, bill, source)
        file.write(bill)
        with timed(bill, "settle"):
            wait_until_settled(services)
        if not wish.original_dates:
            with timed(bill, "day"):
                services.member.close_day(datetime.now(complete_journey.ZONE).date().isoformat())
                wait_until_settled(services)
        bill.finished = True
        file.write(bill)
    return bill, journal


def _new_bill(wish: Wish, table: Any) -> Bill:
    days = 0 if wish.original_dates else complete_journey.days_until(datetime.now(UTC), table)
    return Bill(shift_days=days, households=wish.households, original_dates=wish.original_dates)


def _import(
    services: Services, home: Path, wish: Wish, bill: Bill, source: complete_journey.CompleteJourney
) -> Journal:
    """The programme and the year, under one lease, so that no day closes between them either."""
    identity = identity_of([services.member.url, bill.shift_days, bill.households, LANES])
    with import_lease(services.another_door(), "demo", bill.lease_id) as bill.lease_id:
        BillFile(home).write(bill)
        with timed(bill, "programme"):
            _apply(services, wish.programme)
        journal = send(source, services, home=home, name=IMPORT_NAME, identity=identity, plan=Plan(LANES))
    bill.lease_id = None
    bill.seconds["import"] = round(journal.seconds, 2)
    return journal


def _calendar(wish: Wish) -> tuple[str | None, str | None]:
    """Business clock and who closes days. With its own dates the year ends in 2018: so does the clock, and no day closes, or every
    standing would lapse."""
    if wish.keep:
        return None, None
    return (CLOCK_OF_ORIGINAL_DATES, "command") if wish.original_dates else (None, "clock")


def _apply(services: Services, path: Path) -> None:
    document = read_programme(path, currency=CURRENCY, zone=complete_journey.ZONE.key)
    put_everywhere(services, document)
    with waiting_for("activating the programme") as tell:
        activate(services, document, None, tell=tell)
    note(
        f"programme {document.programme}, version {document.version}, is in force in {document.currency}, {document.zone}"
    )


def _refuse_to_mix(services: Services, known: Bill | None, wish: Wish) -> None:
    """The summary is about the demo's members; others beside them would be counted in."""
    if known is not None and (known.original_dates, known.households) != (wish.original_dates, wish.households):
        raise CommandError("this stack holds a demo of other households or dates; start clean first: laurel reset")
    if known is None and not wish.keep and next(services.member.members(), None) is not None:
        raise CommandError(
            "this stack holds members already; start clean (laurel reset), use another --home, or add to them (--keep)"
        )


def wait_until_settled(services: Services) -> Settled:
    """Settle, or raise with what is waited for."""
    with waiting_for("settling") as tell:
        result = settle(
            lambda: [service.progress() for service in services.all],
            limit_seconds=SETTLE_LIMIT_SECONDS,
            tell=lambda found: tell("; ".join(str(one) for one in found[:3])),
        )
    if result.obstacles:
        told = "; ".join(str(one) for one in result.obstacles)
        raise CommandError(f"not settled after {result.seconds:.0f} s: {told}")
    return result
