"""A member heard of for the first time is written once, whole.

INVARIANT: an account is opened by one transaction; who decided on the ground that there is none begins again.
What would break it: a second opening that goes through, one that changes the first's row, or one that sets good records aside.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text

from laurel_kit.failures import Stale, Verdict, verdict_of
from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account
from points_svc.domain.spending import register
from points_svc.store import PointsStore
from tests.integration.points_svc.books import MEMBER, Books

PARTITION = 0


async def opened(books: Books, tx: Transaction) -> tuple[PointsStore, Account]:
    """A store, and the account as this transaction finds it."""
    store = books.store(tx)
    accounts = await store.lock({MEMBER: PARTITION}, await store.days({PARTITION}))
    return store, accounts[MEMBER]


async def test_of_two_that_open_one_account_the_second_begins_again(books: Books) -> None:
    async def open_after_another(second: Transaction) -> None:
        store, account = await opened(books, second)
        async with books.database.transaction() as first:
            earlier, same = await opened(books, first)
            same.activity = 1
            await earlier.save([same])
        account.activity = 7
        await store.save([account])

    with pytest.raises(Stale) as refused:
        await books.database.in_transaction(open_after_another)
    assert verdict_of(refused.value) is Verdict.STALE  # nothing is set aside for it

    async with books.database.transaction() as tx:
        _, account = await opened(books, tx)
        assert (account.activity, account.is_new) == (1, False)


async def test_who_is_opened_and_changed_again_in_one_transaction_is_one_row(books: Books) -> None:
    async with books.database.transaction() as tx:
        store, account = await opened(books, tx)
        account.activity = 1
        await store.save([account])
        store, again = await opened(books, tx)
        assert (again.activity, again.is_new) == (1, False)
        register(again)
        await store.save([again])
    async with books.database.transaction() as tx:
        rows = (await tx.run(text("SELECT member_id, activity, active FROM account"))).all()
    assert [tuple(row) for row in rows] == [(MEMBER, 1, True)]
