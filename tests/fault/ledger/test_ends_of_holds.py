"""A hold ends once, whoever else wants to end it.

INVARIANT: exactly one of capture, void and expiry takes effect, everybody else is told which, and every point is then spent or free.
What would break it: an end that is decided by a hold read before the account was locked.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from laurel_kit.postgres import Transaction
from points_svc.handlers.expire_holds import expire_holds
from points_svc.store import PointsStore
from tests.fault.ledger.callers import until_answered
from tests.fault.ledger.laying import Laid, lay
from tests.fault.ledger.test_overspending import LATER, NOW, url_of
from tests.fault.report import record, seed_of
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.till import Checkout, open_checkout

pytestmark = pytest.mark.fault

SEED = 509
ROUNDS_ENOUGH = 1_000
MOMENT = timedelta(microseconds=1)
AT_ONCE = 8  # rounds side by side, each on a member of its own
CONNECTIONS = 4 * AT_ONCE  # nobody is turned away for want of one


async def test_of_a_hundred_captures_of_one_hold_one_has_an_effect(books: Books) -> None:
    """T-L08: half of them want all of it, the others less."""
    began = time.monotonic()
    await lay(url_of(books), [(MEMBER, [Laid(1, 100, LATER)])])
    async with open_checkout(books, NOW) as till:
        hold = await till.held(50)

        async def capture(n: int) -> httpx.Response:
            return await until_answered(till, f"/v1/holds/{hold}/capture", {"points": 50 - n % 5} if n % 2 else {})

        answers = await asyncio.gather(*(capture(n) for n in range(100)))
        kinds = Counter(
            "replayed" if answer.headers.get("Idempotent-Replayed") else str(answer.status_code) for answer in answers
        )
        won = next(a.json() for a in answers if a.status_code == 200 and not a.headers.get("Idempotent-Replayed"))
        bodies = {answer.content for answer in answers if answer.status_code == 200}
        figures = await till.figures()
        broken = await books.broken()
    spent = 100 - won["captured"]
    is_held = (
        kinds["200"] == 1
        and kinds.keys() <= {"200", "replayed", "409"}
        and len(bodies) == 1
        and figures == (spent, 0, 0, spent)
    )
    figure = f"100 captures: {kinds['200']} effect, {kinds['replayed']} replayed, {kinds['409']} refused, {len(bodies)} distinct body"
    record("T-L08", figure, "1 effect; others replay or 409", is_held and not broken, None, time.monotonic() - began)
    assert is_held, (kinds, figures)
    assert not broken


async def race(till: Checkout, member: UUID, rng: random.Random) -> str:
    """One round: how the hold ended."""
    points = rng.randint(1, 90)
    hold = await till.held(points, member, seconds=60)
    ends = NOW + timedelta(seconds=60)

    async def sweep() -> str:
        async def work(tx: Transaction) -> int:
            return await expire_holds(ends, PointsStore(tx, till.books.shelf), 1_000)

        await till.database.in_transaction(work)
        return "swept"

    async def end(act: str) -> str:
        answer = await until_answered(till, f"/v1/holds/{hold}/{act}", {})
        return act if answer.status_code == 200 else f"{act}: {answer.json()['type']}"

    acts = [end("capture"), end("void"), sweep()]
    rng.shuffle(acts)
    said = [one for one in await asyncio.gather(*acts) if one != "swept"]
    seen = await till.see(f"/v1/holds/{hold}")
    posted, held, _, available = await till.figures(member)
    won = {"captured": "capture", "voided": "void", "expired": None}[seen["state"]]
    losers = {f"{act}: hold_{seen['state']}" for act in ("capture", "void") if act != won}
    assert set(said) == losers | ({won} if won else set()), (said, seen)
    left = 100 - points if won == "capture" else 100
    assert (posted, held, available) == (left, 0, left)
    return str(seen["state"])


async def races(books: Books, rounds: int) -> None:
    """T-L09: the till's clock stands just before the end of all holds, the sweeper's at it."""
    seed = seed_of("T-L09", SEED)
    began = time.monotonic()
    rng = random.Random(seed)
    members = [UUID(int=n + 1) for n in range(rounds)]
    await lay(url_of(books), [(member, [Laid(1, 100, LATER)]) for member in members])
    ended: Counter[str] = Counter()
    async with open_checkout(books, NOW, pool_size=CONNECTIONS) as till:
        for start in range(0, rounds, AT_ONCE):
            some = members[start : start + AT_ONCE]
            ended.update(await asyncio.gather(*(race(till, member, random.Random(rng.random())) for member in some)))
        broken = await books.broken()
    every = set(ended) == {"captured", "voided", "expired"}  # in a few rounds one of them may win none
    is_held = not broken and ended.total() == rounds and (every or rounds < ROUNDS_ENOUGH)
    figure = (
        f"{rounds} rounds: {', '.join(f'{n} {state}' for state, n in sorted(ended.items()))}; points conserved in each"
    )
    record("T-L09", figure, "one terminal state each; points conserved", is_held, seed, time.monotonic() - began)
    assert is_held, (ended, broken)


async def test_capture_void_and_expiry_race_and_one_of_them_ends_the_hold(books: Books) -> None:
    """T-L09: 100 rounds."""
    await races(books, 100)


@pytest.mark.long
@pytest.mark.full
async def test_capture_void_and_expiry_race_ten_thousand_times(books: Books) -> None:
    """T-L09: 10,000 rounds."""
    await races(books, 10_000)


async def test_past_its_end_no_capture_is_granted_though_nobody_sweeps(books: Books) -> None:
    """T-L10: at the end, a moment after and long after; a moment before it is granted."""
    began = time.monotonic()
    rounds = 40
    await lay(url_of(books), [(UUID(int=n + 1), [Laid(1, 100, LATER)]) for n in range(rounds)])
    answers: Counter[str] = Counter()
    async with open_checkout(books, NOW) as till:
        for n in range(rounds):
            till.clock.at = NOW
            late, soon = [await till.held(30, UUID(int=n + 1), seconds=60) for _ in range(2)]
            till.clock.at = NOW + timedelta(seconds=60) - MOMENT
            answers[f"before {(await till.capture(soon)).status_code}"] += 1
            for wait in (MOMENT, MOMENT, timedelta(days=1 + n)):
                till.clock.move(wait)
                answer = await till.capture(late)
                answers[f"after {answer.status_code} {answer.json()['type']}"] += 1
        broken = await books.broken()
    is_held = answers == {"before 200": rounds, "after 409 hold_expired": 3 * rounds} and not broken
    figure = (
        f"{3 * rounds} captures at or past the end: {answers['after 409 hold_expired']} refused;"
        f" {answers['before 200']} of {rounds} granted 1 µs before"
    )
    record("T-L10", figure, "refused 100 %", is_held, None, time.monotonic() - began)
    assert is_held, (answers, broken)
