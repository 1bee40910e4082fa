"""Points that wait for their order's confirmation on a real PostgreSQL: balance, explanation, replay, rebuild and trial balance know it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from points_svc.handlers.explain_entry import explain_cause
from points_svc.handlers.show_account import show_balance
from points_svc.handlers.verify_ledger import verify_members
from points_svc.main import say_all_again
from points_svc.store.proving import ProofStore
from tests.integration.points_svc.books import MEMBER, Books, stood, told
from tests.unit.points_svc.script import SHANGHAI, Activity, Fact, Script, local, programme

AT = local(SHANGHAI, 2025, 3, 3, 12)
DAY = timedelta(days=1)


async def test_a_confirmed_order_can_be_spent_from_and_everything_says_why(books: Books) -> None:
    """INVARIANT: pending points become available by the confirmation alone, once, also those that a late standing adds; balance, statement,
    explanation, what is said again, rebuild and trial balance agree. A lot changed in place would be said differently the second time."""
    s = Script(programme=programme(activation="event"))
    s.register()
    s.buy(10_000, "o1", at=AT)
    s.buy(5_000, "o2", at=AT + DAY)
    s.buy(50, "o3", at=AT + DAY)  # earns nothing yet
    s.spend(10, now=AT + DAY)
    s.confirm("o1", AT + 2 * DAY)
    s.confirm("o3", AT + 2 * DAY)
    s.stand("diamond", after=0)  # late: everything doubles
    s.spend(150, now=AT + 3 * DAY)
    s.refund("o1", amount=5_000, at=AT + 4 * DAY)
    outcome = await books.play(s)
    assert outcome.spendings == ("insufficient_points", "spent")
    assert outcome.nets == {"o1": 100, "o2": 100, "o3": 1}
    assert (outcome.posted, outcome.debt) == (51, 0)  # the refund has taken 50 of o1 and 50 of o2, which waits still
    assert await books.broken() == {}
    async with books.database.reading() as tx:
        balance = await show_balance(MEMBER, AT + 5 * DAY, books.store(tx))
        why = await explain_cause(MEMBER, "activity 5", books.store(tx))
        nothing = await explain_cause(MEMBER, "activity 6", books.store(tx))
    assert balance is not None
    assert (balance["available"], balance["pending"]) == (1, 50)
    assert why is not None
    assert nothing is not None
    assert [(entry["kind"], entry["points"], entry["rule"]) for entry in why["entries"]] == [
        ("activated", -100, "confirmation"), ("activated", 100, "confirmation"),
    ]  # fmt: skip
    assert why["entries"][1]["to_lot"]["available_at"] == AT + 2 * DAY
    assert "Order o1 was confirmed: 100 points" in why["entries"][0]["sentences"][0]
    assert nothing["sentences"][1] == "Order o3 was confirmed, but nothing of it waits."
    said = sorted(str(one) for one in await books.said())
    async with books.database.transaction() as tx:
        await tx.run(text("DELETE FROM outbox"))
    await say_all_again(books.database, books.shelf, None)
    assert sorted(str(one) for one in await books.said()) == said
    async with books.database.auditing() as tx:
        proof = await verify_members(None, 10, ProofStore(tx))
    assert proof["breaks"] == []


async def test_an_order_that_is_confirmed_in_the_batch_that_brings_it_is_confirmed(books: Books) -> None:
    """INVARIANT: where a batch is cut makes no difference: what a late standing adds to a confirmed order is available at once, also where
    the order and its confirmation were read together. A confirmation that only a later batch wrote left such points waiting until they
    expired."""
    s = Script(programme=programme(activation="event"))
    s.register()
    s.buy(50, "o1", at=AT)  # earns nothing yet, so nothing of it moves when it is confirmed
    s.confirm("o1", AT + DAY)
    s.stand("diamond", after=0)
    await books.load(s.programme)
    await books.apply([told(step, MEMBER, SHANGHAI) for step in s.steps if isinstance(step, Activity)])
    await books.apply([stood(step, MEMBER) for step in s.steps if isinstance(step, Fact)])
    async with books.database.reading() as tx:
        balance = await show_balance(MEMBER, AT + 2 * DAY, books.store(tx))
    assert balance is not None
    assert (balance["available"], balance["pending"]) == (1, 0)
    assert await books.broken() == {}
