"""One history of a consumer group, drawn from a seed: producers that repeat themselves, poison, members that die, stand still and come
back, rebalances that are heard late, commits whose answer is lost. All of the kit is real but the broker; the database is PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from laurel_contracts.activities import MemberSignedIn
from laurel_kit.applying import Applier
from laurel_kit.dead_letters import DeadLetters, NotReplayable
from laurel_kit.hearing import Heard, RawRecord, fresh, hears
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader, _Flags
from laurel_kit.telemetry import KitMetrics
from tests.fault.loop.fake_broker import FakeBroker, FakeConsumer
from tests.integration.kit.toy import HEARD, Toy, ToyStore, record

PARTITIONS, SLOTS, MEMBERS, BATCH = 4, 3, 6, 8
PLACES = ("C0", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C13")
UNREADABLE = b"{"


class LostAnswer(OSError):
    """Raised at a crash point: before the commit the work is gone, behind it only the answer."""


class Contended(OSError):
    """Two transactions stood in each other's way, says the server."""

    sqlstate = "40001"


class Faults:
    """What is to go wrong next in this history."""

    def __init__(self) -> None:
        self.place = ""
        self.passes = 0
        self.error: type[OSError] = LostAnswer
        self.struck = 0

    def at(self, place: str) -> None:
        if place == self.place:
            self.passes -= 1
            if self.passes <= 0:
                self.place = ""
                self.struck += 1
                raise self.error(place)


faults: ContextVar[Faults | None] = ContextVar("faults", default=None)


def strike(place: str) -> None:
    """In place of `crash.at`: what goes wrong belongs to the history that runs."""
    if (ours := faults.get()) is not None:
        ours.at(place)


class MendedToy(Toy):
    """The version in which the bug is mended: what raised is now counted."""

    async def add_up(self, batch: Sequence[Heard], store: ToyStore) -> None:
        for heard in batch:
            if heard.event.data is not None and heard.event.data.channel == "boom":
                tallies = await store.lock({heard.key or b""})
                tally = tallies[heard.key or b""]
                if fresh(tally[0], heard.number or 0):
                    await store.save({heard.key or b"": [heard.number or 0, tally[1] + 1]})
            else:
                await super().add_up([heard], store)


async def skip_number(store: ToyStore, topic: str, key: bytes, number: int) -> None:
    """A number that is given up counts as heard; given up again, nothing happens."""
    tallies = await store.lock({key})
    if fresh(tallies[key][0], number):
        await store.save({key: [number, tallies[key][1]]})


@dataclass
class Slot:
    """One process of the group: its reader, its client, and a batch it may be standing still with."""

    reader: Reader[ToyStore]
    consumer: FakeConsumer
    held: asyncio.Task[None] | None = None
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


class History:
    """Steps drawn from the seed, and at the end what must be true of every one of them."""

    def __init__(self, seed: int, database: Database, metrics: KitMetrics) -> None:
        self.seed = seed
        self.group = f"seed-{seed}"
        self.dice = random.Random(seed)
        self.database = database
        self.metrics = metrics
        self.broker = FakeBroker(HEARD, PARTITIONS)
        self.faults = Faults()
        self.toy = Toy()
        self.assigned: dict[int, set[Any]] = defaultdict(set)
        self.slots = [self._new_slot() for _ in range(SLOTS)]
        self.numbers: dict[int, int] = defaultdict(int)
        self.kinds: dict[tuple[int, int], str] = {}
        self.steps: list[str] = []
        mended = MendedToy()
        mended.holds = False
        self.letters = DeadLetters(self._applier(mended))

    def member(self, who: int) -> UUID:
        return UUID(int=(self.seed + 1) << 16 | who)

    def _applier(self, toy: Toy) -> Applier[ToyStore]:
        return Applier(
            self.database, group=self.group, listens_to=(hears(HEARD, toy.add_up, MemberSignedIn),), open_store=ToyStore,
            skip_number=skip_number, metrics=self.metrics,
        )  # fmt: skip

    def _new_slot(self) -> Slot:
        reader = Reader(
            self.database, group=self.group, listens_to=(hears(HEARD, self.toy.add_up, MemberSignedIn),), open_store=ToyStore,
            kafka="127.0.0.1:1", batch_records_max=BATCH, metrics=self.metrics, skip_number=skip_number,
        )  # fmt: skip
        consumer = FakeConsumer(self.broker)
        reader.consumer = consumer
        slot = Slot(reader, consumer)
        apply = reader.applier.apply

        async def applied(records: Any, *, starts: Any = None) -> bool:
            if slot.held is asyncio.current_task():  # the whole process stands still, with the batch in its hand
                await slot.let_go.wait()
            return await apply(records, starts=starts)

        reader.applier.apply = applied  # type: ignore[method-assign]
        return slot

    # Steps

    async def run(self, steps: int) -> None:
        """So many steps, then the end. Raises AssertionError with what is not true."""
        faults.set(self.faults)
        choices: list[tuple[int, Callable[[Slot], Awaitable[None]]]] = [
            (10, self.produce), (30, self.turn), (4, self.open), (4, self.fetch), (6, self.apply), (4, self.stand_still),
            (4, self.go_on), (2, self.rebalance), (6, self.hear), (1, self.die), (2, self.copy), (1, self.tamper),
            (8, self.break_next), (1, self.toggle_hold), (4, self.operate),
        ]  # fmt: skip
        weights = [weight for weight, _ in choices]
        await self.rebalance(self.slots[0])
        for _ in range(steps):
            (step,) = self.dice.choices([step for _, step in choices], weights)
            index = self.dice.randrange(SLOTS)
            self.steps.append(f"{step.__name__} {index}")
            await step(self.slots[index])
        await self.end()

    async def produce(self, slot: Slot) -> None:
        """A few records; one in ten is said twice, one in fifty is poison."""
        for _ in range(self.dice.randint(1, 12)):
            who = self.dice.randrange(MEMBERS)
            if self.numbers[who] and self.dice.random() < 0.1:
                number = self.dice.randint(1, self.numbers[who])
            else:
                number = self.numbers[who] = self.numbers[who] + 1
                kind = self.dice.choices(["good", "boom", "unreadable", "hold"], [94, 2, 2, 2])[0]
                self.kinds[who, number] = kind
            self._lay(who, number, self.kinds[who, number])

    def _lay(self, who: int, number: int, kind: str) -> None:
        partition = who % PARTITIONS
        value = UNREADABLE if kind == "unreadable" else None
        channel = kind if kind in ("boom", "hold") else "good"
        offset = self.broker.end(partition)
        self.broker.lay(
            partition, record(self.member(who), number, offset, partition=partition, channel=channel, value=value)
        )

    async def turn(self, slot: Slot) -> None:
        """The loop goes round once."""
        await self.open(slot)
        await self.fetch(slot)
        await self.apply(slot)

    async def open(self, slot: Slot) -> None:
        if slot.held is None:
            await slot.reader._guarded(lambda: slot.reader._open_lanes(slot.consumer))

    async def fetch(self, slot: Slot) -> None:
        """Between two batches, or while one is applied."""
        slot.consumer.ignores_pauses = self.dice.random() < 0.3
        if slot.held is None:
            await slot.reader._fetch(slot.consumer)
        else:
            await slot.reader._take(slot.consumer, 0.0)

    async def apply(self, slot: Slot) -> None:
        if slot.held is None:
            for lane in slot.reader.lanes.values():
                lane.retry_at = 0.0
            await slot.reader._guarded(slot.reader._apply_next)

    async def stand_still(self, slot: Slot) -> None:
        """The process stops with a batch in its hand, before its transaction."""
        if slot.held is None and slot.reader._batch():
            slot.let_go.clear()
            slot.held = asyncio.create_task(slot.reader._guarded(slot.reader._apply_next))
            await asyncio.sleep(0)

    async def go_on(self, slot: Slot) -> None:
        if slot.held is not None:
            slot.let_go.set()
            await slot.held
            slot.held = None

    async def rebalance(self, slot: Slot) -> None:
        """The broker divides the partitions anew among some of the members; none of them has heard of it yet."""
        alive = self.dice.sample(range(SLOTS), self.dice.randint(1, SLOTS))
        self.assigned.clear()
        for tp in self.broker.lanes:
            self.assigned[self.dice.choice(alive)].add(tp)

    async def hear(self, slot: Slot) -> None:
        """The member hears of the last rebalance, as aiokafka tells it: the listener before, the listener after."""
        flags = _Flags(slot.reader)
        await flags.on_partitions_revoked(set(slot.consumer.assignment()))
        slot.consumer.hear(self.assigned[self.slots.index(slot)])
        await flags.on_partitions_assigned(set(slot.consumer.assignment()))

    async def die(self, slot: Slot) -> None:
        """The process ends without a word; another takes its place and has heard of nothing."""
        if slot.held is not None:
            slot.held.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await slot.held
        self.slots[self.slots.index(slot)] = self._new_slot()

    async def copy(self, slot: Slot) -> None:
        with contextlib.suppress(OSError):
            await slot.reader._copier.copy_once()

    async def tamper(self, slot: Slot) -> None:
        """Somebody sets or deletes what Kafka believes."""
        tp = self.dice.choice(self.broker.lanes)
        self.broker.committed[tp] = self.dice.randint(0, self.broker.end(tp.partition))
        if self.dice.random() < 0.3:
            del self.broker.committed[tp]

    async def break_next(self, slot: Slot) -> None:
        self.faults.place, self.faults.passes = self.dice.choice(PLACES), self.dice.randint(1, 2)
        rolled_back = self.faults.place in ("C3", "C4", "C5", "C6", "C7")
        self.faults.error = Contended if rolled_back and self.dice.random() < 0.3 else LostAnswer

    async def toggle_hold(self, slot: Slot) -> None:
        self.toy.holds = not self.toy.holds

    async def operate(self, slot: Slot) -> None:
        """A person looks at the oldest open dead letter: what cannot be read is given up, the rest is replayed by the mended version."""
        for letter in await self.letters.find(state="open", limit=1):
            deal = self.letters.discard if letter["reason"] == "undecodable" else self.letters.replay
            with contextlib.suppress(OSError, NotReplayable):
                await deal(letter["id"])

    # The end

    async def end(self) -> None:
        """Everything heals: one member gets all lanes and reads to the end, a person deals with every dead letter."""
        self.faults.place, self.toy.holds = "", False
        for slot in self.slots:
            await self.go_on(slot)
        slot = self.slots[0] = self._new_slot()
        self.assigned.clear()
        self.assigned[0] = set(self.broker.lanes)
        await self.hear(slot)
        records = sum(len(log) for log in self.broker.logs.values())
        for _ in range(3 * records + 50):
            await self.open(slot)
            await self.fetch(slot)
            await self.apply(slot)
            if len(slot.reader.lanes) == PARTITIONS and all(
                lane.next == self.broker.end(lane.partition) for lane in slot.reader.lanes.values()
            ):
                break
        for _ in range(records):
            if not await self.letters.find(state="open", limit=1):
                break
            await self.operate(slot)

    def expected(self) -> dict[UUID, tuple[int, int]]:
        """The model: each number once, whatever was said twice; what was never readable was given up."""
        return {
            self.member(who): (last, sum(self.kinds[who, n] != "unreadable" for n in range(1, last + 1)))
            for who, last in self.numbers.items()
            if last
        }


def lane_ends(history: History) -> dict[int, int]:
    return {tp.partition: len(log) for tp, log in history.broker.logs.items()}


def records_of(history: History) -> list[RawRecord]:
    return [one for log in history.broker.logs.values() for one in log]
