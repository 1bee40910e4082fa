"""Between members, without Kafka: what points-svc says on `handovers` is read out of its own outbox and told to it again, in an order of
the test's choosing. Each saying is told as often as wanted; the outbox itself is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx
from sqlalchemy import text

from laurel_contracts.envelope import HEADER_ID, HEADER_TYPE
from laurel_kit.hearing import RawRecord
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.till import Checkout

SAID = text("SELECT partition, key, type, event_id, number, body FROM outbox WHERE topic = 'handovers' ORDER BY id")


async def sayings(books: Books) -> list[RawRecord]:
    """Everything that was said between members, in its order."""
    async with books.database.reading() as tx:
        rows = (await tx.run(SAID)).all()
    assert all(row.number is None for row in rows)
    return [
        RawRecord(
            "handovers", row.partition, 0, bytes(row.key), bytes(row.body),
            [(HEADER_TYPE, row.type.encode()), (HEADER_ID, str(row.event_id).encode())],
        )
        for row in rows
    ]  # fmt: skip


class Post:
    """Carries what was said and has not been told yet."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.told = 0

    async def waiting(self) -> list[RawRecord]:
        """What is on its way."""
        return (await sayings(self.books))[self.told :]

    async def carry(self, sizes: Iterator[int] | None = None) -> int:
        """Until nothing is on its way any more; how much was carried. What is told may make more be said."""
        carried = 0
        while records := await self.waiting():
            self.told += len(records)
            carried += len(records)
            if sizes is None:
                await self.books.apply(records)
            else:
                await self.books.apply_cut(records, sizes)
        return carried


async def give(
    till: Checkout, points: object, receiver: UUID | str, sender: UUID = MEMBER, key: str | None = None, **more: object
) -> httpx.Response:
    """A transfer as a client asks for it."""
    return await till.post(
        f"/v1/members/{sender}/transfers", {"points": points, "to_member_id": str(receiver), **more}, key
    )
