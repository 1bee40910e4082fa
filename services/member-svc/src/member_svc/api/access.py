"""How a route gets at the store: a transaction that changes something, again when two of them met, or one that reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from laurel_kit.http import Problem
from laurel_kit.postgres import Database, Transaction
from member_svc.api.errors import problem_of
from member_svc.domain.refusals import Refused
from member_svc.domain.rulebook import NoProgramme
from member_svc.store import MemberStore

T = TypeVar("T")


class Access:
    """Transactions for routes; what a handler refuses becomes a problem. A database that is away is the kit's to answer for."""

    def __init__(self, database: Database, open_store: Callable[[Transaction], MemberStore]) -> None:
        self.database = database
        self.open_store = open_store

    async def change(self, work: Callable[[MemberStore], Awaitable[T]]) -> T:
        """Run `work` in a transaction. Raises Problem."""
        try:
            return await self.database.in_transaction(lambda tx: work(self.open_store(tx)))
        except NoProgramme:
            raise Problem(
                503, "no_programme", "No programme is in force", "Publish one and activate it: laurel programme apply."
            ) from None
        except Refused as refused:
            raise problem_of(refused) from None

    def refusing(self, work: Callable[[], T]) -> T:
        """Run what needs no transaction and may refuse. Raises Problem."""
        try:
            return work()
        except Refused as refused:
            raise problem_of(refused) from None

    async def read(self, work: Callable[[MemberStore], Awaitable[T]]) -> T:
        """Run `work` in a transaction that only reads."""
        async with self.database.reading() as tx:
            return await work(self.open_store(tx))
