"""Where a history that crosses between members must come to rest, so that its result is one (domain.md 3.1: what is repaid as debt or
bounded by a cap is decided once, by what was there). The one thing not to break: it asks for no more rests than that, or nothing is ever
under way."""

from __future__ import annotations

from tests.support.model_door import Outcome, Report
from tests.support.model_till import AT_A_TILL
from tests.support.model_world import World

REST: Report = {"command": "settle"}


class Pauses:
    """Ask `needed` of each thing told, right after the model has been told it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rests = 0
        self._begin()

    def _begin(self) -> None:
        self.under_way: set[str] = set()  # members whom something by another's doing is on its way to
        self.touched: set[str] = set()  # members who may not be where the model is yet
        self.day_is_new = False
        self.shares: dict[str, set[str]] = {}  # by share, whose activities were about it

    def needed(self, item: Report, outcome: Outcome) -> bool:
        """Whether the shop must have come to rest before it is told this."""
        said_to = set(self.world.crossings.said_to)
        self.world.crossings.said_to.clear()
        if item.get("command") in AT_A_TILL:  # the shop itself comes to rest before it asks at a till
            self._begin()
            return False
        closes = item.get("command") == "day.close"
        concerned = {name for name, _ in outcome.numbered}
        share = item.get("data", {}).get("share_id") if concerned else None
        needed = bool(
            self.under_way & (set(self.world.members) if closes else concerned)
            or said_to & (self.under_way | self.touched)
            or (said_to and self.day_is_new)
            or (share is not None and self.shares.get(share, concerned) != concerned)
        )
        if needed:
            self.rests += 1
            self._begin()
        self.under_way |= said_to
        self.touched |= concerned
        self.day_is_new = self.day_is_new or closes
        if share is not None:
            self.shares.setdefault(share, set()).update(concerned)
        return needed
