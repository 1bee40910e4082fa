"""The values of the tier metrics (domain.md 4), twice: running sums that a batch carries on, and the history of a member added up anew.
The one thing not to break: both give the same values, to the minor unit; a property test holds them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tier_svc.domain.conditions import ACTIVE, COMPLAINTS, GROWTH, GROWTH_TOTAL, ORDERS, SPEND, TOTALS, Window
from tier_svc.domain.orders import GROWTH_OF, QUIET, Deed, Order
from tier_svc.domain.tasks import Efforts

Bucket = Sequence[int]  # one local day: spend in minor units, orders, growth, complaints, active (0 or 1)
ZERO_TOTALS = [0] * len(TOTALS)


def leaving_ranges(as_of: int | None, target: int, windows: Iterable[Window]) -> list[tuple[int, int]]:
    """The days (first, last) that leave a window while the sums move on from `as_of` to at most `target`."""
    if as_of is None or target <= as_of:
        return []
    return [(as_of - days + 1, target - days) for days in sorted({days for _, days in windows})]


class NeedsHistory(Exception):
    """The running sums cannot answer; the member is judged again with the whole history at hand."""


class Sums:
    """Running values as of one day: the totals, then the windows. `loaded` holds the stored buckets that leave a window on the way to
    `covered_to` (and those of the days in `known`); `added` is what this batch has put on top of what is stored."""

    __slots__ = ("added", "as_of", "covered_to", "gauged_by", "known", "loaded", "values", "windows")

    def __init__(
        self,
        as_of: int | None = None,
        values: Sequence[int] = tuple(ZERO_TOTALS),
        windows: tuple[Window, ...] = (),
        *,
        gauged_by: int = 0,
        loaded: Mapping[int, Bucket] | None = None,
        covered_to: int = 0,
        known: frozenset[int] = frozenset(),
    ) -> None:
        self.as_of = as_of
        self.values = list(values)
        self.windows = windows
        self.gauged_by = gauged_by  # the programme version whose windows these are
        self.loaded = loaded or {}
        self.covered_to = covered_to
        self.known = known
        self.added: dict[int, list[int]] = {}

    def fork(self) -> Sums:
        """Sums that can be moved on without moving these."""
        forked = Sums(
            self.as_of, self.values, self.windows,
            gauged_by=self.gauged_by, loaded=self.loaded, covered_to=self.covered_to, known=self.known,
        )  # fmt: skip
        forked.added = self.added
        return forked

    @property
    def watches_activity(self) -> bool:
        """Whether a window counts active days."""
        return any(field == ACTIVE for field, _ in self.windows)

    def advance(self, day: int) -> None:
        """Move the windows on to `day`: subtract what leaves. The caller has made sure that it is covered."""
        before = self.as_of
        self.as_of = day
        if before is None or before == day:
            return
        values, slot = self.values, len(TOTALS)
        for field, days in self.windows:
            if values[slot]:
                values[slot] -= self._leaving(field, before - days, day - days)
            slot += 1

    def _leaving(self, field: int, after: int, upto: int) -> int:
        loaded, added = self.loaded, self.added
        days: Iterable[int]
        if upto - after <= len(loaded) + len(added):
            days = range(after + 1, upto + 1)
        else:
            days = [day for day in loaded.keys() | added.keys() if after < day <= upto]
        gone = 0
        for day in days:
            stored = loaded.get(day)
            fresh = added.get(day)
            if field == ACTIVE:
                gone += 1 if (stored is not None and stored[ACTIVE]) or (fresh is not None and fresh[ACTIVE]) else 0
                continue
            if stored is not None:
                gone += stored[field]
            if fresh is not None:
                gone += fresh[field]
        return gone

    def count(self, day: int, delta: Sequence[int], active: int) -> None:
        """Count something on its own day, in every window that the day lies in, and keep it for the bucket of its day. `delta` is a
        bucket; its last field says whether the day becomes active by it, `active` whether it is by now."""
        as_of, values, slot = self.as_of, self.values, len(TOTALS)
        if as_of is not None and day <= as_of:
            for field, days in self.windows:
                if as_of - days < day:
                    values[slot] += delta[field]
                slot += 1
        bucket = self.added.get(day)
        if bucket is None:
            self.added[day] = [delta[SPEND], delta[ORDERS], delta[GROWTH], delta[COMPLAINTS], active]
        else:
            bucket[SPEND] += delta[SPEND]
            bucket[ORDERS] += delta[ORDERS]
            bucket[GROWTH] += delta[GROWTH]
            bucket[COMPLAINTS] += delta[COMPLAINTS]
            bucket[ACTIVE] |= active

    def is_active(self, day: int) -> bool | None:
        """Whether something has made the day active before; None: not known here."""
        fresh = self.added.get(day)
        if fresh is not None and fresh[ACTIVE]:
            return True
        stored = self.loaded.get(day)
        if stored is not None:
            return bool(stored[ACTIVE])
        return False if day in self.known else None


class History:
    """All that a member's stream holds, entry by entry: what is stored and, behind it, what this batch has added."""

    def __init__(
        self, orders: Sequence[Iterable[Order]], deeds: Sequence[Iterable[Deed]], efforts: Efforts | None = None
    ) -> None:
        self._orders = orders
        self._deeds = deeds
        self._efforts = efforts

    def orders(self) -> Iterable[Order]:
        return (order for part in self._orders for order in part)

    def deeds(self) -> Iterable[Deed]:
        return (deed for part in self._deeds for deed in part)

    def values(
        self, windows: Sequence[Window], day: int, restart: datetime | None, seen: tuple[datetime, int] | None = None
    ) -> list[int]:
        """The metrics as of a day, added up from everything on or before it. `seen` (instant, number): only what happened before the
        instant or is numbered up to the number (an activity that is judged again, domain.md 2.3)."""
        orders = [o for o in self.orders() if o.day <= day and _is_seen(o, seen)]
        deeds = [d for d in self.deeds() if d.day <= day and _is_seen(d, seen)]
        given = self._efforts.given(day, seen) if self._efforts is not None else []  # growth by tasks
        since_restart = [o.counted for o in orders if restart is None or o.time >= restart]
        values = [sum(since_restart), max(since_restart, default=0), _growth(orders, deeds)]
        values[GROWTH_TOTAL] += sum(growth for _, growth in given)
        for field, days in windows:
            first = day - days + 1
            values.append(
                _in_window(field, [o for o in orders if o.day >= first], [d for d in deeds if d.day >= first])
            )
            if field == GROWTH:
                values[-1] += sum(growth for on, growth in given if on >= first)
        return values

    def largest_since(self, restart: datetime | None) -> int:
        """The largest order that `spend_total` covers, in minor units."""
        return max((o.counted for o in self.orders() if restart is None or o.time >= restart), default=0)

    def is_active(self, day: int) -> bool:
        """Whether anything but a refund or a complaint happened on the day."""
        return any(o.day == day for o in self.orders()) or any(
            d.day == day and d.kind not in QUIET for d in self.deeds()
        )


def _is_seen(entry: Order | Deed, seen: tuple[datetime, int] | None) -> bool:
    return seen is None or entry.time < seen[0] or entry.seq <= seen[1]


def _growth(orders: Iterable[Order], deeds: Iterable[Deed]) -> int:
    return sum(o.growth for o in orders) + sum(GROWTH_OF.get(d.kind, 0) for d in deeds)


def _in_window(field: int, orders: Sequence[Order], deeds: Sequence[Deed]) -> int:
    if field == SPEND:
        return sum(o.counted for o in orders)
    if field == ORDERS:
        return sum(1 for o in orders if o.counts)
    if field == GROWTH:
        return _growth(orders, deeds)
    if field == COMPLAINTS:
        return sum(1 for d in deeds if d.kind == "complaint")
    return len({o.day for o in orders} | {d.day for d in deeds if d.kind not in QUIET})
