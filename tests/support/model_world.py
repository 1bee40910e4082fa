"""The independent model of the whole: the door, and behind it every member. Feed it the reports that HTTP gets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.support.model import Member
from tests.support.model_door import Door, Outcome, Report, when
from tests.support.model_points import Spending
from tests.support.model_programme import Programme


class World:
    """Tell it reports and commands one after another; read `members` by the model's own names or by identifier."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.door = Door(programme)
        self.members: dict[str, Member] = {}
        self.closed: datetime | None = None
        self.spendings: list[Spending] = []

    def tell(self, said: Report) -> Outcome:
        """One report (a CloudEvent) or command: day.close, register, spend."""
        command = said.get("command")
        if command == "day.close":
            return self._close_day(when(said, "as_of"))
        if command == "spend":
            return self._spend(said)
        registers = command == "register"
        outcome = self.door.register(said["identifier"], when(said)) if registers else self.door.report(said)
        for name, event in outcome.numbered:
            if name not in self.members:
                self.members[name] = Member(self.programme, provisional=name in self.door.provisional)
            self.members[name].apply(event)
        return outcome

    def member(self, identifier: dict[str, Any]) -> Member:
        """The member known by an identifier."""
        name = self.door.member_of(identifier)
        if name is None:
            raise KeyError(f"nobody is known by {identifier}")
        return self.members[name]

    def _close_day(self, as_of: datetime) -> Outcome:
        """A record whose `as_of` is not later than the last one is ignored (domain.md 2.3)."""
        if self.closed is not None and as_of <= self.closed:
            return Outcome("ignored", "not later than the last closed day")
        self.closed = as_of
        for member in self.members.values():
            member.close_day(as_of)
        return Outcome("accepted")

    def _spend(self, said: Report) -> Outcome:
        name = self.door.member_of(said["identifier"])
        if name is None:
            return Outcome("refused", "unknown")
        at = datetime.fromisoformat(said["at"]).astimezone(UTC) if said.get("at") else None
        spending = self.members[name].spend(said["points"], at=at, order_id=said.get("order_id"))
        self.spendings.append(spending)
        return Outcome("refused" if spending.refused else "accepted", spending.refused or "", name)
