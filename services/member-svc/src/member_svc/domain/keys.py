"""What makes a report one and the same (domain.md 2.1, 2.2.1): the keys that may be used once for ever, and the content that is compared.
The one thing not to break: these hashes are stored for ever, so what goes into them never changes.

Parts are joined by NUL, which no accepted text contains, so different parts never give the same bytes."""

from __future__ import annotations

from datetime import date
from hashlib import blake2b
from typing import Any
from uuid import UUID

from member_svc.domain.activities import (
    COMPLAINT,
    CONFIRMED,
    JOINED,
    PURCHASE,
    REFUND,
    SHARE,
    SIGN_IN,
    SURVEY,
    Purchase,
    Refund,
)

HASH_BYTES = 16  # 2^64 keys before a collision is likely; half the index of a full digest


def hashed(*parts: object) -> bytes:
    """The hash of these parts."""
    return blake2b("\0".join([str(part) for part in parts]).encode(), digest_size=HASH_BYTES).digest()


def id_key(source: str, event_id: str) -> bytes:
    """The key of a channel's own (source, id)."""
    return blake2b(f"id\0{source}\0{event_id}".encode(), digest_size=HASH_BYTES).digest()


def order_key(order_id: str) -> bytes:
    """The key of an order: the business key of its purchase, and what a refund or review of it waits for."""
    return blake2b(f"order\0{order_id}".encode(), digest_size=HASH_BYTES).digest()


def business_key(activity_type: str, data: Any) -> bytes | None:
    """The business key that can be told from the report alone; None where it also takes the member (see member_key)."""
    if activity_type == PURCHASE:
        return order_key(data.order_id)
    if activity_type == REFUND:
        return hashed("refund", data.order_id, data.refund_id)
    if activity_type == CONFIRMED:
        return hashed("confirmed", data.order_id)
    if activity_type == SHARE:
        return hashed("share", data.share_id)
    if activity_type == COMPLAINT:
        return hashed("complaint", data.complaint_id)
    return None


def review_key(member_id: UUID, order_id: str, sku: str) -> bytes:
    """The business key of a review: one per member, order and sku; a line has been resolved to its sku by the order."""
    return hashed("review", member_id, order_id, sku)


def member_key(activity_type: str, data: Any, member_id: UUID, local_day: date) -> bytes | None:
    """The business key of what else is one per member and something; None for what is not."""
    if activity_type == SIGN_IN:
        return hashed("sign-in", member_id, local_day)
    if activity_type == JOINED:
        return hashed("joined", member_id, data.activity_id)
    if activity_type == SURVEY:
        return hashed("survey", member_id, data.survey_id)
    return None


def content(activity_type: str, data: Any) -> bytes:
    """The hash of what is compared for a conflict, with the type and its business id: an id used again for another order
    is a conflict too. `time`, `source`, `channel`, `store_id` and identifiers are never compared."""
    if activity_type == PURCHASE:
        return _purchase_content(data)
    if activity_type == REFUND:
        return _refund_content(data)
    if activity_type == CONFIRMED:
        return hashed(activity_type, data.order_id)
    if activity_type == COMPLAINT:
        return hashed(activity_type, data.complaint_id, data.kind)
    if activity_type == SURVEY:
        return hashed(activity_type, data.survey_id, data.score)
    return hashed(activity_type)


def _purchase_content(purchase: Purchase) -> bytes:
    lines = [
        f"{line.line_id}\0{line.sku}\0{line.category}\0{line.quantity}\0{line.amount_minor}" for line in purchase.lines
    ]
    lines.sort()  # compared per line_id, so the order in which lines stand does not matter
    head = f"{PURCHASE}\0{purchase.order_id}\0{purchase.currency}\0{purchase.amount_minor}\0"
    return blake2b((head + "\0".join(lines)).encode(), digest_size=HASH_BYTES).digest()


def _refund_content(refund: Refund) -> bytes:
    lines = sorted(f"{line.line_id}\0{line.quantity}\0{line.amount_minor}" for line in refund.lines)
    what = ("lines", *lines) if lines else ("amount", refund.amount_minor)
    return hashed(REFUND, refund.order_id, refund.refund_id, *what)
