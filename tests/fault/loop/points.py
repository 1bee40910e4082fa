"""points-svc's own handlers and store behind the kit's real Reader, without its HTTP: purchases go in, balances come out. The model of what
must come out is one line: at the lowest tier a purchase is worth one point per whole 1.00."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from laurel_contracts.activities import OrderLine, PurchaseRecorded
from laurel_kit.hearing import RawRecord
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from points_svc.consumer import LISTENS_TO
from points_svc.store import PointsStore
from tests.fault.loop.observer import broken_moves, one, rows, watch_cursors
from tests.integration.kit.toy_kafka import PARTITIONS
from tests.integration.points_svc.books import Books, told
from tests.unit.points_svc.script import SHANGHAI, Activity, programme

GROUP = "points-svc"
HEARD = "activities"
TOPICS = ("activities", "tiers", "campaigns", "handovers", "points", "activities.dead-letter")
START = datetime(2025, 3, 3, 4, tzinfo=UTC)
SESSION_SECONDS = 2.0


def member(number: int) -> UUID:
    return UUID(int=0xA000 + number)


def partition_of_member(number: int) -> int:
    """Not Kafka's own function: here whoever lays the records chooses."""
    return number % PARTITIONS


class Sales:
    """Purchases as the door lays them, per lane at the next offsets, and what they must come to."""

    def __init__(self, members: int) -> None:
        self.members = members
        self.expected: dict[UUID, int] = defaultdict(int)
        self._numbers: dict[int, int] = defaultdict(int)
        self._offsets: dict[int, int] = defaultdict(int)
        self._made = 0

    def some(self, count: int, *, only: int | None = None) -> list[RawRecord]:
        """The next `count` purchases, in turn over the members or all of one."""
        return [self.next_of(self._made % self.members if only is None else only) for _ in range(count)]

    def next_of(self, who: int, order_id: str | None = None) -> RawRecord:
        """The next purchase of a member: 100.00 and a little more each time."""
        self._made += 1
        self._numbers[who] += 1
        amount = 10_000 + 100 * (self._made % 7)
        partition = partition_of_member(who)
        line = OrderLine(line_id="1", sku="s", category="food", quantity=1, amount_minor=amount)
        data = PurchaseRecorded(
            order_id=order_id or f"o{self._made}", channel="store", currency="CNY", lines=(line,), amount_minor=amount
        )
        step = Activity(self._numbers[who], START + timedelta(minutes=self._made), data)
        record = replace(told(step, member(who), SHANGHAI, partition=partition), offset=self._offsets[partition])
        self._offsets[partition] += 1
        self.expected[member(who)] += amount // 100
        return record

    def poison(self, who: int) -> RawRecord:
        """The next purchase of a member, which decodes, keeps every rule, and cannot be stored: a text with a NUL. Worth nothing."""
        before = self.expected[member(who)]
        record = self.next_of(who, order_id=f"o\0{self._made}")
        self.expected[member(who)] = before
        return record

    @property
    def made(self) -> int:
        return self._made


class Points:
    """One database of points-svc, and readers and relays on it."""

    def __init__(self, url: str, bootstrap: str) -> None:
        self.url = url
        self.bootstrap = bootstrap
        self.books = Books(url)
        self.database = self.books.database

    async def open(self) -> None:
        await watch_cursors(self.database)
        await self.books.load(programme())

    async def close(self) -> None:
        await self.database.close()

    def kafka(self) -> Kafka:
        return Kafka(self.bootstrap, client_id=GROUP, session_seconds=SESSION_SECONDS)

    def reader(self, *, batch_records_max: int = 1_000, database: Database | None = None) -> Reader[PointsStore]:
        """As points-svc's main builds it, without the gate: nobody marks here."""
        return Reader(
            database or self.database, group=GROUP, listens_to=LISTENS_TO, open_store=self.books.store, kafka=self.kafka(),
            skip_number=PointsStore.skip_number, partitions=PARTITIONS, batch_records_max=batch_records_max,
        )  # fmt: skip

    def relay(self) -> Relay:
        return Relay(self.database, self.kafka())

    async def balances(self) -> dict[UUID, int]:
        found = await rows(self.database, "SELECT member_id, posted FROM account WHERE posted > 0")
        return {row[0]: row[1] for row in found}

    async def applied(self, count: int) -> bool:
        """Whether the lanes of `activities` have taken so many records in all."""
        query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_cursor WHERE topic = 'activities'"
        return bool(await one(self.database, query) == count)

    async def problems(self, sales: Sales, *, dead_letters: int = 0) -> list[str]:
        """Whatever is not as it must be: balances, the ledger's own proof, cursors, dead letters. Empty is the promise."""
        found = []
        balances = await self.balances()
        lost = sum(max(0, points - balances.get(who, 0)) for who, points in sales.expected.items())
        doubled = sum(max(0, points - sales.expected.get(who, 0)) for who, points in balances.items())
        if lost or doubled:
            found.append(f"{lost} points lost, {doubled} points too many")
        found += [f"invariant {name}: {count}" for name, count in (await self.books.broken()).items()]
        found += await broken_moves(self.database)
        dead = await one(self.database, "SELECT count(*) FROM dead_letter")
        if dead != dead_letters:
            found.append(f"{dead} dead letters, not {dead_letters}")
        return found
