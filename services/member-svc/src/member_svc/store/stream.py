"""The log: every accepted activity and decision, for ever, and what is said of it on `activities`. The one thing not to break: a number is
given under the member's lock, kept and said in the same transaction, and never given twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from member_svc.domain.stream import Entry, Record

TOPIC = "activities"

# Entries are copied in, in the order in which they were numbered; positions follow that order.
ENTRY_COLUMNS = ("member_id", "member_seq", "partition", "type", "source", "id", "time", "local_day", "version", "body")

# A page of one member's stream.
ENTRIES_READ = text("""
SELECT member_seq, body FROM activity WHERE member_id = :member_id AND member_seq > :after ORDER BY member_seq LIMIT :limit
""")

# One entry of a member by the id it was said under.
ENTRY_FIND = text("SELECT member_seq, body FROM activity WHERE member_id = :member_id AND id = :id")

# One member's stream once more, straight into the outbox.
SAY_MEMBER_AGAIN = text("""
INSERT INTO outbox (topic, partition, key, type, event_id, number, body)
SELECT :topic, partition, uuid_send(member_id), type, id, member_seq, body
FROM activity WHERE member_id = :member_id ORDER BY member_seq
""")

# A piece of the whole log once more, straight into the outbox.
SAY_LOG_AGAIN = text("""
INSERT INTO outbox (topic, partition, key, type, event_id, number, body)
SELECT :topic, partition, uuid_send(member_id), type, id, member_seq, body
FROM activity WHERE position > :after AND position < :before ORDER BY position LIMIT :limit
""")

# Where a piece of the log ends.
LOG_PIECE_END = text("""
SELECT max(position) FROM (
  SELECT position FROM activity WHERE position > :after AND position < :before ORDER BY position LIMIT :limit) AS piece
""")

# Records about whole partitions, between two pieces of the log.
SAY_RECORDS = text("""
INSERT INTO outbox (topic, partition, key, type, event_id, number, body)
SELECT :topic, partition, NULL, type, id, NULL, body
FROM unnest(CAST(:partitions AS integer[]), CAST(:types AS text[]), CAST(:ids AS text[]), CAST(:bodies AS bytea[]))
  WITH ORDINALITY AS r(partition, type, id, body, place)
ORDER BY place
""")

# What the broker has acknowledged of our topic: from here on the topic may know more than this database.
SAID_READ = text("SELECT partition, next_offset FROM said WHERE topic = :topic")


class Page(NamedTuple):
    """One entry as it was said."""

    member_seq: int
    body: bytes


class Stream:
    """The log inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def keep(self, entries: Sequence[Entry]) -> None:
        """Keep entries, without saying them."""
        if entries:
            await self._tx.copy("activity", ENTRY_COLUMNS, entries)

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries and say them, in this order."""
        await self.keep(entries)
        say = self._tx.say
        for entry in entries:
            say(
                topic=TOPIC, partition=entry.partition, key=entry.member_id.bytes, type=entry.type, id=entry.id,
                number=entry.member_seq, body=entry.body,
            )  # fmt: skip

    def say_records(self, records: Sequence[Record]) -> None:
        """Lay records into their partitions."""
        for record in records:
            self._tx.say(
                topic=TOPIC, partition=record.partition, key=None, type=record.type, id=record.id, number=None,
                body=record.body,
            )  # fmt: skip

    async def page(self, member_id: UUID, after: int, limit: int) -> list[Page]:
        """Entries of one member numbered above `after`."""
        rows = await self._tx.run(ENTRIES_READ, member_id=member_id, after=after, limit=limit)
        return [Page(*row) for row in rows.all()]

    async def find(self, member_id: UUID, id: str) -> Page | None:
        """A member's entry that was said under an id of ours."""
        row = (await self._tx.run(ENTRY_FIND, member_id=member_id, id=id)).first()
        return None if row is None else Page(*row)

    async def numbered(self, member_id: UUID, number: int) -> Page | None:
        """A member's entry of this number."""
        return next(iter(await self.page(member_id, number - 1, 1)), None)

    async def say_member_again(self, member_id: UUID) -> int:
        """Say a locked member's stream again; returns how many entries."""
        return (await self._tx.run(SAY_MEMBER_AGAIN, topic=TOPIC, member_id=member_id)).rowcount

    async def say_log_again(self, after: int, before: int, limit: int) -> tuple[int, int | None]:
        """Say a piece of the log again, positions in (after, before): (entries said, the last position or None)."""
        end = (await self._tx.run(LOG_PIECE_END, after=after, before=before, limit=limit)).scalar_one()
        if end is None:
            return 0, None
        said = await self._tx.run(SAY_LOG_AGAIN, topic=TOPIC, after=after, before=before, limit=limit)
        return said.rowcount, int(end)

    async def say_records_again(self, records: Sequence[Record]) -> None:
        """Say records again, behind the pieces of the log that have been said again by now."""
        partitions, types, ids, bodies = map(list, zip(*records, strict=True))
        await self._tx.run(SAY_RECORDS, topic=TOPIC, partitions=partitions, types=types, ids=ids, bodies=bodies)

    async def acknowledged(self) -> dict[int, int]:
        """By partition, the offset up to which the broker has acknowledged what we said."""
        rows = await self._tx.run(SAID_READ, topic=TOPIC)
        return {row[0]: row[1] for row in rows.all()}
