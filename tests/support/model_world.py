"""The independent model of the whole: the door, and behind it every member. Feed it the reports that HTTP gets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.support.model import Member
from tests.support.model_crossings import Crossings
from tests.support.model_door import Door, Outcome, Report, when
from tests.support.model_points import Spending
from tests.support.model_programme import Programme
from tests.support.model_till import AT_A_TILL, DONE, Till


class World:
    """Tell it reports and commands one after another; read `members` by the model's own names or by identifier."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.door = Door(programme)
        self.members: dict[str, Member] = {}
        self.closed: datetime | None = None
        self.crossings = Crossings(programme, self.members)
        self.till = Till(self.door, self.members)

    @property
    def spendings(self) -> list[Spending]:
        """What was spent at once, and what was refused."""
        return self.till.spendings

    def tell(self, said: Report) -> Outcome:
        """One report (a CloudEvent) or command: day.close, register, or what is asked for at a till."""
        command = said.get("command")
        if command == "day.close":
            return self._close_day(when(said, "as_of"))
        if command in AT_A_TILL:
            word = self.till.ask(said)
            return Outcome("accepted" if word == DONE else "refused", word)
        outcome = self._register(said) if command == "register" else self.door.report(said)
        for name, event in outcome.numbered:
            if name not in self.members:
                self.members[name] = Member(self.programme, provisional=name in self.door.provisional)
            self.crossings.before(name, event)
            self.members[name].apply(event)
            self.crossings.after(name, event)
        return outcome

    def member(self, identifier: dict[str, Any]) -> Member:
        """The member known by an identifier."""
        name = self.door.member_of(identifier)
        if name is None:
            raise KeyError(f"nobody is known by {identifier}")
        return self.members[name]

    def _register(self, said: Report) -> Outcome:
        """A referrer whom the door does not know yet is none."""
        referrer = self.door.member_of(said["referrer"]) if said.get("referrer") else None
        return self.door.register(said["identifier"], when(said), referrer)

    def _close_day(self, as_of: datetime) -> Outcome:
        """A record whose `as_of` is not later than the last one is ignored (domain.md 2.3)."""
        if self.closed is not None and as_of <= self.closed:
            return Outcome("ignored", "not later than the last closed day")
        self.closed = as_of
        for member in self.members.values():
            member.close_day(as_of)
        self.crossings.day_closed()
        return Outcome("accepted")
