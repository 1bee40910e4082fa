"""What is left of an order after its refunds (domain.md 3.3). Integer minor units; a share of a line is an exact fraction. The one
thing not to break: a refund without lines lowers every line in proportion, so that categories together never exceed what is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Line(Protocol):
    @property
    def line_id(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


class RefundedLine(Protocol):
    @property
    def line_id(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


@dataclass(slots=True)
class LeftLine:
    """One line: what was paid for it, and what line refunds have left of that, in minor units."""

    line_id: str
    category: str
    amount_minor: int
    left_minor: int


@dataclass(slots=True)
class Order:
    """An order's figures in minor units. `lines` are kept only where the programme version asks for categories."""

    order_id: str
    amount_minor: int
    left_minor: int
    lines: list[LeftLine] | None = None

    def category_left_minor(self, category: str) -> int:
        """Rounded down to the minor unit: left × (L − U) ÷ L, where L − U is what is left of the order."""
        if self.lines is None:
            raise ValueError(f"the lines of order {self.order_id} were not kept")
        of_all = sum(line.left_minor for line in self.lines)
        of_category = sum(line.left_minor for line in self.lines if line.category == category)
        return of_category * self.left_minor // of_all if of_all else 0

    def refund(self, lines: Sequence[RefundedLine], amount_minor: int | None) -> int:
        """Take a refund off, by lines or as one unallocated amount; returns what it took, in minor units."""
        taken = sum(line.amount_minor for line in lines) if lines else (amount_minor or 0)
        if taken > self.left_minor:
            raise ValueError(
                f"a refund of {taken} exceeds the {self.left_minor} that are left of order {self.order_id}"
            )
        self.left_minor -= taken
        if self.lines is not None:
            by_id = {line.line_id: line for line in self.lines}
            for refunded in lines:
                by_id[refunded.line_id].left_minor -= refunded.amount_minor
        return taken

    def untouched(self) -> Order:
        """The order as it was when it was recorded, before any refund."""
        lines = self.lines
        if lines is not None:
            lines = [LeftLine(line.line_id, line.category, line.amount_minor, line.amount_minor) for line in lines]
        return Order(self.order_id, self.amount_minor, self.amount_minor, lines)


def new_order(order_id: str, amount_minor: int, lines: Iterable[Line] | None) -> Order:
    """An order of which nothing has been refunded yet."""
    kept = None
    if lines is not None:
        kept = [LeftLine(line.line_id, line.category, line.amount_minor, line.amount_minor) for line in lines]
    return Order(order_id, amount_minor, amount_minor, kept)
