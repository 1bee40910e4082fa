"""An order at the door: whose it is and what refunds have left of it (domain.md 2.2.2).
The one thing not to break: all refunds together never exceed the order, nor those of a line the line."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from member_svc.domain import outcomes
from member_svc.domain.activities import OrderLine, Purchase, Refund, Review
from member_svc.domain.outcomes import Refusal


@dataclass(slots=True)
class Order:
    """`left_minor`: the amount less all refunds; `refunded`: by line_id, (quantity, amount in minor units) so far."""

    key: bytes
    member_id: UUID
    member_seq: int
    purchase: Purchase
    left_minor: int
    refunded: dict[str, tuple[int, int]] = field(default_factory=dict)
    new: bool = False
    changed: bool = False

    def line(self, line_id: str) -> OrderLine | None:
        """The line of this id, as it was bought."""
        for line in self.purchase.lines:
            if line.line_id == line_id:
                return line
        return None

    def sku_reviewed(self, review: Review) -> str | None:
        """The sku that a review means; None when the order has no such thing."""
        if review.line_id is not None:
            line = self.line(review.line_id)
            if line is None or (review.sku is not None and review.sku != line.sku):
                return None
            return line.sku
        return review.sku if any(line.sku == review.sku for line in self.purchase.lines) else None

    def refusal_of(self, refund: Refund) -> Refusal | None:
        """Why the refund cannot be taken off, or None."""
        for part in refund.lines:
            line = self.line(part.line_id)
            if line is None:
                return Refusal(outcomes.UNKNOWN_LINE, f"order {refund.order_id} has no line {part.line_id}")
            quantity, amount = self.refunded.get(part.line_id, (0, 0))
            if part.amount_minor > line.amount_minor - amount or part.quantity > line.quantity - quantity:
                return Refusal(
                    outcomes.ABOVE_WHAT_IS_LEFT,
                    f"line {part.line_id}: {part.amount_minor} minor units of {part.quantity} pieces, left are"
                    f" {line.amount_minor - amount} of {line.quantity - quantity}",
                )
        total = refunded_minor(refund)
        if total > self.left_minor:
            return Refusal(outcomes.ABOVE_WHAT_IS_LEFT, f"{total} minor units, left of the order are {self.left_minor}")
        return None

    def take_off(self, refund: Refund) -> None:
        """Take the refund off; refusal_of() has said None."""
        for part in refund.lines:
            quantity, amount = self.refunded.get(part.line_id, (0, 0))
            self.refunded[part.line_id] = (quantity + part.quantity, amount + part.amount_minor)
        self.left_minor -= refunded_minor(refund)
        self.changed = True


def refunded_minor(refund: Refund) -> int:
    """What a refund gives back in all, in minor units."""
    if refund.lines:
        return sum(part.amount_minor for part in refund.lines)
    return refund.amount_minor or 0
