"""What the summary shows, asked from the services."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from laurel_cli.demo.performance import Bill
from laurel_cli.exporting import member_rows
from laurel_cli.importing.journal import Journal
from laurel_cli.services import Services

BEST = 5
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
    """A purchase with a multiplier, an order that was rated again or lifted its member, and an award."""
    for row in best:
        member_id, name = UUID(row["member_id"]), row["external_id"] or row["member_id"]
        entries = services.points.statement(member_id, ENTRIES_SEARCHED)
        multiplied = _first(entries, lambda e: e["kind"] == "earned" and e["why"].get("multiplier", "1") != "1")
        awarded = _first(entries, lambda e: e["kind"] == "awarded")
        if multiplied is None or awarded is None:
            continue
        yield Explained("A purchase with its tier's multiplier", name, multiplied)
        again = _first(entries, lambda e: e["kind"] == "rated_again")
        if again is not None:
            yield Explained("An order rated again, when its standing became known", name, again)
        else:
            yield from _lifting(services, member_id, name, entries)
        yield Explained("An award of a campaign", name, awarded)
        return


def _lifting(services: Services, member_id: UUID, name: str, entries: list[dict[str, Any]]) -> Iterator[Explained]:
    raised = [fact for fact in services.tier.standing_history(member_id) if fact["kind"] == "raised"]
    for fact in reversed(raised):
        found = _first(entries, lambda e, cause=fact["cause"]: e["cause"] == cause and e["kind"] == "earned")
        if found is not None:
            yield Explained("The order that lifted its member still earns at the tier before", name, found, fact)
            return


def _first(entries: list[dict[str, Any]], wanted: Any) -> dict[str, Any] | None:
    return next((entry for entry in entries if wanted(entry)), None)
