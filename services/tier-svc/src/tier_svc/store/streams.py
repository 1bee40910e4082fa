"""Members of a batch: loaded with only what their judgement needs, and saved by a few statements. The one thing not to break: what a
member's running sums subtract must have been loaded; `covered_to` says how far it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from laurel_kit.postgres import Transaction
from tier_svc.domain.conditions import ACTIVE, Window
from tier_svc.domain.measures import Bucket, Sums, leaving_ranges
from tier_svc.domain.orders import Order
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Past, Stream
from tier_svc.domain.tasks import Effort, Efforts
from tier_svc.store import efforts, rows, saving
from tier_svc.store import statements as sql
from tier_svc.store.programmes import Programmes


@dataclass(slots=True)
class Wanted:
    """What a batch asks of one member: how far his clock may move, on which days something happens, which orders are refunded."""

    partition: int
    reaches: int  # ordinal of a local day that the clock does not pass
    days: set[int] = field(default_factory=set)
    refunds: list[str] = field(default_factory=list)
    periods: set[tuple[str, int]] = field(default_factory=set)  # of tasks for which something is done


class Streams:
    """Loads and saves streams."""

    def __init__(self, tx: Transaction, programmes: Programmes) -> None:
        self._tx = tx
        self._programmes = programmes
        self._rows: dict[UUID, Any] = {}
        self._windows: Mapping[int, tuple[Window, ...]] = {}

    async def find(self, wanted: Iterable[UUID], closed: Mapping[int, datetime]) -> dict[UUID, Any]:
        """The stored members of a batch, and those of whom something is judged up to the day that is closed in their partition."""
        ids = list(wanted)
        found = list((await self._tx.run(sql.MEMBERS_READ, ids=ids)).all())
        if closed:
            found += await self._due(ids, closed, None)
        return await self._opened(found)

    async def find_due(self, without: Iterable[UUID], closed: Mapping[int, datetime], most: int) -> dict[UUID, Any]:
        """At most so many of those of whom something is judged up to the closed day, without some."""
        return await self._opened(await self._due(list(without), closed, most))

    async def _due(self, without: list[UUID], closed: Mapping[int, datetime], most: int | None) -> list[Any]:
        partitions, as_ofs = list(closed), list(closed.values())
        return list(
            (await self._tx.run(sql.MEMBERS_DUE, partitions=partitions, as_ofs=as_ofs, ids=without, most=most)).all()
        )

    async def _opened(self, found: Iterable[Any]) -> dict[UUID, Any]:
        self._rows = {row.member_id: row for row in found}
        versions = {row.gauged_by for row in self._rows.values()} - {0}
        rules = await self._programmes.rules(versions)
        self._windows = {0: ()} | {version: rules[version].gauges.windows for version in versions}
        return self._rows

    async def load(self, wanted: Mapping[UUID, Wanted]) -> dict[UUID, Stream]:
        """The members, with the buckets that leave their windows and the orders that are refunded."""
        days = await self._days(wanted)
        orders = await self._orders(wanted)
        done = await self._efforts(wanted)
        streams = {}
        for member_id, asked in wanted.items():
            row = self._rows.get(member_id)
            if row is None:
                streams[member_id] = Stream(member_id, asked.partition, sums=Sums(), standing=Standing())
                continue
            streams[member_id] = rows.stream(
                row, self._windows[row.gauged_by], days=days.get(member_id), covered_to=asked.reaches,
                known=frozenset(asked.days), orders=orders.get(member_id),
            )  # fmt: skip
            streams[member_id].partition = asked.partition
            if member_id in done:
                streams[member_id].efforts = done[member_id]
        return streams

    async def load_with_past(self, wanted: Sequence[UUID]) -> dict[UUID, Stream]:
        """The members with their whole past: for a judgement that the running sums cannot make."""
        pasts = {member_id: Past([], [], []) for member_id in wanted}
        for row in (await self._tx.run(sql.PAST_ORDERS, ids=wanted)).all():
            pasts[row.member_id].orders.append(rows.order(row))
        for row in (await self._tx.run(sql.PAST_DEEDS, ids=wanted)).all():
            pasts[row.member_id].deeds.append(rows.deed(row))
        for row in (await self._tx.run(sql.PAST_ENDS, ids=wanted)).all():
            pasts[row.member_id].ends.append(rows.period_end(row, self._rows[row.member_id].joined_on))
        streams = {}
        for member_id, past in pasts.items():
            row = self._rows[member_id]
            streams[member_id] = rows.stream(row, self._windows[row.gauged_by], past=past)
        if self._programmes.have_tasks:
            for member_id, whole in (await efforts.load_all(self._tx, list(streams))).items():
                streams[member_id].efforts = whole
        return streams

    async def save(self, streams: Sequence[Stream]) -> None:
        """Everything that the batch has made of the members."""
        await saving.save(self._tx, streams)

    async def efforts_of(self, member_id: UUID) -> list[Effort]:
        """All that a member has ever done for tasks, by task, period and number."""
        return await efforts.of_member(self._tx, member_id)

    async def skip_number(self, member_id: UUID, number: int) -> None:
        """A dead letter was given up: its number counts."""
        await self._tx.run(sql.NUMBER_SKIP, member_id=member_id, number=number)

    async def _days(self, wanted: Mapping[UUID, Wanted]) -> dict[UUID, dict[int, Bucket]]:
        ids, firsts, lasts = [], [], []
        for member_id, asked in wanted.items():
            row = self._rows.get(member_id)
            if row is None or row.as_of is None:
                continue
            windows = self._windows[row.gauged_by]
            ranges = leaving_ranges(row.as_of.toordinal(), asked.reaches, windows)
            if any(window_field == ACTIVE for window_field, _ in windows):
                ranges += [(day, day) for day in sorted(asked.days)]
            for first, last in ranges:
                ids.append(member_id)
                firsts.append(date.fromordinal(first))
                lasts.append(date.fromordinal(last))
        days: dict[UUID, dict[int, Bucket]] = {}
        if ids:
            found = await self._tx.run(sql.DAYS_READ, ids=ids, firsts=firsts, lasts=lasts)
            for member_id, day, *bucket in found.all():
                days.setdefault(member_id, {})[day.toordinal()] = bucket
        return days

    async def _efforts(self, wanted: Mapping[UUID, Wanted]) -> dict[UUID, Efforts]:
        """No statement where no version has tasks, or nothing of the batch concerns one."""
        if not self._programmes.have_tasks:
            return {}
        stored = {member_id: asked for member_id, asked in wanted.items() if member_id in self._rows}
        touched = {member_id: asked.periods for member_id, asked in stored.items()}
        refunded = [(member_id, order) for member_id, asked in stored.items() for order in sorted(set(asked.refunds))]
        return await efforts.load(self._tx, touched, refunded)

    async def _orders(self, wanted: Mapping[UUID, Wanted]) -> dict[UUID, dict[str, Order]]:
        pairs = [(member_id, order_id) for member_id, asked in wanted.items() for order_id in asked.refunds]
        orders: dict[UUID, dict[str, Order]] = {}
        if pairs:
            ids, order_ids = zip(*dict.fromkeys(pairs), strict=True)
            for row in (await self._tx.run(sql.ORDERS_READ, ids=list(ids), orders=list(order_ids))).all():
                orders.setdefault(row.member_id, {})[row.order_id] = rows.order(row)
        return orders
