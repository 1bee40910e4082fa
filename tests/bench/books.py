"""What must be true after every run, or its figure is worth nothing: the books prove themselves, what was said is what was posted, nothing
was said twice, and the sums are those that were counted without us. A fast wrong run fails here."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, Event
from laurel_contracts.points import PointsPosted
from laurel_kit.postgres import Database
from points_svc.store.proof import trial_balance
from tests.bench.purchases import Expected
from tests.bench.stage import Ends, Stage

TOTALS = """
SELECT (SELECT coalesce(sum(activity), 0)::bigint FROM account) AS events,
       (SELECT count(*) FROM account WHERE activity > 0) AS members,
       (SELECT coalesce(sum(amount_minor), 0)::bigint FROM purchase WHERE seq > 0) AS amount_minor,
       (SELECT coalesce(sum(net), 0)::bigint FROM purchase WHERE seq > 0) AS points,
       (SELECT coalesce(sum(amount_minor / 100), 0)::bigint FROM purchase WHERE seq > 0) AS points_counted_here,
       (SELECT count(*) FROM transfer t WHERE t.lot > 0) AS statements,
       (SELECT count(*) FROM purchase WHERE seq > 0) AS purchases,
       (SELECT count(*) FROM dead_letter) AS dead_letters,
       (SELECT count(*) FROM outbox) AS unsaid
"""
POSTED = "SELECT member_id, posted FROM account WHERE activity > 0"
_posted = msgspec.json.Decoder(Event[PointsPosted]).decode


class WrongBooks(AssertionError):
    """A run has come to a wrong result."""


def demand(what: str, found: Any, wanted: Any) -> None:
    """Equal, or the run is wrong."""
    if found != wanted:
        raise WrongBooks(f"{what}: {found}, and not {wanted}")


async def check_points(
    stage: Stage, database: str, before: Ends, *, expected: Expected | None = None, prove: bool = True
) -> int:
    """The books of points-svc after a run, and what was said from `before` on. `expected`: of the whole stream, when all of it was read.
    Returns the number of distinct events."""
    connection = await asyncpg.connect(stage.dsn(database))
    try:
        totals = dict(await connection.fetchrow(TOTALS))
        posted = {row["member_id"]: row["posted"] for row in await connection.fetch(POSTED)}
    finally:
        await connection.close()
    demand("dead letters", totals["dead_letters"], 0)
    demand("rows left in the outbox", totals["unsaid"], 0)
    demand("orders", totals["purchases"], totals["events"])
    demand("points of orders", totals["points"], totals["points_counted_here"])
    if expected is not None:
        found = Expected(*(totals[name] for name in ("events", "members", "amount_minor", "points", "statements")))
        demand("the whole stream", found, expected)
    await _check_said(stage, before, totals["statements"], posted)
    if prove:
        await _prove(stage, database)
    return int(totals["events"])


async def _check_said(stage: Stage, before: Ends, statements: int, posted: dict[Any, int]) -> None:
    """Published = posted; none twice; in the order of their numbers; the last of each member is what his account holds."""
    ids: set[bytes] = set()
    numbers: dict[bytes, int] = {}
    last: dict[Any, int] = {}
    count = 0
    async for record in stage.said_since(before, await stage.ends(before.topic)):
        headers = dict(record.headers)
        ids.add(headers[HEADER_ID])
        number = int(headers[HEADER_NUMBER])
        demand(f"the number after {numbers.get(record.key)}", number, numbers.get(record.key, number - 1) + 1)
        numbers[record.key] = number
        event = _posted(record.value)
        last[event.subject] = event.data.posted
        count += 1
    demand("statements said", count, statements)
    demand("distinct statements", len(ids), count)
    wrong = {member: points for member, points in last.items() if posted.get(member) != points}
    demand("members whose last statement is not their balance", len(wrong), 0)


async def _prove(stage: Stage, database: str) -> None:
    """Σ transfers = 0, balances = lots, and all other invariants of the ledger."""
    books = Database(stage.dsn(database), application_name="bench", pool_size=1)
    try:
        async with books.auditing() as tx:
            proof = await trial_balance(tx)
    finally:
        await books.close()
    demand("the sum of all accounts", proof["sum"], 0)
    demand("broken invariants", {name: n for name, n in proof["invariants"].items() if n}, {})
