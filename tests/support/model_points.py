"""The ledger of one member (domain.md 3.3–3.5): lots, spending, taking back, debt, expiry. Part of the independent model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Lot:
    """The points of one award. `granted` is net of what was taken back; all amounts are whole points."""

    lot_id: str  # what earned it: order:…, sign-in:…, review:…, joined:…, first-purchase:…, big-basket:…, returned:…
    number: int  # 1, 2, 3 … as posted: breaks the last ties
    earned_at: datetime
    available_at: datetime
    expires_at: datetime  # exclusive
    granted: int = 0
    remaining: int = 0
    expired: int = 0  # expired unspent, and not counted as taken back since
    swept: bool = False  # a closed day has expired it

    def soonest(self) -> tuple[datetime, datetime, int]:
        """The order in which lots are taken: soonest to expire, then time earned, then id (domain.md 3.5)."""
        return self.expires_at, self.earned_at, self.number


@dataclass
class Piece:
    """What one lot paid of one spending, and how much of that a refund has brought back."""

    lot: Lot
    points: int
    returned: int = 0


@dataclass
class Spending:
    """A captured spending of points; `refused` says why nothing was spent (then `pieces` is empty)."""

    points: int
    order_id: str | None = None
    pieces: list[Piece] = field(default_factory=list)
    refused: str | None = None  # debt, not_enough, provisional


@dataclass(frozen=True)
class Entry:
    """One line of the ledger, for reading: what happened, why, on which lot (None: on the debt), how many points."""

    kind: str  # award, repaid, spent, taken_back, given_back, owed, expired, returned
    cause: str
    lot_id: str | None
    points: int  # signed, as the balance moves


class Ledger:
    """Lots and debt of one member. The balance is the sum of what remains in lots, less the debt."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.debt = 0
        self.spendings: list[Spending] = []
        self.entries: list[Entry] = []

    # what is read

    def lot(self, lot_id: str) -> Lot:
        """The lot that something earned."""
        return next(lot for lot in self.lots if lot.lot_id == lot_id)

    @property
    def balance(self) -> int:
        """What remains in all lots, expired by now or not, less the debt; equals the sum of all entries."""
        return sum(lot.remaining for lot in self.lots) - self.debt

    def spendable(self, at: datetime) -> list[Lot]:
        """Lots that can be spent at an instant, soonest first; from `expires_at` on they cannot, closed day or not."""
        lots = [lot for lot in self.lots if lot.remaining > 0 and lot.available_at <= at < lot.expires_at]
        return sorted(lots, key=Lot.soonest)

    def available(self, at: datetime) -> int:
        """Points that can be spent at an instant; 0 while there is debt (domain.md 3.5)."""
        return 0 if self.debt else sum(lot.remaining for lot in self.spendable(at))

    # what happens

    def post(self, lot: Lot, points: int, cause: str) -> None:
        """An award: repays debt first (3.3.3); the rest stays in its lot, even one that is over already (3.3.5)."""
        self.lots.append(lot)
        lot.granted = points
        self._credit(lot, points, "award", cause)

    def _credit(self, lot: Lot, points: int, kind: str, cause: str) -> None:
        repaid = min(self.debt, points)
        self._say(kind, cause, lot, points)
        if repaid:
            # The points leave the lot and lessen the debt: the balance does not move by it.
            self.debt -= repaid
            self._say("repaid", cause, lot, -repaid)
            self._say("repaid", cause, None, repaid)
        rest = points - repaid
        if lot.swept:
            self._say("expired", cause, lot, -rest)
            lot.expired += rest
        else:
            lot.remaining += rest

    def take_back(self, lot: Lot, points: int, clock: datetime, cause: str) -> None:
        """Take back points that a lot had earned, in the order of domain.md 3.3.2."""
        lot.granted -= points
        points -= self._take(lot, min(points, lot.remaining), cause)
        back = min(points, lot.expired)  # counts as taken back already: taken from the order, given back from expiry
        if back:
            lot.expired -= back
            self._say("given_back", cause, lot, back)
            self._say("taken_back", cause, lot, -back)
            points -= back
        # Lots that are over by the clock are left alone, swept or not: so a day closed or not makes no difference.
        for other in sorted((each for each in self.lots if each.expires_at > clock), key=Lot.soonest):
            points -= self._take(other, min(points, other.remaining), cause)
        if points:
            self.debt += points
            self._say("owed", cause, None, -points)

    def _take(self, lot: Lot, points: int, cause: str) -> int:
        if points:
            lot.remaining -= points
            self._say("taken_back", cause, lot, -points)
        return points

    def spend(self, points: int, at: datetime, order_id: str | None, provisional: bool) -> Spending:
        """Hold and capture at once, from the lots that expire soonest (3.5); decided by what is there."""
        spending = Spending(points, order_id)
        self.spendings.append(spending)
        if provisional:
            spending.refused = "provisional"
        elif self.debt:
            spending.refused = "debt"
        elif self.available(at) < points:
            spending.refused = "not_enough"
        if spending.refused:
            return spending
        for lot in self.spendable(at):
            part = min(points, lot.remaining)
            if part:
                lot.remaining -= part
                points -= part
                spending.pieces.append(Piece(lot, part))
                self._say("spent", f"spending {len(self.spendings)}", lot, -part)
        return spending

    def spent_on(self, order_id: str) -> list[Piece]:
        """What was spent on an order, in the order it was spent."""
        return [piece for each in self.spendings if each.order_id == order_id for piece in each.pieces]

    def bring_back(self, order_id: str, due: int, clock: datetime, new_end: datetime, cause: str) -> None:
        """Points spent on a refunded order come back, `due` in all, the last-spent lot first (3.3.4)."""
        pieces = self.spent_on(order_id)
        left = due - sum(piece.returned for piece in pieces)
        for piece in reversed(pieces):
            part = min(left, piece.points - piece.returned)
            if part <= 0:
                continue
            piece.returned += part
            left -= part
            lot = piece.lot
            if lot.expires_at <= clock:
                name = f"returned:{cause}:{lot.lot_id}"
                lot = Lot(name, len(self.lots) + 1, lot.earned_at, lot.available_at, new_end)
                self.lots.append(lot)
            self._credit(lot, part, "returned", cause)

    def sweep(self, as_of: datetime) -> None:
        """A closed day expires the lots up to it (2.3)."""
        for lot in self.lots:
            if lot.expires_at <= as_of and not lot.swept:
                lot.swept = True
                if lot.remaining:
                    lot.expired += lot.remaining
                    self._say("expired", f"day closed {as_of.isoformat()}", lot, -lot.remaining)
                    lot.remaining = 0

    def _say(self, kind: str, cause: str, lot: Lot | None, points: int) -> None:
        if points:
            self.entries.append(Entry(kind, cause, lot.lot_id if lot else None, points))
