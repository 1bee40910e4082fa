"""Several members' streams told one by one, each activity in a transaction of its own, and what crosses between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from laurel_contracts.activities import OrderLine, ProductShared, PurchaseRecorded
from laurel_contracts.decisions import MemberRegistered
from laurel_contracts.envelope import HEADER_TYPE
from laurel_contracts.registry import decoder
from laurel_kit.hearing import RawRecord
from points_svc.handlers.show_account import show_balance
from tests.integration.points_svc.books import MEMBER, Books, ended, told
from tests.integration.points_svc.handing import Post
from tests.support.model_between import Neighbours
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

BUYER = UUID(int=2)
OTHER = UUID(int=3)
NOON = local(SHANGHAI, 2025, 3, 10, 12)
DAY = timedelta(days=1)


class Town:
    """See the module. Figures are those when everything on its way has come; the books are proven each time."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.post = Post(books)
        self.scripts: dict[UUID, Script] = {}

    async def tell(self, member: UUID, data: Any, at: datetime) -> None:
        self.scripts.setdefault(member, Script()).tell(data, at)
        await self._last(member)

    async def register(self, member: UUID, at: datetime = NOON, by: UUID | None = None) -> None:
        await self.tell(member, MemberRegistered(referrer_id=by), at)

    async def share(self, share_id: str, at: datetime = NOON, member: UUID = MEMBER) -> None:
        await self.tell(member, shared(share_id), at)

    async def buy(
        self, order: str, share_id: str | None, at: datetime = NOON + DAY, member: UUID = BUYER, amount: int = 100
    ) -> None:
        await self.tell(member, bought(order, share_id, amount), at)

    async def refund(self, order: str, amount: int, at: datetime, member: UUID = BUYER) -> None:
        self.scripts[member].refund(order, amount=amount, at=at)
        await self._last(member)

    async def close(self, as_of: datetime) -> None:
        await self.books.apply([ended(as_of)])

    async def _last(self, member: UUID) -> None:
        step = self.scripts[member].steps[-1]
        assert isinstance(step, Activity)
        await self.books.apply([told(step, member, SHANGHAI)])

    async def points(self, member: UUID = MEMBER) -> int:
        await self.post.carry()
        assert await self.books.broken() == {}
        async with self.books.database.reading() as tx:
            balance = await show_balance(member, NOON, self.books.store(tx))
        return int(balance["posted"]) if balance is not None else 0


async def town(books: Books) -> Town:
    """With the reference programme."""
    await books.load(programme())
    return Town(books)


def shared(share_id: str) -> ProductShared:
    return ProductShared(share_id=share_id, sku="4711", network="chat")


def bought(order: str, share_id: str | None, amount: int = 100) -> PurchaseRecorded:
    line = OrderLine(line_id="food", sku="food", category="food", quantity=1, amount_minor=amount)
    return PurchaseRecorded(
        order_id=order, channel="online", currency="CNY", lines=(line,), amount_minor=amount, share_id=share_id
    )


def neighbours(log: Sequence[RawRecord]) -> Neighbours:
    """The independent model, told of a log of `activities`."""
    model = Neighbours(SHANGHAI)
    for record in log:
        kind = dict(record.headers)[HEADER_TYPE] or b""
        event = decoder(kind.decode()).decode(record.value or b"")
        data, place, time = event.data, record.partition, event.time
        if event.subject is None:
            model.day_closed(place, data.as_of)
        elif isinstance(data, MemberRegistered):
            model.registered(event.subject, place, time, data.referrer_id)
        elif isinstance(data, ProductShared):
            model.shared(event.subject, place, time, data.share_id)
        elif isinstance(data, PurchaseRecorded):
            model.buys(event.subject, place, time, data.order_id, data.amount_minor, data.share_id)
        else:
            model.refunds(event.subject, place, time, data.order_id, data.amount_minor)
    return model


def bonuses_of(dump: dict[str, list[dict[str, Any]]], kind: str) -> dict[str, dict[str, Any]]:
    """The bonuses of a kind in the books, by id."""
    return {row["bonus_id"]: row for row in dump["bonus"] if row["kind"] == kind}


def capped(months: Iterable[tuple[Any, str]], cap: int) -> dict[tuple[str, str], int]:
    """Of bonuses due, by member and month: how many are given."""
    return {(str(member), month): min(cap, count) for (member, month), count in Counter(months).items()}
