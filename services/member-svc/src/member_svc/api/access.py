"""How a route gets at the store: a transaction that changes something, again when two of them met, or one that reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from laurel_kit.failures import PoolBusy, Verdict, verdict_of
from laurel_kit.http import Problem
from laurel_kit.postgres import Database, Transaction
from member_svc.api.errors import problem_of
from member_svc.domain.refusals import Refused
from member_svc.domain.rulebook import NoProgramme
from member_svc.store import MemberStore

T = TypeVar("T")

RETRY_AFTER_SECONDS = "1"


class Access:
    """Transactions for routes; what a handler refuses becomes a problem."""

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
        except Exception as error:
            if is_away(error):
                raise unavailable() from error
            raise

    def refusing(self, work: Callable[[], T]) -> T:
        """Run what needs no transaction and may refuse. Raises Problem."""
        try:
            return work()
        except Refused as refused:
            raise problem_of(refused) from None

    async def read(self, work: Callable[[MemberStore], Awaitable[T]]) -> T:
        """Run `work` in a transaction that only reads."""
        try:
            async with self.database.reading() as tx:
                return await work(self.open_store(tx))
        except Exception as error:
            if is_away(error):
                raise unavailable() from error
            raise


def is_away(error: Exception) -> bool:
    """Whether the database could not be asked or others stood in the way; the kit answers for a busy pool itself."""
    return not isinstance(error, PoolBusy) and verdict_of(error) in (Verdict.CONTENTION, Verdict.INFRASTRUCTURE)


def unavailable() -> Problem:
    """What a caller hears then: the same again will do."""
    problem = Problem(503, "unavailable", "The database did not answer", "Nothing is lost; try again.")
    problem.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return problem
