"""One idempotency key, asked two thousand times at once (reliability.md 3.4).

INVARIANT: a key does something once and is answered once, whoever asks and however often.
What would break it: a key that is looked up before it is claimed; an answer kept in another transaction than the work.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from tests.fault.ledger.callers import all_at_once
from tests.fault.ledger.laying import Laid, lay
from tests.fault.ledger.test_overspending import LATER, NOW, url_of
from tests.fault.report import record
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.till import open_checkout

pytestmark = pytest.mark.fault

KEY = "one-key-for-everybody"
REFUSED = "one-key-that-is-refused"
REQUESTS, CLIENTS = 2_000, 64


async def test_two_thousand_requests_under_one_key_move_the_balance_once(books: Books) -> None:
    """T-L11: then another body, a refusal that stays, and the same key after seven days."""
    began = time.monotonic()
    await lay(url_of(books), [(MEMBER, [Laid(1, 1_000, LATER)])])
    answers: list[httpx.Response] = []
    async with open_checkout(books, NOW) as till:

        async def ask() -> None:
            answers.append(await till.spend(30, key=KEY))

        await all_at_once([ask] * REQUESTS, CLIENTS)
        kinds = Counter(
            "replayed"
            if a.headers.get("Idempotent-Replayed")
            else f"{a.status_code} {a.json().get('type', '')}".strip()
            for a in answers
        )
        bodies = {answer.content for answer in answers if answer.status_code == 201}
        once = await till.figures()
        other = await till.spend(31, key=KEY)
        sticky = [await till.spend(2_000, key=REFUSED)]
        await asyncio.gather(*(till.spend(1) for _ in range(3)))
        sticky.append(await till.spend(2_000, key=REFUSED))
        till.clock.move(timedelta(days=7))
        old = await till.spend(30, key=KEY)
        broken = await books.broken()
    busy = kinds["503 busy"] + kinds["503 database_busy"]
    is_held = (
        kinds["201"] == 1
        and kinds["201"] + kinds["replayed"] + kinds["409 request_in_flight"] + busy == REQUESTS
        and len(bodies) == 1
        and once == (970, 0, 0, 970)
        and (other.status_code, other.json()["type"]) == (422, "idempotency_key_reused")
        and sticky[0].content == sticky[1].content
        and (old.status_code, old.json()["type"]) == (409, "already_exists")
        and not broken
    )
    figure = (
        f"{REQUESTS} requests: {kinds['201']} effect, {kinds['replayed']} replayed, {kinds['409 request_in_flight']} still running,"
        f" {len(bodies)} distinct body; other body {other.status_code}; refusal sticky; after 7 days {old.status_code}"
    )
    record("T-L11", figure, "1 effect, 1 body; 422; sticky; 409", is_held, None, time.monotonic() - began)
    assert is_held, (kinds, once, other.text, old.text, broken)
