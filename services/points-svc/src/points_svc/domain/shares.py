"""Which purchase follows a share (domain.md 3.2): the first above 0 by another member. The one thing not to break: what a share had to
wait for is told by the times of the two activities alone, never by who was quicker."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from points_svc.domain.between import Carrying, Share


def follower(share: Share, carrying: Iterable[Carrying]) -> Carrying | None:
    """Of one buyer the purchase with the lowest number; of several buyers, who have no order between them, the earliest of these. None: no
    purchase that counts is known yet, or one has followed before."""
    if share.order_id is not None or share.sharer_id is None or share.shared_at is None:
        return None
    waits = timedelta(days=share.waiting_days or 0)
    first: dict[object, Carrying] = {}
    for purchase in carrying:
        if purchase.member_id == share.sharer_id or share.shared_at - purchase.at > waits:
            continue
        known = first.get(purchase.member_id)
        if known is None or purchase.number < known.number:
            first[purchase.member_id] = purchase
    return min(first.values(), key=lambda purchase: (purchase.at, purchase.order_id), default=None)
