"""tier-svc without Kafka: a log of records per partition of `activities`, and the kit's Applier on a database."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_contracts import programme as document
from laurel_contracts.activities import OrderLine, PurchaseRecorded, PurchaseRefunded, RefundLine
from laurel_contracts.decisions import DayClosed, ProgrammeActivated
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, encode
from laurel_contracts.programme import Programme
from laurel_contracts.registry import TYPE_OF
from laurel_kit.hearing import RawRecord
from laurel_kit.postgres import Database
from laurel_kit.reading import Applier
from tests.unit.tier_svc.domain.ladders import short_document
from tier_svc.consumer import LISTENS_TO
from tier_svc.domain.periods import Calendar
from tier_svc.handlers.load_programme import load_programme
from tier_svc.main import skip_number
from tier_svc.store import ProgrammeShelf, TierStore
from tier_svc.store.dump import canonical_dump

LOADED_AT = datetime(2018, 1, 1, tzinfo=UTC)


def programme_of(words: dict[str, Any]) -> Programme:
    return document.parse(msgspec.json.encode(words))


def purchase(order_id: str, *amounts: int, categories: Sequence[str] = ()) -> PurchaseRecorded:
    lines = tuple(
        OrderLine(
            line_id=str(n),
            sku=f"sku-{n}",
            category=(categories[n] if categories else "grocery"),
            quantity=1,
            amount_minor=amount,
        )
        for n, amount in enumerate(amounts)
    )
    return PurchaseRecorded(order_id=order_id, channel="store", currency="CNY", lines=lines, amount_minor=sum(amounts))


def refund(order_id: str, refund_id: str, amount: int, *, line: str | None = "0") -> PurchaseRefunded:
    lines = () if line is None else (RefundLine(line_id=line, quantity=0, amount_minor=amount),)
    return PurchaseRefunded(refund_id=refund_id, order_id=order_id, lines=lines, amount_minor=amount)


@dataclass
class Log:
    """What the door has said, per partition, in order."""

    zone: str = "Asia/Shanghai"
    partitions: int = 1
    records: dict[int, list[RawRecord]] = field(default_factory=dict)
    numbers: dict[UUID, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calendar = Calendar(self.zone)

    def tell(self, member: UUID, data: Any, at: datetime, *, version: int = 1) -> int:
        """Something numbered; gives back its number."""
        number = self.numbers[member] = self.numbers.get(member, 0) + 1
        event = Event(
            id=f"{member.int}-{number}", source="test", type=TYPE_OF[type(data)], time=at, subject=member, memberseq=number,
            programmeversion=version, localday=self.calendar.day_of(at), data=data,
        )  # fmt: skip
        self._lay(member.int % self.partitions, member, number, event)
        return number

    def tell_all(self, data: DayClosed | ProgrammeActivated, at: datetime = LOADED_AT) -> None:
        """A record about every partition."""
        for partition in range(self.partitions):
            event = Event(id=f"all-{partition}", source="door", type=TYPE_OF[type(data)], time=at, data=data)
            self._lay(partition, None, None, event)

    def activate(self, words: dict[str, Any], effective_from: datetime | None = None) -> None:
        programme = programme_of(words)
        activated = ProgrammeActivated(
            version=programme.version, sha256=document.sha256(programme), effective_from=effective_from
        )
        self.tell_all(activated)

    def close_day(self, as_of: datetime) -> None:
        self.tell_all(DayClosed(as_of=as_of), as_of)

    def cut(self, size: int, start: int = 0) -> Iterable[list[RawRecord]]:
        """Transactions that take `size` records of each partition."""
        longest = max(len(records) for records in self.records.values())
        for place in range(start, longest, size):
            yield [record for records in self.records.values() for record in records[place : place + size]]

    def cut_at_random(self, seed: int, most: int = 60) -> Iterable[list[RawRecord]]:
        """Transactions that take 0 to `most` records of each partition, another number of each every time."""
        chance = random.Random(seed)
        places = dict.fromkeys(self.records, 0)
        while any(place < len(self.records[partition]) for partition, place in places.items()):
            batch: list[RawRecord] = []
            for partition, place in places.items():
                places[partition] = place + chance.choice((0, 1, chance.randint(0, most)))
                batch += self.records[partition][place : places[partition]]
            if batch:
                yield batch

    def _lay(self, partition: int, member: UUID | None, number: int | None, event: Event[Any]) -> None:
        records = self.records.setdefault(partition, [])
        headers = [(HEADER_TYPE, event.type.encode()), (HEADER_ID, event.id.encode())]
        if number is not None:
            headers.append((HEADER_NUMBER, str(number).encode()))
        key = None if member is None else member.bytes
        records.append(RawRecord("activities", partition, len(records), key, encode(event), headers))


class World:
    """One database with tier-svc on it."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, application_name="tier-svc", pool_size=4)
        self.shelf = ProgrammeShelf()
        self.applier = Applier(
            self.database,
            group="tier-svc",
            listens_to=LISTENS_TO,
            open_store=self.open_store,
            skip_number=skip_number,
        )

    def open_store(self, tx: Any) -> TierStore:
        return TierStore(tx, self.shelf, topic_id="test")

    async def load(self, *documents: dict[str, Any]) -> None:
        for words in documents or (short_document(),):
            async with self.database.transaction() as tx:
                await load_programme(programme_of(words), self.open_store(tx), LOADED_AT)

    async def drink(self, log: Log, size: int = 1_000) -> None:
        await self.drink_in(log.cut(size))

    async def drink_in(self, transactions: Iterable[list[RawRecord]]) -> None:
        for batch in transactions:
            await self.applier.apply(batch)

    async def dump(self) -> dict[str, list[dict[str, Any]]]:
        async with self.database.reading() as tx:
            return await canonical_dump(tx)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.reading() as tx:
            return list((await tx.run(text(statement), **values)).all())

    async def said(self, type: str = "laurel.standing.changed.v1") -> list[Any]:
        """The outbox, in order."""
        return await self.rows(
            "SELECT partition, key, event_id, number, body FROM outbox WHERE type = :type ORDER BY id", type=type
        )


NewWorld = Callable[..., Awaitable[World]]
