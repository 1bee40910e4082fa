"""What has been counted of a member: the running sums, and the whole history where those cannot tell. The one thing not to break: a sum
that goes on from what is kept comes to the same as one added up from the history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from tier_svc.domain.conditions import GROWTH_TOTAL, LARGEST_ORDER, SPEND_TOTAL, TOTALS
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import History, NeedsHistory, Sums
from tier_svc.domain.orders import Deed, Order
from tier_svc.domain.standing import Standing
from tier_svc.domain.steps import Past, Step
from tier_svc.domain.tasks import Doing, Efforts, Moved, efforts_of


class Measured:
    """The measured side of a stream; the other side is what is judged by it."""

    __slots__ = ("deeds", "efforts", "is_new", "past", "purchases", "standing", "sums")

    deeds: list[Deed]  # of this batch, as are the purchases
    purchases: list[Order]
    efforts: Efforts | None  # what was done for tasks, as far as this batch asks; None: nothing is at hand
    is_new: bool
    past: Past | None  # what is stored of the whole past; None: it is not at hand
    standing: Standing
    sums: Sums

    def history(self) -> History:
        """Everything so far, entry by entry. Raises NeedsHistory where the stored part is not at hand."""
        if self.past is not None:
            return History((self.past.orders, self.purchases), (self.past.deeds, self.deeds), self.efforts)
        if not self.is_new:
            raise NeedsHistory
        return History((self.purchases,), (self.deeds,), self.efforts)

    def values_as_of(self, rules: Rules, day: date) -> list[int]:
        """The metrics as of a day that is not before the day of the running sums, with the present counters."""
        return self._values(rules, day.toordinal())

    def sums_anew(self, rules: Rules) -> None:
        """Add the running values up from the history, as of the day they stand at."""
        sums = self.sums
        if sums.as_of is None:
            sums.values = [0] * (len(TOTALS) + len(rules.gauges.windows))
        else:
            sums.values = self.history().values(rules.gauges.windows, sums.as_of, self.standing.restart)
            sums.covered_to = sums.as_of  # buckets for the windows of another version are not at hand
        sums.windows = rules.gauges.windows

    def _today(self, timeline: Timeline, clock: datetime) -> Rules:
        """The version in force at the clock, with the running sums moved on to the day of the clock."""
        rules = timeline.at(clock)
        self._values(rules, rules.calendar.day_of(clock).toordinal())
        return rules

    def _values(self, rules: Rules, day: int) -> list[int]:
        sums = self.sums
        if sums.windows is not rules.gauges.windows:
            if sums.windows != rules.gauges.windows:
                self.sums_anew(rules)
            sums.windows = rules.gauges.windows
        sums.gauged_by = rules.version
        if sums.as_of != day:
            if sums.as_of is None or day <= sums.covered_to or self.is_new:
                sums.advance(day)
            else:
                sums.as_of = day
                sums.values = self.history().values(sums.windows, day, self.standing.restart)
        return sums.values

    def _values_then(self, rules: Rules, day: int, restart: datetime | None) -> Sequence[int]:
        if restart == self.standing.restart and day == self.sums.as_of:
            return self.sums.values
        return self.history().values(rules.gauges.windows, day, restart)

    def _as_a_club_sees(self, club: Rules, restart: datetime | None) -> Sequence[int] | None:
        """The running sums in the order of a club of the same version; None where its counters began anew at another instant."""
        if club.counts_from_lapses and restart != self.standing.restart:
            return None
        values = self.sums.values
        return [values[slot] for slot in club.of_main]

    def _count_anew(self, restart: datetime | None) -> None:
        """What `spend_total` and `largest_order` come to since a lapse, from the history."""
        values = self.sums.values
        values[SPEND_TOTAL], values[LARGEST_ORDER], _ = self.history().values((), self.sums.as_of or 0, restart)

    def _do(self, step: Step, stamped: Rules, doing: Doing, worth: int | None = None) -> None:
        """Count it for the tasks of its version; `worth`: the qualifying amount of an order, in minor units."""
        if self.efforts is None:
            if not self.is_new:
                raise NeedsHistory
            self.efforts = Efforts()
        for effort in efforts_of(
            stamped.tasks, doing, seq=step.seq, time=step.time, day=step.day, version=stamped.version, worth=worth
        ):
            if not self.efforts.knows(effort):
                raise NeedsHistory
            self._grow(self.efforts.take(effort, for_good=worth is None))

    def _grow(self, moved: Sequence[Moved]) -> None:
        """Growth that tasks give or lose, each on its own day."""
        for day, growth in moved:
            self._count(day, (0, 0, growth, 0), active=False)
            self.sums.values[GROWTH_TOTAL] += growth

    def _count(self, day: int, counted: tuple[int, int, int, int], *, active: bool) -> None:
        """Count on a day: spend, orders, growth, complaints; `active`: this makes the day active."""
        newly = 0
        if active and self.sums.watches_activity:
            was = self.sums.is_active(day)
            newly = int(not (self.history().is_active(day) if was is None else was))
        self.sums.count(day, (*counted, newly), int(active))
