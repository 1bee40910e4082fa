"""A member kept between batches as the store does it, in memory: only what a batch asks for is handed to the judge, and the whole past only
when he says that he needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from datetime import UTC, datetime

from tests.unit.tier_svc.domain.ladders import MEMBER
from tier_svc.domain.clubs import ClubFact
from tier_svc.domain.conditions import ACTIVE
from tier_svc.domain.facts import Fact, PeriodEnd
from tier_svc.domain.measures import NeedsHistory, Sums, leaving_ranges
from tier_svc.domain.orders import Deed, Order
from tier_svc.domain.overlaying import Override, TakenBack
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Past, Stream


class Keeper:
    """One member's rows."""

    def __init__(self) -> None:
        self.stream = Stream(MEMBER, 0, sums=Sums(), standing=Standing())
        self.known = False
        self.orders: dict[int, Order] = {}
        self.deeds: list[Deed] = []
        self.ends: list[PeriodEnd] = []
        self.path: dict[datetime, str] = {}
        self.facts: list[Fact] = []
        self.club_facts: list[ClubFact] = []
        self.overrides: dict[int, Override] = {}
        self.taken_back: list[TakenBack] = []
        self.days: dict[int, list[int]] = {}
        self.judged_with_past = 0

    def batch(
        self, judge: Callable[[Stream], None], *, reaches: datetime, days: Sequence[int], refunds: Sequence[str]
    ) -> None:
        """Judge a batch and keep what comes of it. `judge` may be called twice."""
        if not self.known:
            stream = Stream(MEMBER, 0, sums=Sums(), standing=Standing())
            judge(stream)
        else:
            try:
                stream = self._opened(reaches, days, refunds)
                judge(stream)
            except NeedsHistory:
                self.judged_with_past += 1
                stream = self._opened_with_past()
                judge(stream)
        self._keep(stream)

    def _opened(self, reaches: datetime, days: Sequence[int], refunds: Sequence[str]) -> Stream:
        kept, sums = self.stream, self.stream.sums
        target = max(reaches, kept.clock or reaches).astimezone(UTC).toordinal() + 1
        ranges = leaving_ranges(sums.as_of, target, sums.windows)
        if any(field == ACTIVE for field, _ in sums.windows):
            ranges += [(day, day) for day in days]
        loaded = {
            day: bucket for day, bucket in self.days.items() if any(first <= day <= last for first, last in ranges)
        }
        wanted = {order.order_id: copy(order) for order in self.orders.values() if order.order_id in refunds}
        return self._restored(
            Sums(
                sums.as_of, sums.values, sums.windows,
                gauged_by=sums.gauged_by, loaded=loaded, covered_to=target, known=frozenset(days),
            ),
            wanted, None,
        )  # fmt: skip

    def _opened_with_past(self) -> Stream:
        sums = self.stream.sums
        past = Past([copy(order) for _, order in sorted(self.orders.items())], list(self.deeds), list(self.ends))
        return self._restored(Sums(sums.as_of, sums.values, sums.windows, gauged_by=sums.gauged_by), None, past)

    def _restored(self, sums: Sums, orders: dict[str, Order] | None, past: Past | None) -> Stream:
        kept = self.stream
        return Stream(
            MEMBER, 0, sums=sums, standing=kept.standing, last_seq=kept.last_seq, clock=kept.clock, ordinal=kept.ordinal,
            last_end=kept.last_end, is_new=False, orders=orders, past=past,
            overrides=kept.overlay.entries, clubs=kept.clubs.kept.values(),
        )  # fmt: skip

    def _keep(self, stream: Stream) -> None:
        self.known = True
        self.stream = stream
        self.orders |= {order.seq: order for order in stream.purchases} | stream.changed
        self.deeds += stream.deeds
        if stream.undone_from is not None:
            self.ends = [end for end in self.ends if end.at < stream.undone_from]
            self.path = {instant: tier for instant, tier in self.path.items() if instant < stream.undone_from}
        self.ends += stream.ends
        self.path |= stream.path
        self.facts += stream.facts
        self.club_facts += stream.clubs.facts
        self.overrides |= stream.overlay.changed
        self.taken_back += stream.overlay.taken
        for day, added in stream.sums.added.items():
            bucket = self.days.setdefault(day, [0, 0, 0, 0, 0])
            for field in range(ACTIVE):
                bucket[field] += added[field]
            bucket[ACTIVE] |= added[ACTIVE]
