"""Holds and points that move between members (domain.md 3.4, 3.5), on the ledger of the independent model: points that have left their
lots and belong to nobody else yet. Part of the independent model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.support.model_points import Ledger, Lot, Piece, Spending


@dataclass
class Hold:
    """Points set apart, lot by lot in the order they were taken; they lie in no lot until the hold ends."""

    name: str
    number: int
    pieces: list[Piece]
    order_id: str | None
    ends: datetime
    state: str = "held"  # then captured, voided or expired
    captured: int = 0

    @property
    def points(self) -> int:
        return sum(piece.points for piece in self.pieces)

    def state_at(self, now: datetime) -> str:
        """From its end on it is expired, whether or not anybody has looked."""
        return "expired" if self.state == "held" and now >= self.ends else self.state


@dataclass(frozen=True)
class Parcel:
    """Points of one lot on their way to another member: what the receiver's lot is made of."""

    points: int
    earned_at: datetime
    expires_at: datetime


@dataclass
class HoldingLedger(Ledger):
    """A ledger with a till beside it."""

    holds: dict[str, Hold] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def held(self) -> int:
        return sum(hold.points for hold in self.holds.values() if hold.state == "held")

    @property
    def posted(self) -> int:
        """What the member has: in lots, or held."""
        return sum(lot.remaining for lot in self.lots) + self.held

    def takes(self, points: int, at: datetime, why: str) -> list[Piece]:
        """So many points out of the lots that expire soonest; the caller has seen that they are there."""
        pieces = []
        for lot in self.spendable(at):
            part = min(points, lot.remaining)
            if part:
                lot.remaining -= part
                points -= part
                pieces.append(Piece(lot, part))
                self._say(why, why, lot, -part)
        assert not points
        return pieces

    def hold(self, name: str, points: int, now: datetime, ends: datetime, order_id: str | None) -> None:
        self.holds[name] = Hold(name, len(self.holds), self.takes(points, now, "held"), order_id, ends)

    def capture(self, hold: Hold, points: int, order_id: str | None) -> None:
        """The first points that were taken are spent, the others go back."""
        hold.state, hold.captured = "captured", points
        spent, rest = [], []
        wanted = points
        for piece in hold.pieces:
            part = min(wanted, piece.points)
            wanted -= part
            if part:
                spent.append(Piece(piece.lot, part))
            if piece.points > part:
                rest.append(Piece(piece.lot, piece.points - part))
        self.spendings.append(Spending(points, order_id or hold.order_id, spent))
        self.back(rest, "released")

    def give_up(self, hold: Hold, state: str) -> None:
        hold.state = state
        self.back(hold.pieces, "released")

    def release_what_is_over(self, now: datetime) -> int:
        """Holds whose time is over end, the longest over first."""
        over = [hold for hold in self.holds.values() if hold.state == "held" and now >= hold.ends]
        for hold in sorted(over, key=lambda one: (one.ends, one.number)):
            self.give_up(hold, "expired")
        return len(over)

    def back(self, pieces: Sequence[Piece], why: str) -> None:
        """Points come back into the lots they were taken from; debt is repaid first, and a lot that has been swept keeps none."""
        for piece in pieces:
            self._credit(piece.lot, piece.points, why, why)

    def parcels_come(self, parcels: Sequence[Parcel]) -> None:
        """Points of another member, each with the age and the end of the lot it came from."""
        for parcel in parcels:
            name = f"handed:{len(self.lots)}"
            lot = Lot(name, len(self.lots) + 1, parcel.earned_at, parcel.earned_at, parcel.expires_at)
            self.post(lot, parcel.points, "handed")
