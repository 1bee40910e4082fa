"""Ladders and streams as the tests of the judge use them: the reference programme of domain.md 4 and the short one of 3.7."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import yaml

from laurel_contracts.activities import OrderLine, RefundLine
from laurel_contracts.programme import parse
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import Sums
from tier_svc.domain.periods import Calendar
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Close, Past, Step, Stream

REFERENCE = Path(__file__).parents[4] / "deploy" / "program" / "reference.yaml"
MEMBER = UUID(int=7)


def reference_document(**tiers: Any) -> dict[str, Any]:
    """The reference programme as plain values, with some of `tiers` replaced."""
    document: dict[str, Any] = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    document["tiers"].update(tiers)
    return document


def short_document() -> dict[str, Any]:
    """The short programme of domain.md 3.7: validity a month, windows of 30 days."""
    document = reference_document(validity_months=1)
    tiers = {tier["id"]: tier for tier in document["tiers"]["ladder"]}
    tiers["silver"]["keep"] = [{"metric": "spend_in_days", "days": 30, "at_least": 2000}]
    for name, amount in (("gold", 10000), ("diamond", 30000)):
        window = {"metric": "spend_in_days", "days": 30, "at_least": amount}
        tiers[name]["reach"][1] = window
        tiers[name]["keep"] = [window]
    return document


def rules_of(document: Mapping[str, Any], *, zone: str | None = None, version: int = 1) -> Rules:
    """A document compiled as the service does it."""
    programme = parse(msgspec.json.encode(dict(document) | {"version": version}))
    return Rules.with_clubs(
        version,
        programme.tiers,
        not_qualifying=programme.points.purchase.not_qualifying,
        calendar=Calendar(zone or programme.zone),
    )


class Told:
    """One member's stream, told by hand. `time` is programme-local text; numbers count by themselves."""

    def __init__(self, rules: Rules, past: Past | None = None) -> None:
        self.rules = rules
        self.timeline = Timeline([(None, rules)])
        self.stream = Stream(MEMBER, 0, sums=Sums(), standing=Standing(), past=past)
        self.closed: datetime | None = None
        self._orders = 0

    def at(self, text: str) -> datetime:
        """An instant from local text such as 2025-03-01 or 2025-03-01 10:00."""
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.rules.calendar.zone))

    def buys(self, time: str, amount: int, category: str = "grocery") -> str:
        """A purchase of one line, in minor units; gives back its order_id."""
        self._orders += 1
        order_id = f"order-{self._orders}"
        line = OrderLine(line_id="1", sku="sku", category=category, quantity=1, amount_minor=amount)
        self.stream.purchase(self._step(time), order_id, (line,), amount, self.rules)
        return order_id

    def refunds(self, time: str, order_id: str, amount: int, *, by_line: bool = True) -> None:
        """Money given back on an order."""
        lines = (RefundLine(line_id="1", quantity=0, amount_minor=amount),) if by_line else ()
        self.stream.refund(self._step(time), order_id, lines, amount)

    def does(self, time: str, kind: str) -> None:
        """Any other activity."""
        self.stream.deed(self._step(time), kind)

    def _step(self, time: str) -> Step:
        instant = self.at(time)
        self.stream.move_on(self.closed)
        return Step(self.stream.last_seq + 1, instant, self.rules.calendar.day_of(instant), self.timeline)

    def day_closes(self, day: str) -> None:
        """`day.closed` at the start of a local day."""
        self.closed = self.at(day)
        self.stream.close(Close(self.closed, self.timeline))

    @property
    def tier(self) -> str:
        return self.rules.name(self.stream.standing.tier)

    @property
    def until(self) -> str | None:
        """The end of the period, as a local day."""
        until = self.stream.standing.until
        return None if until is None else self.rules.calendar.day_of(until).isoformat()

    @property
    def kinds(self) -> list[str]:
        return [fact.kind for fact in self.stream.facts]
