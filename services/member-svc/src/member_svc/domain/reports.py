"""A report that has been decoded, and what can be said of it without knowing anybody: its keys, and whether it is sound in itself.
The one thing not to break: what is sound or not depends on the report, the rulebook and one given instant, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from member_svc.domain import calendar, keys, outcomes
from member_svc.domain.activities import ABOUT_AN_ORDER, PURCHASE, REFUND, REVIEW, Purchase, Refund
from member_svc.domain.identifiers import Name
from member_svc.domain.orders import refunded_minor
from member_svc.domain.outcomes import Refusal
from member_svc.domain.rulebook import Rulebook

AHEAD_MAX = timedelta(minutes=5)  # what clocks of tills may be fast (domain.md 2.2.4)
WAITING_MAX = timedelta(days=30)  # how long a refund or review waits for its order (domain.md 2.2.2)
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # before any programme; a till without a set clock says less
LATEST = datetime(9999, 12, 30, tzinfo=UTC)  # an instant that has a local day in every zone


class Envelope(Protocol):
    """What every report carries, whatever it is about."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def subject(self) -> UUID | None: ...


@dataclass(slots=True)
class Report:
    """One report. `index`: its place in the request; `document`: what was reported, to be kept as it is if it has to wait."""

    index: int
    source: str
    id: str
    type: str
    time: datetime
    subject: UUID | None
    name: Name | None  # the identifier, if it carries one
    data: Any
    document: Any
    id_key: bytes
    key: bytes | None  # the business key, where it takes no member
    order_key: bytes  # the order that it is, or is about; empty when it is about none
    content: bytes
    version: int = 0  # programme version in force at `time`
    local_day: date = date.min
    waiting_id: int | None = None  # its row among the waiting ones, when it has waited
    said: bytes = b""  # `data` as JSON of its declared shape, where reading it has made that already

    @property
    def enrols(self) -> bool:
        """Whether an unknown identifier in it makes a member: what is about an order belongs to it."""
        return self.name is not None and self.subject is None and self.type not in ABOUT_AN_ORDER


def report_of(index: int, envelope: Envelope, name: Name | None, data: Any, document: Any) -> Report:
    """A report with its keys."""
    activity_type = envelope.type
    key = keys.business_key(activity_type, data)
    order = b""
    if activity_type == PURCHASE:
        order = key or b""
    elif activity_type in ABOUT_AN_ORDER:
        order = keys.order_key(data.order_id)
    return Report(
        index, envelope.source, envelope.id, activity_type, envelope.time, envelope.subject, name, data, document,
        keys.id_key(envelope.source, envelope.id), key, order, keys.content(activity_type, data),
    )  # fmt: skip


def stamp(report: Report, rulebook: Rulebook) -> None:
    """Note the version in force at the report's time and its programme-local day. Raises NoProgramme."""
    version = rulebook.in_force(report.time)
    report.version = version.version
    report.local_day = calendar.local_day(report.time, version.zone)


def unsound(report: Report, rulebook: Rulebook, now: datetime) -> Refusal | None:
    """Why the report can be taken from nobody, or None. `now` is the door's business clock."""
    if report.time > now + AHEAD_MAX:
        ahead = int((report.time - now).total_seconds())
        return Refusal(outcomes.FROM_THE_FUTURE, f"time is {ahead} s ahead of the door's clock, allowed are 300 s")
    if report.time < EARLIEST:
        return Refusal(outcomes.INVALID, "time lies before any programme - at `$.time`")
    if report.type == PURCHASE:
        return _unsound_purchase(report.data, rulebook.in_force(report.time).currency)
    if report.type == REFUND:
        return _unsound_refund(report.data)
    if report.type == REVIEW and report.data.line_id is None and report.data.sku is None:
        return Refusal(outcomes.NOTHING_REVIEWED, "neither line_id nor sku - at `$.data`")
    return None


def _unsound_purchase(purchase: Purchase, currency: str) -> Refusal | None:
    if purchase.currency != currency:
        return Refusal(
            outcomes.WRONG_CURRENCY, f"{purchase.currency}, the programme's is {currency} - at `$.data.currency`"
        )
    total = 0
    for line in purchase.lines:
        total += line.amount_minor
    if total != purchase.amount_minor:
        return Refusal(
            outcomes.WRONG_SUM,
            f"lines sum up to {total}, amount_minor is {purchase.amount_minor} - at `$.data.amount_minor`",
        )
    if len({line.line_id for line in purchase.lines}) != len(purchase.lines):
        return Refusal(outcomes.REPEATED_LINE, "a line_id stands twice - at `$.data.lines`")
    return None


def _unsound_refund(refund: Refund) -> Refusal | None:
    if not refund.lines:
        if refund.amount_minor is None:
            return Refusal(outcomes.NOTHING_REFUNDED, "neither lines nor amount_minor - at `$.data`")
        return None
    total = refunded_minor(refund)
    if refund.amount_minor is not None and refund.amount_minor != total:
        return Refusal(
            outcomes.WRONG_SUM,
            f"lines sum up to {total}, amount_minor is {refund.amount_minor} - at `$.data.amount_minor`",
        )
    if len({line.line_id for line in refund.lines}) != len(refund.lines):
        return Refusal(outcomes.REPEATED_LINE, "a line_id stands twice - at `$.data.lines`")
    return None
