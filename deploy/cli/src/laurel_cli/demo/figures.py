"""What the summary shows, asked from the services."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from laurel_cli.demo.performance import Bill
from laurel_cli.exporting import member_rows
from laurel_cli.importing.journal import Journal
from laurel_cli.services import Services

BEST = 5
Entry = dict[str, Any]
Statement = tuple[dict[str, Any], list[Entry]]  # a member's row and his entries, newest first
ENTRIES_SEARCHED = 1000  # of each of the best members: their whole year and more


@dataclass(frozen=True, slots=True)
class Explained:
    """An entry worth explaining: whose it is and what it shows."""

    title: str
    member: str
    entry: dict[str, Any]
    also: dict[str, Any] | None = None  # the standing fact that an upgrade order caused


@dataclass(frozen=True, slots=True)
class Figures:
    """The demo in figures."""

    purchases: int
    counts: dict[str, int]
    members: int
    tiers: dict[str, int]
    points: dict[str, int]
    points_of_orders: int
    trial_balance: int
    awards: dict[str, Any]
    best: list[dict[str, Any]]
    explained: list[Explained]
    seconds: dict[str, float]
    per_second: dict[str, float] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)


def gather(services: Services, bill: Bill, journal: Journal, setup_seconds: float | None) -> Figures:
    """Ask for everything; the services are at rest by now."""
    rows = list(member_rows(services))
    tiers: dict[str, int] = {}
    for row in rows:
        tiers[row["tier"] or ""] = tiers.get(row["tier"] or "", 0) + 1
    best = heapq.nlargest(BEST, rows, key=lambda row: (row["points_earned"], row["member_id"]))
    seconds = ({"setup": setup_seconds} if setup_seconds is not None else {}) | bill.seconds
    moving = bill.seconds.get("import", 0.0)
    chain = moving + bill.seconds.get("settle", 0.0)
    return Figures(
        purchases=bill.purchases,
        counts=dict(journal.counts),
        members=len(rows),
        tiers=tiers,
        points=dict(services.points.summary()),
        points_of_orders=sum(row["points_earned"] for row in rows),
        trial_balance=int(services.points.trial_balance()["sum"]),
        awards=dict(services.campaign.summary()),
        best=best,
        explained=list(_worth_explaining(services, best)),
        seconds=seconds,
        per_second={
            "at the door": bill.purchases / moving if moving else 0.0,
            "through the whole chain": bill.purchases / chain if chain else 0.0,
        },
        addresses=dict(services.addresses.of),
    )


def _worth_explaining(services: Services, best: list[dict[str, Any]]) -> Iterator[Explained]:
    """A purchase with its tier's multiplier, the order that lifted its member (or one rated again), and an award; each of the best
    member who has one. Where orders were quicker than standings, the multiplier came by rating again."""
    statements = [(row, services.points.statement(UUID(row["member_id"]), ENTRIES_SEARCHED)) for row in best]
    yield from _first("A purchase with its tier's multiplier", statements, _is_multiplied)
    lifting = next(_lifting(services, statements), None)
    if lifting is not None:
        yield lifting
    else:
        again = "An order rated again, when its standing became known"
        yield from _first(again, statements, lambda entry: entry["kind"] == "rated_again")
    yield from _first("An award of a campaign", statements, lambda entry: entry["kind"] == "awarded")


def _is_multiplied(entry: Entry) -> bool:
    return entry["kind"] in {"earned", "rated_again"} and entry["why"].get("multiplier", "1") != "1"


def _first(title: str, statements: Sequence[Statement], wanted: Callable[[Entry], bool]) -> Iterator[Explained]:
    """The first entry wanted, newest first, best member first; nothing when there is none."""
    for row, entries in statements:
        for entry in entries:
            if wanted(entry):
                yield Explained(title, _name(row), entry)
                return


def _lifting(services: Services, statements: Sequence[Statement]) -> Iterator[Explained]:
    for row, entries in statements:
        earned = {entry["cause"]: entry for entry in entries if entry["kind"] == "earned"}
        for fact in reversed(services.tier.standing_history(UUID(row["member_id"]))):
            if fact["kind"] == "raised" and fact["cause"] in earned:
                title = "The order that lifted its member still earns at the tier before"
                yield Explained(title, _name(row), earned[fact["cause"]], fact)


def _name(row: dict[str, Any]) -> str:
    return str(row["external_id"] or row["member_id"])
