"""points-svc without Kafka: scripts become records of three topics, the kit's Applier applies them on a real PostgreSQL, and what comes out
is read as everybody reads it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_contracts import programme as documents
from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_contracts.decisions import DayClosed, ProgrammeActivated
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, encode
from laurel_contracts.points import PointsPosted
from laurel_contracts.programme import Programme
from laurel_contracts.registry import TYPE_OF, decoder
from laurel_contracts.tiers import StandingChanged
from laurel_kit.failures import PoolBusy
from laurel_kit.hearing import RawRecord
from laurel_kit.postgres import Database, Transaction
from laurel_kit.reading import Applier
from points_svc.consumer import LISTENS_TO
from points_svc.domain.calendar import local_day
from points_svc.handlers.load_programme import load_programme
from points_svc.handlers.once import Answer, Keyed
from points_svc.handlers.show_account import show_balance
from points_svc.handlers.spend_points import Wanted, spend_points
from points_svc.store import PointsStore, Shelf
from points_svc.store.dump import canonical_dump
from tests.unit.points_svc.script import Activity, DayEnd, Fact, Outcome, Script, Spend

MEMBER = UUID(int=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
OUTBOX = text("SELECT key, number, body FROM outbox WHERE topic = 'points' ORDER BY id")


def record(topic: str, event: Event[Any], partition: int = 0) -> RawRecord:
    """An event as its service lays it on the topic; the offset is given when it is applied."""
    headers = [(HEADER_TYPE, event.type.encode()), (HEADER_ID, event.id.encode())]
    if event.memberseq is not None:
        headers.append((HEADER_NUMBER, str(event.memberseq).encode()))
    key = None if event.subject is None else event.subject.bytes
    return RawRecord(topic, partition, 0, key, encode(event), headers)


def told(step: Activity, member: UUID, zone: Any, version: int = 1, partition: int = 0) -> RawRecord:
    """An activity as the door lays it."""
    event = Event(
        id=f"{member}-{step.number}", source="test", type=TYPE_OF[type(step.data)], time=step.at, subject=member,
        memberseq=step.number, programmeversion=version, localday=local_day(step.at, zone), data=step.data,
    )  # fmt: skip
    return record("activities", event, partition)


def stood(step: Fact, member: UUID, partition: int = 0, at: datetime = START) -> RawRecord:
    """A standing fact as tier-svc lays it."""
    fact = StandingChanged(
        ordinal=step.ordinal, holds_after=step.after, kind="raised", computed_from="regular", computed_to=step.tier,
        effective_from="regular", effective_to=step.tier, cause="test",
    )  # fmt: skip
    event = Event(
        id=f"standing-{member}-{step.ordinal}", source="tier-svc", type=TYPE_OF[StandingChanged], time=at,
        subject=member, memberseq=step.ordinal, data=fact,
    )  # fmt: skip
    return record("tiers", event, partition)


def ended(as_of: datetime, version: int = 1, partition: int = 0) -> RawRecord:
    """A closed day as the door lays it."""
    event = Event(
        id=f"day-{as_of.isoformat()}-{partition}", source="member-svc", type=TYPE_OF[DayClosed], time=as_of,
        programmeversion=version, data=DayClosed(as_of=as_of),
    )  # fmt: skip
    return record("activities", event, partition)


def activated(version: int = 1, since: datetime | None = None, partition: int = 0) -> RawRecord:
    """A programme version comes into force."""
    data = ProgrammeActivated(version=version, sha256="0" * 64, effective_from=since)
    event = Event(
        id=f"v{version}-{partition}", source="member-svc", type=TYPE_OF[ProgrammeActivated], time=START, data=data
    )
    return record("activities", event, partition)


def awarded(number: int, data: AwardGranted | AwardTakenBack, member: UUID = MEMBER, partition: int = 0) -> RawRecord:
    """What campaign-svc lays about an award."""
    event = Event(
        id=f"award-{member}-{number}", source="campaign-svc", type=TYPE_OF[type(data)], time=data.at, subject=member,
        memberseq=number, data=data,
    )  # fmt: skip
    return record("campaigns", event, partition)


def keyed(key: str, wanted: Any) -> Keyed:
    """A request under a key, as the api makes it of what was asked for."""
    return Keyed.of("anybody", key, type(wanted).__module__, {}, asdict(wanted))


class Books:
    """The service on one database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, application_name="points-svc")
        self.shelf = Shelf()
        self.applier: Applier[PointsStore] = Applier(
            self.database,
            group="points-svc",
            listens_to=LISTENS_TO,
            open_store=self.store,
            skip_number=PointsStore.skip_number,
        )
        self.offsets: dict[tuple[str, int], int] = {}
        self.spendings: list[str] = []

    def store(self, tx: Transaction) -> PointsStore:
        return PointsStore(tx, self.shelf)

    async def load(self, programme: Programme, now: datetime = START) -> None:
        async with self.database.transaction() as tx:
            await load_programme(programme.version, documents.canonical(programme), now, self.store(tx))

    def peek(self, records: Iterable[RawRecord]) -> list[RawRecord]:
        """The records at the next offsets of their lanes."""
        offsets = dict(self.offsets)
        placed = self.place(records)
        self.offsets = offsets
        return placed

    def place(self, records: Iterable[RawRecord]) -> list[RawRecord]:
        """The records at the next offsets of their lanes, which move on."""
        placed = []
        for one in records:
            lane = (one.topic, one.partition)
            offset = self.offsets.get(lane, 0)
            self.offsets[lane] = offset + 1
            placed.append(replace(one, offset=offset))
        return placed

    async def apply(self, records: Iterable[RawRecord]) -> bool:
        """One batch; whether somebody waited for it."""
        return await self.applier.apply(self.place(records))

    async def apply_cut(self, records: Sequence[RawRecord], sizes: Iterator[int]) -> None:
        """The same log in batches of these sizes."""
        start = 0
        while start < len(records):
            size = next(sizes)
            await self.apply(records[start : start + size])
            start += size

    async def play(self, script: Script, member: UUID = MEMBER) -> Outcome:
        """A script, one transaction per step."""
        await self.load(script.programme)
        for step in script.steps:
            if isinstance(step, Activity):
                await self.apply([told(step, member, script.zone)])
            elif isinstance(step, Fact):
                await self.apply([stood(step, member)])
            elif isinstance(step, DayEnd):
                await self.apply([ended(step.as_of)])
            else:
                await self.spend_step(step, member)
        return await self.outcome(member)

    async def spend_step(self, step: Spend, member: UUID = MEMBER) -> None:
        key = f"spending-{len(self.spendings):08d}"
        answer = await self.spend(step.points, key, step.now, member=member, order_id=step.order_id)
        self.spendings.append("spent" if answer.status == 201 else msgspec.json.decode(answer.body)["type"])

    async def spend(
        self, points: int, key: str, now: datetime, *, member: UUID = MEMBER, order_id: str | None = None
    ) -> Answer:
        wanted = Wanted(member, points, None, order_id)
        asked = keyed(key, wanted)

        async def work(tx: Transaction) -> Answer:
            return await spend_points(asked, wanted, now, self.store(tx))

        while True:
            try:
                return await self.database.in_transaction(work)
            except PoolBusy:  # over HTTP a 503, after which the caller comes again
                continue

    async def outcome(self, member: UUID = MEMBER) -> Outcome:
        async with self.database.reading() as tx:
            balance = await show_balance(member, START, self.store(tx))
        assert balance is not None
        async with self.database.reading() as tx:
            orders = await self.store(tx).orders_after(member, 0, 1000)
        return Outcome(
            nets={order.order_id: order.net for order in orders},
            posted=balance["posted"],
            debt=balance["debt"],
            lots=tuple((lot["expires_at"], lot["remaining"]) for lot in balance["lots"]),
            spendings=tuple(self.spendings),
        )

    async def broken(self) -> dict[str, int]:
        """Invariants that do not hold; empty is the promise."""
        async with self.database.auditing() as tx:
            proof = await self.store(tx).trial_balance()
        assert proof["sum"] == 0
        return {name: count for name, count in proof["invariants"].items() if count}

    async def dump(self) -> dict[str, Any]:
        async with self.database.reading() as tx:
            return await canonical_dump(tx)

    async def said(self) -> list[tuple[UUID, int, PointsPosted]]:
        """What stands in the outbox about members: who, number, data."""
        async with self.database.reading() as tx:
            rows = (await tx.run(OUTBOX)).all()
        decode = decoder(TYPE_OF[PointsPosted]).decode
        return [(UUID(bytes=row.key), row.number, decode(row.body).data) for row in rows if row.key is not None]


def cuts(kind: int | str, seed: int = 7) -> Iterator[int]:
    """Batch sizes: always the same, or at random."""
    numbers = random.Random(seed)
    size: Callable[[], int] = (lambda: numbers.randint(1, 300)) if kind == "random" else (lambda: int(kind))
    while True:
        yield size()
