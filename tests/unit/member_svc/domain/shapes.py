"""Reports one can read, as the rules see them: contract shapes without envelopes and databases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from laurel_contracts.activities import (
    MemberSignedIn,
    OrderLine,
    PurchaseRecorded,
    PurchaseRefunded,
    RefundLine,
    ReviewPosted,
)
from member_svc.domain.activities import PURCHASE, REFUND, REVIEW, SIGN_IN
from member_svc.domain.admission import Holder, Known, Member
from member_svc.domain.identifiers import Name
from member_svc.domain.reports import Report, report_of

NOON = datetime(2018, 1, 9, 12, tzinfo=UTC)
ANN, BEN = UUID(int=1), UUID(int=2)
_ids = count(1)
_indexes = count()


@dataclass(frozen=True)
class Envelope:
    """What every report carries."""

    id: str
    type: str
    source: str = "pos/1"
    time: datetime = NOON
    subject: UUID | None = None


def purchase_data(order_id: str = "o-1", *amounts: int, **changes: Any) -> PurchaseRecorded[OrderLine]:
    """A purchase with lines `l1`, `l2` … of two pieces each."""
    lines = tuple(
        OrderLine(line_id=f"l{n}", sku=f"s{n}", quantity=2, amount_minor=amount)
        for n, amount in enumerate(amounts or (500,), start=1)
    )
    values: dict[str, Any] = {
        "order_id": order_id, "channel": "store", "currency": "USD", "lines": lines,
        "amount_minor": sum(line.amount_minor for line in lines),
    }  # fmt: skip
    return PurchaseRecorded(**values | changes)


def refund_data(
    refund_id: str, amount: int | None = None, order_id: str = "o-1", **lines: tuple[int, int]
) -> PurchaseRefunded:
    """A refund of an amount, or of lines: line id = (pieces, minor units)."""
    parts = tuple(RefundLine(line_id=name, quantity=q, amount_minor=a) for name, (q, a) in lines.items())
    return PurchaseRefunded(refund_id=refund_id, order_id=order_id, lines=parts, amount_minor=amount)


def report(activity_type: str, data: Any, *, name: Name | None = None, **envelope: Any) -> Report:
    """A report with an id of its own unless told otherwise."""
    carried = Envelope(**{"id": f"e-{next(_ids)}", "type": activity_type} | envelope)
    made = report_of(next(_indexes), carried, name, data, b"{}")
    made.local_day = carried.time.date()
    return made


def purchase(order_id: str = "o-1", *amounts: int, name: Name | None = ("phone", "1"), **envelope: Any) -> Report:
    return report(PURCHASE, purchase_data(order_id, *amounts), name=name, **envelope)


def refund(refund_id: str, amount: int | None = None, order_id: str = "o-1", **envelope: Any) -> Report:
    return report(REFUND, refund_data(refund_id, amount, order_id), **envelope)


def review(order_id: str = "o-1", *, name: Name | None = ("phone", "1"), **envelope: Any) -> Report:
    return report(REVIEW, ReviewPosted(review_id="r", order_id=order_id, rating=5, sku="s1"), name=name, **envelope)


def sign_in(day: date | None = None, name: Name | None = ("phone", "1"), **envelope: Any) -> Report:
    made = report(SIGN_IN, MemberSignedIn(channel="app"), name=name, **envelope)
    made.local_day = day or made.local_day
    return made


def known(
    *, owners: dict[Name, UUID] | None = None, new: Iterable[UUID] = (), taken: dict[bytes, Holder] | None = None,
    waiting: Iterable[Report] = (), erased: Iterable[UUID] = (),
) -> Known:  # fmt: skip
    """Ann (phone 1) and Ben (phone 2) are members, unless they are said to be new or erased."""
    newcomers, gone = set(new), set(erased)
    members = {
        member_id: Member(
            member_id, 0, last_seq=0 if member_id in newcomers else 10, new=member_id in newcomers,
            state="erased" if member_id in gone else "provisional",
        )
        for member_id in (ANN, BEN)
    }  # fmt: skip
    by_order: dict[bytes, list[Report]] = {}
    for number, one in enumerate(waiting, start=1):
        one.waiting_id = number
        by_order.setdefault(one.order_key, []).append(one)
    return Known(dict(taken or {}), owners or {("phone", "1"): ANN, ("phone", "2"): BEN}, members, {}, by_order)
