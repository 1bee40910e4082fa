"""A toy service for the kit's tests: it adds up numbered records per key and says every new total. What a record does is written in its
`channel`: `good`, `boom` (the handler raises), `refused` (a database constraint), `hold` (waits until told not to)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from laurel_contracts.activities import MemberSignedIn
from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE, Event, derived_id, encode
from laurel_kit.applying import Applier
from laurel_kit.hearing import Heard, Hold, RawRecord, fresh, hears
from laurel_kit.postgres import Database, Transaction

GROUP = "toy-svc"
HEARD = "toy-activities"
SAID = "toy-totals"
SIGNED_IN = "laurel.member.signed-in.v1"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

TABLE = """
CREATE TABLE tally (key bytea PRIMARY KEY, last_number bigint NOT NULL DEFAULT 0,
                    times bigint NOT NULL DEFAULT 0 CHECK (times >= 0))
"""
MISSING = text("INSERT INTO tally (key) SELECT * FROM unnest(CAST(:keys AS bytea[])) ON CONFLICT DO NOTHING")
LOCK = text(
    """SELECT key, last_number, times FROM tally WHERE key = ANY(CAST(:keys AS bytea[])) ORDER BY key FOR NO KEY UPDATE"""
)
SAVE = text("""
UPDATE tally t SET last_number = n.last_number, times = n.times
FROM unnest(CAST(:keys AS bytea[]), CAST(:numbers AS bigint[]), CAST(:times AS bigint[])) AS n(key, last_number, times)
WHERE t.key = n.key
""")


class ToyStore:
    """The toy's books."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx

    async def lock(self, keys: set[bytes]) -> dict[bytes, list[int]]:
        ordered = sorted(keys)
        await self.tx.run(MISSING, keys=ordered)
        return {row.key: [row.last_number, row.times] for row in await self.tx.run(LOCK, keys=ordered)}

    async def save(self, tallies: dict[bytes, list[int]]) -> None:
        await self.tx.run(
            SAVE, keys=list(tallies), numbers=[n for n, _ in tallies.values()], times=[t for _, t in tallies.values()]
        )


class Toy:
    """What the handlers of one test share: how often they were called, and whether they hold."""

    def __init__(self) -> None:
        self.holds = True
        self.batches: list[int] = []
        self.calls: dict[str, int] = defaultdict(int)

    async def add_up(self, batch: Sequence[Heard], store: ToyStore) -> None:
        """Load many, decide one by one, save many, say many."""
        self.batches.append(len(batch))
        tallies = await store.lock({heard.key for heard in batch if heard.key is not None})
        for heard in batch:
            if heard.key is None or heard.number is None:
                continue
            tally = tallies[heard.key]
            if not fresh(tally[0], heard.number):
                continue
            channel = heard.event.data.channel if heard.event.data is not None else "good"
            self.calls[channel] += 1
            if channel == "boom":
                raise ValueError("this record cannot be handled")
            if channel == "hold" and self.holds:
                raise Hold("something is not loaded")
            tally[0], tally[1] = heard.number, -1 if channel == "refused" else tally[1] + 1
            store.tx.say(
                topic=SAID, partition=heard.partition, key=heard.key, type=SIGNED_IN,
                id=derived_id("total", heard.key.hex(), heard.number), number=tally[0],
                body=encode(said(UUID(bytes=heard.key), heard.number, str(tally[1]))),
            )  # fmt: skip
        await store.save(tallies)


async def skip_number(store: ToyStore, topic: str, key: bytes, number: int) -> None:
    """The toy's books take the number of a discarded record as seen."""
    assert topic == HEARD
    tallies = await store.lock({key})
    assert fresh(tallies[key][0], number)
    tallies[key][0] = number
    await store.save(tallies)


def said(member_id: UUID, number: int, channel: str) -> Event[MemberSignedIn]:
    return Event(
        id=f"{member_id}/{number}", source="toy", type=SIGNED_IN, time=AT, subject=member_id, memberseq=number,
        data=MemberSignedIn(channel=channel),
    )  # fmt: skip


def headers(type_name: str, event_id: str, number: int | None) -> list[tuple[str, bytes]]:
    some = [(HEADER_TYPE, type_name.encode()), (HEADER_ID, event_id.encode())]
    return some if number is None else [*some, (HEADER_NUMBER, str(number).encode())]


def record(
    member_id: UUID, number: int, offset: int, *, partition: int = 0, channel: str = "good", value: bytes | None = None
) -> RawRecord:
    """One record about `member_id`, at `offset`; `value` in place of a good body."""
    event = said(member_id, number, channel)
    return RawRecord(
        HEARD,
        partition,
        offset,
        member_id.bytes,
        encode(event) if value is None else value,
        headers(SIGNED_IN, event.id, number),
    )


def applier(database: Database, toy: Toy) -> Applier[ToyStore]:
    return Applier(
        database,
        group=GROUP,
        listens_to=(hears(HEARD, toy.add_up, MemberSignedIn),),
        open_store=ToyStore,
        skip_number=skip_number,
    )
