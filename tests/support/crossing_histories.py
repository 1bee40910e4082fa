"""What crosses between the households of a seeded history (tests/support/histories.py): who brought whom, who buys by what another has
shared, who gives points to whom, and what is held at a till before it is paid for. The one thing not to break: the same seed gives the same
history, and what each household does by itself stays what it was."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.support.model_door import PURCHASE, SHARE, Report
from tests.support.reports import refund_report

Told = tuple[datetime, int, Report]  # arrival, order of invention, report or command
NEAR = timedelta(days=45)  # more than a purchase waits for its share, so that some have waited in vain
NUMBERS_FROM = 10**12  # behind whatever a household says at the same instant


@dataclass(frozen=True)
class Between:
    """How often things cross: chances of one receipt, unless it says otherwise."""

    follows: float = 0.01  # it carries a share that somebody tells near it, mostly another household
    regrets: float = 0.3  # of those that carry one: all of it comes back
    gives: float = 0.01  # points are given to another household
    holds: float = 0.01  # points are held, and paid with, given up, or neither
    brought: float = 0.4  # of a registration: it names who brought the member
    rivals: bool = True  # several households may carry one share


def crossing(told: Sequence[Told], seed: int, between: Between) -> list[Told]:
    """The same history, with what crosses in it; not in order of arrival."""
    return Crossing(told, seed, between).all()


class Crossing:
    """See `crossing`."""

    def __init__(self, told: Sequence[Told], seed: int, between: Between) -> None:
        self.told = sorted(told, key=lambda each: (each[0], each[1]))
        self.random = Random(f"{seed}:between")
        self.between = between
        self.number = NUMBERS_FROM
        shares = [(at, one["data"]["share_id"], _name(one)) for at, _, one in self.told if one.get("type") == SHARE]
        self.share_times = [at for at, _, _ in shares]
        self.shares = shares
        self.names = sorted({_name(one) for _, _, one in self.told if _name(one)})
        self.more: list[Told] = []
        self.buyers: dict[str, str] = {}  # by share, who carried it last

    def all(self) -> list[Told]:
        return [(at, number, self._told(at, one)) for at, number, one in self.told] + self.more

    def _told(self, at: datetime, one: Report) -> Report:
        if one.get("command") == "register" and self._chance(self.between.brought):
            return one | {"referrer": self._card(self._other(_name(one)))}
        if one.get("type") != PURCHASE:
            return one
        if self._chance(self.between.gives):
            self._gives(at, _name(one))
        if self._chance(self.between.holds):
            self._holds(at, one)
        return self._carrying(at, one) if self._chance(self.between.follows) else one

    def _carrying(self, at: datetime, one: Report) -> Report:
        """By a share of another household told before or after it, sometimes by one's own."""
        first, last = bisect_left(self.share_times, at - NEAR), bisect_left(self.share_times, at + NEAR)
        buyer = _name(one)
        near = self.shares[first:last]
        if not self.between.rivals:
            near = [share for share in near if self.buyers.get(share[1], buyer) == buyer]
        if not near:
            return one
        _, share_id, _ = self.random.choice(near)
        self.buyers[share_id] = buyer
        if self._chance(self.between.regrets):
            back = at + timedelta(seconds=self.random.randint(3600, 20 * 86_400))
            order, name = one["data"]["order_id"], f"regret-{self.number}"
            report = refund_report("pos/returns", name, back.isoformat(), order, name, one["data"]["amount_minor"])
            self._say(back, report)
        return one | {"data": one["data"] | {"share_id": share_id}}

    def _gives(self, at: datetime, name: str) -> None:
        later = at + timedelta(hours=self.random.randint(1, 48))
        points = self.random.choice((1, 7, self.random.randint(10, 80), self.random.randint(50, 400)))
        to = self._card(self._other(name))
        self._say(later, self._at_a_till("give", name, later) | {"to": to, "points": points})

    def _holds(self, at: datetime, one: Report) -> None:
        """Points held, for this order or for none; then all or part of them are spent, or none, or nobody comes back."""
        name, later = _name(one), at + timedelta(hours=self.random.randint(1, 24))
        hold, points = f"hold-{self.number}", self.random.randint(2, 300)
        command: Report = self._at_a_till("hold", name, later) | {"hold": hold, "points": points}
        if self._chance(0.6):
            command["order_id"] = one["data"]["order_id"]
        self._say(later, command)
        how = self.random.choice(("all", "part", "void", "void", "again", "nothing"))
        end = later + timedelta(days=self.random.randint(0, 60))
        if how in ("all", "part", "again"):
            part = points if how == "all" else self.random.randint(1, points - 1)
            self._say(end, self._at_a_till("capture", name, end) | {"hold": hold, "points": part})
        if how in ("void", "again"):
            self._say(end + timedelta(hours=1), self._at_a_till("void", name, end) | {"hold": hold})

    def _at_a_till(self, command: str, name: str, at: datetime) -> dict[str, Any]:
        return {"command": command, "identifier": self._card(name), "at": at.isoformat()}

    def _other(self, name: str) -> str:
        return self.random.choice([other for other in self.names if other != name] or [name])

    def _card(self, name: str) -> dict[str, str]:
        return {"kind": "card", "value": name}

    def _chance(self, chance: float) -> bool:
        return self.random.random() < chance

    def _say(self, at: datetime, report: Report) -> None:
        self.number += 1
        self.more.append((at, self.number, report))


def _name(one: Report) -> str:
    """Whose card a report or command bears; empty where it bears none."""
    identifier = one.get("identifier") or one.get("data", {}).get("identifier") or {}
    return str(identifier.get("value", ""))
