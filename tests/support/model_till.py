"""What is asked for at a till (domain.md 3.5: spendings, holds and how they end, points given to another member), as the independent model
of the whole answers it: by the word that the service's problem bears, or `done`. The one thing not to break: points that are given lie with
the receiver at once; a test lets them arrive before it asks him for anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.model import Member
from tests.support.model_door import Door, Report
from tests.support.model_holds import Hold, Parcel
from tests.support.model_points import Spending

AT_A_TILL = ("spend", "hold", "capture", "void", "give")
DONE = "done"
NOBODY = "nobody"  # an identifier that the door does not know
NO_HOLD = "no hold"  # it was refused when it was asked for
HOLD_LASTS = timedelta(days=7)
WORDS = {"provisional": "member_not_active", "debt": "in_debt", "not_enough": "insufficient_points"}


class Till:
    """Ask it what is asked of the shop; `words` are its answers, in order."""

    def __init__(self, door: Door, members: dict[str, Member]) -> None:
        self.door = door
        self.members = members
        self.holds: dict[str, Hold] = {}
        self.spendings: list[Spending] = []
        self.words: list[str] = []

    def ask(self, said: Report) -> str:
        """The answer to one command."""
        member, now = self._member(said["identifier"]), self._moment(said)
        word = NOBODY if member is None else getattr(self, f"_{said['command']}")(member, said, now)
        self.words.append(word)
        return str(word)

    def _member(self, identifier: dict[str, str]) -> Member | None:
        name = self.door.member_of(identifier)
        return None if name is None else self.members[name]

    def _moment(self, said: Report) -> datetime | None:
        return datetime.fromisoformat(said["at"]).astimezone(UTC) if said.get("at") else None

    def _spend(self, member: Member, said: Report, now: datetime | None) -> str:
        spending = member.spend(said["points"], at=now, order_id=said.get("order_id"))
        self.spendings.append(spending)
        return DONE if spending.refused is None else WORDS[spending.refused]

    def _refusal(self, member: Member, points: int, now: datetime) -> str | None:
        if member.provisional:
            return WORDS["provisional"]
        if member.ledger.debt:
            return WORDS["debt"]
        return WORDS["not_enough"] if member.ledger.available(now) < points else None

    def _hold(self, member: Member, said: Report, now: datetime | None) -> str:
        moment = _at_least(member, now)
        refused = self._refusal(member, said["points"], moment)
        if refused is None:
            ledger, name = member.ledger, said["hold"]
            ledger.hold(name, said["points"], moment, moment + HOLD_LASTS, said.get("order_id"))
            self.holds[name] = ledger.holds[name]
        return refused or DONE

    def _capture(self, member: Member, said: Report, _now: datetime | None) -> str:
        hold = self.holds.get(said["hold"])
        if hold is None:
            return NO_HOLD
        if hold.state != "held":
            return f"hold_{hold.state}"
        member.ledger.capture(hold, said["points"], None)
        return DONE

    def _void(self, member: Member, said: Report, _now: datetime | None) -> str:
        hold = self.holds.get(said["hold"])
        if hold is None:
            return NO_HOLD
        if hold.state == "held":
            member.ledger.give_up(hold, "voided")
        return DONE if hold.state == "voided" else f"hold_{hold.state}"

    def _give(self, member: Member, said: Report, now: datetime | None) -> str:
        receiver = self._member(said["to"])
        if receiver is None:
            return NOBODY
        moment = _at_least(member, now)
        refused = self._refusal(member, said["points"], moment)
        if refused is None:
            pieces: list[Any] = member.ledger.takes(said["points"], moment, "given")
            receiver.ledger.parcels_come([
                Parcel(piece.points, piece.lot.earned_at, piece.lot.expires_at) for piece in pieces
            ])  # fmt: skip
        return refused or DONE


def _at_least(member: Member, now: datetime | None) -> datetime:
    """An instant that is never before the member's clock."""
    beginning = datetime.min.replace(tzinfo=UTC)
    return max(now or beginning, member.clock or beginning)
