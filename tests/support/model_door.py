"""The door as the independent model knows it (domain.md 2.2): once, whose, in which order; one report at a time.

Reports are CloudEvents as plain dicts, the same that a test sends over HTTP. What is accepted comes back as numbered events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.model_calendar import local_day
from tests.support.model_events import Event, Joined, Line, Other, Purchase, Refund, Registered, Review, SignIn
from tests.support.model_programme import Programme

Report = dict[str, Any]
Key = tuple[str, ...]

PURCHASE = "laurel.purchase.recorded.v1"
REFUND = "laurel.purchase.refunded.v1"
SIGN_IN = "laurel.member.signed-in.v1"
REVIEW = "laurel.review.posted.v1"
SHARE = "laurel.product.shared.v1"
JOINED = "laurel.activity.joined.v1"
COMPLAINT = "laurel.complaint.filed.v1"
SURVEY = "laurel.survey.answered.v1"


@dataclass
class Outcome:
    """What became of a report. `numbered` = the events it put into members' streams, released waiting ones included."""

    status: str  # accepted, duplicate, conflict, refused, waiting, dead_letter, ignored
    reason: str = ""
    member: str | None = None
    numbered: list[tuple[str, Event]] = field(default_factory=list)
    released: list[Outcome] = field(default_factory=list)  # what became of the reports that waited for this order


@dataclass
class Sold:
    """An order as the door keeps it, to know what is left of it: amounts in minor units, quantities per line."""

    member: str
    amounts: dict[str, int]
    quantities: dict[str, int]
    skus: dict[str, str]
    unallocated: int = 0

    def left(self) -> int:
        """What is left of the whole order."""
        return sum(self.amounts.values()) - self.unallocated


def when(report: Report, name: str = "time") -> datetime:
    """An instant of a report, in UTC."""
    return datetime.fromisoformat(report[name]).astimezone(UTC)


def content(report: Report) -> object:
    """What is compared for a conflict, by type (domain.md 2.1); time, source, channel and identifiers never are."""
    data, kind = report["data"], report["type"]
    if kind == PURCHASE:
        lines = {line.line_id: line for line in order_lines(data)}
        return data["order_id"], data["currency"], data["amount_minor"], lines
    if kind == REFUND:
        return data["order_id"], data["refund_id"], refunded_lines(data), refunded_amount(data)
    if kind == COMPLAINT:
        return data["complaint_id"], data["kind"]
    if kind == SURVEY:
        return data["survey_id"], data["score"]
    return None


def order_lines(data: dict[str, Any]) -> tuple[Line, ...]:
    """The lines of a purchase; a category that the channel does not know is `unknown` (domain.md 2.1)."""
    return tuple(
        Line(each["line_id"], each["sku"], each.get("category", "unknown"), each["quantity"], each["amount_minor"])
        for each in data["lines"]
    )


def refunded_lines(data: dict[str, Any]) -> list[tuple[str, int, int]]:
    """The lines of a refund as (line id, quantity, minor units); none if the amount is unallocated."""
    return sorted((each["line_id"], each["quantity"], each["amount_minor"]) for each in data.get("lines") or ())


def refunded_amount(data: dict[str, Any]) -> int:
    """The amount of a refund in minor units, by lines or not."""
    lines = refunded_lines(data)
    return sum(amount for _, _, amount in lines) if lines else int(data["amount_minor"])


class Door:
    """Knows every key for ever, and numbers each member's stream 1, 2, 3 …"""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.seen: dict[Key, tuple[str, object]] = {}  # (source, id) and business keys → type and compared content
        self.identifiers: dict[tuple[str, str], str] = {}
        self.numbers: dict[str, int] = {}  # the last number of each member
        self.provisional: set[str] = set()
        self.orders: dict[str, Sold] = {}
        self.waiting: dict[str, list[Report]] = {}  # by order, in order of arrival

    # what a test calls

    def report(self, report: Report) -> Outcome:
        """One report of a channel."""
        problem = self._invalid(report)
        if problem:
            return Outcome("refused", problem)
        repeated = self._repeated(report, ("id", report["source"], report["id"]))
        if repeated:
            return repeated
        if report["type"] in (REFUND, REVIEW):
            return self._about_an_order(report)
        return self._by_a_member(report)

    def register(self, identifier: dict[str, str], time: datetime, referrer: str | None = None) -> Outcome:
        """A decision: the member is registered; an unknown identifier enrols a registered member."""
        member = self.member_of(identifier)
        if member is not None and member not in self.provisional:
            return Outcome("duplicate", "registered already", member)
        member = member or self._enrol(identifier)
        self.provisional.discard(member)
        event = Registered(self._next(member), time, referrer)
        return Outcome("accepted", "", member, [(member, event)])

    def member_of(self, identifier: dict[str, str]) -> str | None:
        """The member known by an identifier."""
        return self.identifiers.get((identifier["kind"], identifier["value"]))

    # once

    def _repeated(self, report: Report, key: Key) -> Outcome | None:
        """The first arrival decides; the same again is a duplicate, or a conflict where the content differs."""
        if key not in self.seen:
            return None
        same = self.seen[key] == (report["type"], content(report))
        return Outcome("duplicate" if same else "conflict", " ".join(key))

    def _keep(self, report: Report, key: Key) -> None:
        """Only what is accepted uses up its keys."""
        self.seen[("id", report["source"], report["id"])] = report["type"], content(report)
        self.seen[key] = report["type"], content(report)

    def _key(self, report: Report, member: str | None) -> Key:
        """The business key (domain.md 2.1); some belong to a member."""
        data, kind = report["data"], report["type"]
        if kind == PURCHASE:
            return "order", data["order_id"]
        if kind == REFUND:
            return "refund", data["order_id"], data["refund_id"]
        if kind == SHARE:
            return "share", data["share_id"]
        if kind == COMPLAINT:
            return "complaint", data["complaint_id"]
        owner = member or "nobody yet"
        if kind == SIGN_IN:
            return "sign-in", owner, local_day(when(report), self.programme.zone).isoformat()
        if kind == REVIEW:
            return "review", owner, data["order_id"], self._sku(data)
        if kind == JOINED:
            return "joined", owner, data["activity_id"]
        return "survey", owner, data["survey_id"]

    def _sku(self, data: dict[str, Any]) -> str:
        sku = data.get("sku")
        return str(sku) if sku is not None else self.orders[data["order_id"]].skus[data["line_id"]]

    # whose

    def _whose(self, report: Report) -> tuple[str | None, str]:
        """The member (None: one to enrol), and why the report is refused if it is."""
        subject, identifier = report.get("subject"), report["data"].get("identifier")
        known = self.member_of(identifier) if identifier else None
        if subject is not None:
            if subject not in self.numbers:
                return None, "unknown subject"
            return subject, "identifier of another member" if known not in (None, subject) else ""
        return known, "" if identifier else "nobody named"

    def _enrol(self, identifier: dict[str, str]) -> str:
        member = f"member-{len(self.numbers) + 1}"
        self.numbers[member] = 0
        self.identifiers[identifier["kind"], identifier["value"]] = member
        return member

    # numbered

    def _next(self, member: str) -> int:
        self.numbers[member] += 1
        return self.numbers[member]

    def _by_a_member(self, report: Report) -> Outcome:
        """Any activity but a refund or a review."""
        member, refused = self._whose(report)
        if report["type"] in (PURCHASE, SHARE, COMPLAINT):  # their keys belong to nobody: once comes before whose
            repeated = self._repeated(report, self._key(report, None))
            if repeated:
                return repeated
        if refused:
            return Outcome("refused", refused)
        repeated = self._repeated(report, self._key(report, member)) if member else None
        if repeated:
            return repeated
        if member is None:
            member = self._enrol(report["data"]["identifier"])
            self.provisional.add(member)
        self._keep(report, self._key(report, member))
        outcome = Outcome("accepted", "", member, [(member, self._event(report, member))])
        if report["type"] == PURCHASE:
            self._sold(report, member)
            self._release(report["data"]["order_id"], outcome)
        return outcome

    def _sold(self, report: Report, member: str) -> None:
        lines = report["data"]["lines"]
        self.orders[report["data"]["order_id"]] = Sold(
            member,
            {line["line_id"]: line["amount_minor"] for line in lines},
            {line["line_id"]: line["quantity"] for line in lines},
            {line["line_id"]: line["sku"] for line in lines},
        )

    def _release(self, order_id: str, outcome: Outcome) -> None:
        """The order has come: what waited for it is taken in order of arrival; what exceeds it is a dead letter."""
        for report in self.waiting.pop(order_id, []):
            released = self.report(report)
            if released.status == "refused":
                released.status = "dead_letter"
            outcome.released.append(released)
            outcome.numbered += released.numbered

    def _about_an_order(self, report: Report) -> Outcome:
        """A refund belongs to the member of its order; a review's order must be the member's; both wait for it."""
        data = report["data"]
        order = self.orders.get(data["order_id"])
        if order is None:
            return self._wait(report)
        if report["type"] == REVIEW:
            member, refused = self._whose(report)
            if refused:
                return Outcome("refused", refused)
            if member != order.member:
                return self._wait(report)
        repeated = self._repeated(report, self._key(report, order.member))
        if repeated:
            return repeated
        if report["type"] == REFUND:
            problem = self._too_much(data, order)
            if problem:
                return Outcome("refused", problem)
            self._take_off(data, order)
        self._keep(report, self._key(report, order.member))
        return Outcome("accepted", "", order.member, [(order.member, self._event(report, order.member))])

    def _wait(self, report: Report) -> Outcome:
        self.waiting.setdefault(report["data"]["order_id"], []).append(report)
        return Outcome("waiting", "its order is not known yet")

    def _too_much(self, data: dict[str, Any], order: Sold) -> str:
        """Why a refund is refused: above what is left of its order, or of its line, or an unknown line."""
        amounts: dict[str, int] = {}
        quantities: dict[str, int] = {}
        for name, quantity, amount in refunded_lines(data):
            amounts[name] = amounts.get(name, 0) + amount
            quantities[name] = quantities.get(name, 0) + quantity
        if any(name not in order.amounts for name in amounts):
            return "no such line"
        if any(amount > order.amounts[name] for name, amount in amounts.items()):
            return "more than is left of the line"
        if any(quantity > order.quantities[name] for name, quantity in quantities.items()):
            return "more pieces than are left of the line"
        return "more than is left of the order" if refunded_amount(data) > order.left() else ""

    def _take_off(self, data: dict[str, Any], order: Sold) -> None:
        lines = refunded_lines(data)
        for name, quantity, amount in lines:
            order.amounts[name] -= amount
            order.quantities[name] -= quantity
        if not lines:
            order.unallocated += data["amount_minor"]

    # checked

    def _invalid(self, report: Report) -> str:
        """The few checks of content that change what counts; everything else is the business of contract tests."""
        data = report["data"]
        amounts = [line["amount_minor"] for line in data.get("lines") or ()]
        if report["type"] in (PURCHASE, REFUND):
            if not amounts and (report["type"] == PURCHASE or data.get("amount_minor") is None):
                return "no lines"
            every = [*amounts, data["amount_minor"]] if data.get("amount_minor") is not None else amounts
            if not all(type(amount) is int and amount >= 0 for amount in every):  # a bool is no int here
                return "not minor units"
        if report["type"] == REFUND and amounts and data.get("amount_minor", sum(amounts)) not in (None, sum(amounts)):
            return "not the sum of the lines"
        if report["type"] == PURCHASE:
            if data["currency"] != self.programme.currency:
                return "another currency"
            if sum(amounts) != data["amount_minor"]:
                return "not the sum of the lines"
        return ""

    def _event(self, report: Report, member: str) -> Event:
        """The accepted report with its number."""
        seq, time, data = self._next(member), when(report), report["data"]
        makers: dict[str, Callable[[], Event]] = {
            PURCHASE: lambda: Purchase(seq, time, data["order_id"], order_lines(data), data.get("share_id")),
            REFUND: lambda: Refund(seq, time, data["refund_id"], data["order_id"], *_refund_parts(data)),
            SIGN_IN: lambda: SignIn(seq, time),
            REVIEW: lambda: Review(seq, time, data["review_id"], data.get("photos", 0)),
            JOINED: lambda: Joined(seq, time, data["activity_id"]),
            SHARE: lambda: Other(seq, time, "shared", data["share_id"]),
            COMPLAINT: lambda: Other(seq, time, "complaint"),
            SURVEY: lambda: Other(seq, time, "survey"),
        }
        return makers[report["type"]]()


def _refund_parts(data: dict[str, Any]) -> tuple[tuple[tuple[str, int], ...], int]:
    lines = refunded_lines(data)
    return tuple((name, amount) for name, _, amount in lines), 0 if lines else refunded_amount(data)
