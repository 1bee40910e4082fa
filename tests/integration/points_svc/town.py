"""Several members' streams told one by one, each activity in a transaction of its own, and what crosses between them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from laurel_contracts.activities import OrderLine, ProductShared, PurchaseRecorded
from laurel_contracts.decisions import MemberRegistered
from points_svc.handlers.show_account import show_balance
from tests.integration.points_svc.books import MEMBER, Books, ended, told
from tests.integration.points_svc.handing import Post
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
