"""campaign-svc without Kafka: a log of records per topic, the kit's Applier, and a gate simulated as the kit's is: activities are not
taken beyond the mark that has been applied."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from campaign_svc.consumer import LISTENS_TO
from campaign_svc.handlers.load_programme import load_programme
from campaign_svc.store import CampaignStore
from campaign_svc.store.dump import canonical_dump
from campaign_svc.store.programmes import ProgrammeStore
from campaign_svc.store.shelf import ProgrammeShelf
from laurel_contracts import programme as document
from laurel_contracts.decisions import DayClosed, ProgrammeActivated
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, encode
from laurel_contracts.programme import Programme
from laurel_contracts.registry import TYPE_OF
from laurel_contracts.tiers import ActivitiesAssessed, StandingChanged
from laurel_kit.hearing import RawRecord
from laurel_kit.postgres import Database
from laurel_kit.reading import Applier
from tests.unit.campaign_svc.programmes import reference

START = datetime(2018, 1, 1, 12, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass
class Log:
    """What has been said: `activities` and `tiers`, each a list of records per partition, in order. A standing fact is laid before the
    mark that covers its activity, as tier-svc does."""

    partitions: int = 1
    activities: dict[int, list[RawRecord]] = field(default_factory=dict)
    tiers: dict[int, list[RawRecord]] = field(default_factory=dict)
    numbers: dict[UUID, int] = field(default_factory=dict)
    ordinals: dict[UUID, int] = field(default_factory=dict)

    def partition_of(self, member: UUID) -> int:
        return member.int % self.partitions

    def tell(self, member: UUID, data: Any, *, at: datetime | None = None, version: int = 1) -> int:
        """An activity or decision; returns its number."""
        number = self.numbers[member] = self.numbers.get(member, 0) + 1
        partition = self.partition_of(member)
        moment = at or START + timedelta(hours=len(self.activities.get(partition, ())))
        event = Event(
            id=f"{member.int}-{number}", source="test", type=TYPE_OF[type(data)], time=moment, subject=member,
            memberseq=number, programmeversion=version, localday=moment.astimezone(SHANGHAI).date(), data=data,
        )  # fmt: skip
        self._lay(self.activities, "activities", partition, member, number, event)
        return number

    def tell_all(self, data: DayClosed | ProgrammeActivated) -> None:
        """A record about every partition."""
        for partition in range(self.partitions):
            event = Event(id=f"all-{partition}", source="door", type=TYPE_OF[type(data)], time=START, data=data)
            self._lay(self.activities, "activities", partition, None, None, event)

    def stand(
        self, member: UUID, tier: str, *, after: int | None = None, kind: str = "raised", before: str = "regular",
        version: int | None = 1,
    ) -> None:  # fmt: skip
        """A standing fact that holds after the member's last activity (or after another number)."""
        ordinal = self.ordinals[member] = self.ordinals.get(member, 0) + 1
        fact = StandingChanged(
            ordinal=ordinal, holds_after=self.numbers.get(member, 0) if after is None else after, kind=kind,  # type: ignore[arg-type]
            computed_from=before, computed_to=tier, effective_from=before, effective_to=tier, cause="test",
        )  # fmt: skip
        event = Event(
            id=f"s{member.int}-{ordinal}", source="tier-svc", type=TYPE_OF[StandingChanged], time=START, subject=member,
            memberseq=ordinal, programmeversion=version, data=fact,
        )  # fmt: skip
        self._lay(self.tiers, "tiers", self.partition_of(member), member, ordinal, event)

    def mark(self) -> None:
        """tier-svc has assessed everything so far."""
        for partition in range(self.partitions):
            offset = len(self.activities.get(partition, ()))
            data = ActivitiesAssessed(topic="activities", topic_id="t", partition=partition, next_offset=offset)
            event = Event(
                id=f"m{partition}-{offset}", source="tier-svc", type=TYPE_OF[ActivitiesAssessed], time=START, data=data
            )
            self._lay(self.tiers, "tiers", partition, None, None, event)

    def _lay(
        self, topics: dict[int, list[RawRecord]], topic: str, partition: int, member: UUID | None, number: int | None,
        event: Event[Any],
    ) -> None:  # fmt: skip
        records = topics.setdefault(partition, [])
        headers = [(HEADER_TYPE, event.type.encode()), (HEADER_ID, event.id.encode())]
        if number is not None:
            headers.append((HEADER_NUMBER, str(number).encode()))
        records.append(
            RawRecord(topic, partition, len(records), None if member is None else member.bytes, encode(event), headers)
        )


class World:
    """One database with campaign-svc on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, application_name="campaign-svc", pool_size=8)
        self.shelf = ProgrammeShelf()
        self.applier = Applier(
            self.database,
            group="campaign-svc",
            listens_to=LISTENS_TO,
            open_store=lambda tx: CampaignStore(tx, self.shelf),
        )
        self.marks: dict[int, int] = {}
        self.database.on_marks.append(self._marked)
        self.at: dict[tuple[str, int], int] = {}

    def _marked(self, marks: Iterable[tuple[str, int, int]]) -> None:
        for _, partition, next_offset in marks:
            self.marks[partition] = max(next_offset, self.marks.get(partition, 0))

    async def load(self, programme: Programme | None = None) -> None:
        programme = programme or reference()
        async with self.database.transaction() as tx:
            await load_programme(programme, ProgrammeStore(tx), START)

    async def apply(self, *batches: Sequence[RawRecord]) -> None:
        """One transaction over all these pieces of lanes."""
        await self.applier.apply([record for batch in batches for record in batch])

    async def drink(self, log: Log, sizes: Iterable[int], *, tiers_first: bool = True, seed: int | None = None) -> None:
        """Everything in the log, in transactions of these sizes (the last one again and again). Each takes what it can of every lane:
        with `tiers_first` standing facts run far ahead, otherwise they come only as far as the gate demands."""
        chance = random.Random(seed)
        sizes = list(sizes)
        while True:
            size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
            batches = self._cut(log, size, tiers_first=tiers_first, chance=chance if seed is not None else None)
            if not batches:
                return
            await self.apply(*batches)
            for batch in batches:
                self.at[batch[0].topic, batch[0].partition] = batch[-1].offset + 1

    def _cut(
        self, log: Log, size: int, *, tiers_first: bool, chance: random.Random | None
    ) -> list[Sequence[RawRecord]]:
        room = size
        batches: list[Sequence[RawRecord]] = []
        lanes = [("tiers", p) for p in sorted(log.tiers)] + [("activities", p) for p in sorted(log.activities)]
        if not tiers_first:
            lanes.sort(key=lambda lane: lane[0])
        if chance is not None:
            chance.shuffle(lanes)
        for topic, partition in lanes:
            start = self.at.get((topic, partition), 0)
            records = log.tiers[partition] if topic == "tiers" else log.activities[partition]
            end = min(len(records), self.marks.get(partition, 0)) if topic == "activities" else len(records)
            piece = records[start : min(end, start + room)]
            if piece and (tiers_first or topic == "activities" or not batches):
                batches.append(piece)
                room -= len(piece)
            if room <= 0:
                break
        return batches

    async def forget_position(self) -> None:
        """As after a restore of the cursors alone: everything comes again."""
        async with self.database.transaction() as tx:
            await tx.run(text("UPDATE consumer_cursor SET next_offset = 0"))
        self.at.clear()

    async def forget_outbox(self) -> None:
        """As after the relay has said everything."""
        async with self.database.transaction() as tx:
            await tx.run(text("DELETE FROM outbox"))

    async def dump(self) -> dict[str, list[dict[str, Any]]]:
        async with self.database.reading() as tx:
            return await canonical_dump(tx)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.reading() as tx:
            return list((await tx.run(text(statement), **values)).all())

    async def said(self) -> list[Any]:
        """The outbox, in order."""
        return await self.rows("SELECT topic, partition, key, type, event_id, number, body FROM outbox ORDER BY id")

    async def activate(self, log: Log, programme: Programme | None = None) -> None:
        programme = programme or reference()
        log.tell_all(ProgrammeActivated(version=programme.version, sha256=document.sha256(programme)))


NewWorld = Callable[..., Awaitable[World]]  # (programme: the reference one unless given)
