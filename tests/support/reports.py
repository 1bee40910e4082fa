"""Reports as a channel sends them: CloudEvents 1.0 as plain dicts (domain.md 2.1), for HTTP and the model alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.model_door import (
    COMPLAINT,
    JOINED,
    PURCHASE,
    REFUND,
    REVIEW,
    SHARE,
    SIGN_IN,
    SURVEY,
    Report,
)
from tests.support.model_events import Line


def report(kind: str, source: str, event_id: str, time: str, value: str | None, data: dict[str, Any]) -> Report:
    """The envelope; `value` is the number of a card, None where a report names nobody."""
    if value is not None:
        data = {**data, "identifier": {"kind": "card", "value": value}}
    return {"specversion": "1.0", "id": event_id, "source": source, "type": kind, "time": time, "data": data}


def line_data(line: Line) -> dict[str, Any]:
    """One line of a purchase."""
    return {
        "line_id": line.line_id,
        "sku": line.sku,
        "category": line.category,
        "quantity": line.quantity,
        "amount_minor": line.amount_minor,
    }


def purchase_report(
    source: str,
    event_id: str,
    time: str,
    value: str,
    order_id: str,
    lines: Sequence[int | Line],
    *,
    channel: str = "store",
    store_id: str = "store-1",
    currency: str = "CNY",
) -> Report:
    """A purchase; a line may be given as its amount in minor units alone."""
    rows = [
        line if isinstance(line, Line) else Line(str(n), f"sku-{n}", "grocery", 1, line)
        for n, line in enumerate(lines, 1)
    ]
    data: dict[str, Any] = {"order_id": order_id, "channel": channel, "currency": currency}
    if channel == "store":
        data["store_id"] = store_id
    data["lines"] = [line_data(line) for line in rows]
    data["amount_minor"] = sum(line.amount_minor for line in rows)
    return report(PURCHASE, source, event_id, time, value, data)


def refund_report(
    source: str,
    event_id: str,
    time: str,
    order_id: str,
    refund_id: str,
    what: int | Sequence[tuple[str, int, int]],
    value: str | None = None,
) -> Report:
    """A refund: an unallocated amount in minor units, or lines as (line id, quantity, amount)."""
    data: dict[str, Any] = {"refund_id": refund_id, "order_id": order_id}
    if isinstance(what, int):
        data["amount_minor"] = what
    else:
        data["lines"] = [
            {"line_id": line_id, "quantity": quantity, "amount_minor": amount} for line_id, quantity, amount in what
        ]
    return report(REFUND, source, event_id, time, value, data)


def sign_in_report(source: str, event_id: str, time: str, value: str) -> Report:
    """A sign-in."""
    return report(SIGN_IN, source, event_id, time, value, {"channel": "online"})


def review_report(
    source: str, event_id: str, time: str, value: str, review_id: str, order_id: str, sku: str, photos: int = 0
) -> Report:
    """A review of an order's sku."""
    data = {"review_id": review_id, "order_id": order_id, "sku": sku, "rating": 5, "photos": photos}
    return report(REVIEW, source, event_id, time, value, data)


def share_report(source: str, event_id: str, time: str, value: str, share_id: str, sku: str) -> Report:
    """A product shared."""
    return report(SHARE, source, event_id, time, value, {"share_id": share_id, "sku": sku, "network": "wechat"})


def joined_report(source: str, event_id: str, time: str, value: str, activity_id: str) -> Report:
    """An activity joined."""
    return report(JOINED, source, event_id, time, value, {"activity_id": activity_id})


def complaint_report(source: str, event_id: str, time: str, value: str, complaint_id: str) -> Report:
    """A complaint."""
    return report(COMPLAINT, source, event_id, time, value, {"complaint_id": complaint_id, "kind": "service"})


def survey_report(source: str, event_id: str, time: str, value: str, survey_id: str, score: int) -> Report:
    """A survey answered."""
    return report(SURVEY, source, event_id, time, value, {"survey_id": survey_id, "score": score})
