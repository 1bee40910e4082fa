"""Orders and what refunds leave of them, and the other deeds of a stream, as far as a tier metric counts them (domain.md 3.3.1, 4). The
one thing not to break: what counts of an order is rounded down once, from all its refunds together, never refund by refund."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

GROWTH_PER_MINOR = 100  # minor units of an order that make one growth (domain.md 4)
GROWTH_OF = {"review": 10, "share": 5, "sign_in": 1}  # growth of a deed, as often as numbered
QUIET = frozenset(("refund", "complaint"))  # these make no day active


class LineWords(Protocol):
    """A line of an order, as the activity writes it."""

    @property
    def line_id(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


class RefundLineWords(Protocol):
    """What came back of one line."""

    @property
    def line_id(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...


class Deed(NamedTuple):
    """Any numbered activity but a purchase. `day` is the proleptic ordinal of its local day, `clock` the clock it had."""

    seq: int
    time: datetime
    day: int
    clock: datetime
    kind: str


@dataclass(slots=True, eq=False)
class Order:
    """One order. Amounts in minor units: `left` is what line refunds left of all lines (L of domain.md 3.3.1), `left_qualifying` of those
    that qualify (Q), `unallocated` what was refunded without lines (U); `counted` is what tier metrics take: floor(Q × (L − U) ÷ L)."""

    seq: int
    order_id: str
    time: datetime
    day: int  # proleptic ordinal of the local day
    clock: datetime  # the clock that the stream had at it
    amount: int
    left: int
    left_qualifying: int
    unallocated: int = 0
    not_qualifying: tuple[str, ...] = ()  # line ids
    counted: int = field(init=False)

    def __post_init__(self) -> None:
        self.counted = self._share() if self.unallocated else self.left_qualifying

    def refund(self, lines: Sequence[RefundLineWords], amount_minor: int | None) -> None:
        """Take a refund off; the door has seen that it is not above what is left."""
        for line in lines:
            self.left -= line.amount_minor
            if line.line_id not in self.not_qualifying:
                self.left_qualifying -= line.amount_minor
        if not lines:
            self.unallocated += amount_minor or 0
        self.counted = self._share()

    @property
    def counts(self) -> bool:
        """An order refunded to 0 no longer counts as one, an order recorded as 0 does."""
        return self.left > self.unallocated or self.amount == 0

    @property
    def growth(self) -> int:
        return self.counted // GROWTH_PER_MINOR

    def _share(self) -> int:
        return self.left_qualifying * (self.left - self.unallocated) // self.left if self.left else 0


def lines_that_do_not_qualify(lines: Sequence[LineWords], categories: Collection[str]) -> tuple[tuple[str, ...], int]:
    """The line ids whose category does not qualify, and their amount in minor units."""
    excluded = [line for line in lines if line.category in categories]
    return tuple(line.line_id for line in excluded), sum(line.amount_minor for line in excluded)
