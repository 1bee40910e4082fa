"""Many who spend the same points at once.

INVARIANT: what is granted was there; what each caller is told fits one order of all that happened to the member, and that order is the
ledger's.
What would break it: a balance that is read before the account is locked; points counted as free that another hold has taken.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.fault.ledger.callers import all_at_once, until_answered
from tests.fault.ledger.laying import Laid, lay
from tests.fault.report import record, seed_of
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.till import Checkout, open_checkout
from tests.support.shop import Deadline

pytestmark = pytest.mark.fault

NOW = datetime(2025, 4, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
SEED = 502
CLIENTS = 16  # each has a connection: nobody is turned away for want of one


def url_of(books: Books) -> str:
    return books.database.url.render_as_string(hide_password=False)


async def redemptions(books: Books, requests: int, each: int, there: int) -> None:
    """T-L01: exactly as many are granted as there is for."""
    began = time.monotonic()
    await lay(url_of(books), [(MEMBER, [Laid(1, there, LATER)])])
    answers: Counter[int] = Counter()
    async with open_checkout(books, NOW, pool_size=CLIENTS) as till:

        async def spend() -> None:
            answers[(await till.spend(each)).status_code] += 1

        await all_at_once([spend] * requests, CLIENTS)
        posted, held, debt, available = await till.figures()
        broken = await books.broken()
    wanted = Counter({201: there // each, 409: requests - there // each})
    held_true = (
        answers == wanted and (posted, held, debt, available) == (there % each, 0, 0, there % each) and not broken
    )
    others = answers.total() - answers[201] - answers[409]
    figure = (
        f"{requests} requests: {answers[201]} granted, {answers[409]} refused, {posted} left, other answers {others}"
    )
    record(
        "T-L01",
        figure,
        f"{there // each} granted, {there % each} left, 0 5xx",
        held_true,
        None,
        time.monotonic() - began,
    )
    assert held_true, (answers, posted, broken)


async def test_a_thousand_redemptions_of_30_on_10_000_leave_10(books: Books) -> None:
    """T-L01: a tenth of the catalogue's size."""
    await redemptions(books, 1_000, 30, 10_000)


@pytest.mark.long
@pytest.mark.full
async def test_ten_thousand_redemptions_of_30_on_100_000_leave_10(books: Books) -> None:
    """T-L01: 3,333 are granted."""
    await redemptions(books, 10_000, 30, 100_000)


async def test_the_sixth_hold_of_1000_on_5000_is_refused(books: Books) -> None:
    """T-L07: one after another and all at once; and what is given up can be held again."""
    await lay(url_of(books), [(MEMBER, [Laid(1, 5_000, LATER)]), (UUID(int=2), [Laid(1, 5_000, LATER)])])
    async with open_checkout(books, NOW) as till:
        answers = [(await till.hold(1_000)).status_code for _ in range(6)]
        assert answers == [201] * 5 + [409]
        at_once = await asyncio.gather(*(till.hold(1_000, UUID(int=2)) for _ in range(6)))
        assert sorted(answer.status_code for answer in at_once) == [201] * 5 + [409]
        first = next(answer.json()["hold_id"] for answer in at_once if answer.status_code == 201)
        assert (await till.void(first)).status_code == 200
        assert (await till.hold(1_000, UUID(int=2))).status_code == 201
        assert await till.figures(UUID(int=2)) == (5_000, 5_000, 0, 0)
        assert await books.broken() == {}


# Holds, captures and voids by many clients on few accounts


@dataclass
class Said:
    """What a caller was told, when he asked and when he heard."""

    asked: float
    heard: float
    place: int  # the entry that did it, or the last one when it was refused
    act: str
    points: int
    hold_id: str = ""
    available: int = -1  # as a refusal says


@dataclass
class Hot:
    """What callers know of one account."""

    member: UUID
    open: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


async def act_at_random(till: Checkout, hot: Hot, rng: random.Random, answers: Counter[int]) -> None:
    asked = time.monotonic()
    choice = rng.random()
    if choice < 0.4 or not hot.open:
        points = rng.randint(1, 400)
        answer = await until_answered(till, f"/v1/members/{hot.member}/holds", {"points": points}, answers)
        body = answer.json()
        if answer.status_code == 201:
            hot.open.append(body["hold_id"])
            hot.said.append(Said(asked, time.monotonic(), -1, "hold", points, body["hold_id"]))
        else:
            assert body["type"] == "insufficient_points", body
            hot.said.append(
                Said(asked, time.monotonic(), body["entry"], "refused", points, available=body["available"])
            )
        return
    hold_id = rng.choice(hot.open)  # somebody else may be ending it at the same time
    act = "capture" if choice < 0.6 else "void"
    answer = await until_answered(till, f"/v1/holds/{hold_id}/{act}", {}, answers)
    if hold_id in hot.open:
        hot.open.remove(hold_id)
    body = answer.json()
    if answer.status_code == 200 and "Idempotent-Replayed" not in answer.headers:
        hot.said.append(Said(asked, time.monotonic(), -1, act, body["points"], hold_id))
    else:
        assert answer.status_code in (200, 409), body


def out_of_order(hot: Hot, entries: list[dict[str, Any]]) -> list[str]:
    """What no order of the ledger explains. `entries`: the statement, oldest first."""
    problems = []
    last_of: dict[str, int] = {}
    available = [0]
    holds: dict[str, int] = {}
    for entry in entries:
        last_of[entry["cause"]] = entry["entry"]
        moved = entry["amount"] * ((entry["to"] == "available") - (entry["from"] == "available"))
        available.append(available[-1] + moved)
        if entry["kind"] == "reserved":
            holds[entry["cause"].removeprefix("hold ")] = entry["amount"]
    if min(available) < 0:
        problems.append(f"{hot.member}: available falls to {min(available)}")
    for said in hot.said:
        if said.act == "refused":
            if available[said.place] != said.available or said.points <= said.available:
                problems.append(f"refused {said.points} with {said.available}; the ledger has {available[said.place]}")
        else:
            said.place = last_of.get(f"{said.act} {said.hold_id}", -1)
            if said.place < 0 or holds.get(said.hold_id) != said.points:
                problems.append(f"{said.act} {said.hold_id} was granted and is not in the ledger")
    # Real time: whoever had heard before another asked comes before him.
    heard = sorted(hot.said, key=lambda said: said.heard)
    latest, n = 0, 0
    for said in sorted(hot.said, key=lambda said: said.asked):
        while n < len(heard) and heard[n].heard < said.asked:
            latest = max(latest, heard[n].place)
            n += 1
        if said.place < latest or (said.act != "refused" and said.place == latest and latest):
            problems.append(f"{said.act} at entry {said.place} was asked after entry {latest} had been answered")
    return problems


async def hot_accounts(books: Books, clients: int, seconds: float) -> None:
    """T-L02: every answer has its place in one order per member."""
    seed = seed_of("T-L02", SEED)
    began = time.monotonic()
    hots = [Hot(UUID(int=n)) for n in range(1, 11)]
    await lay(url_of(books), [(hot.member, [Laid(1, 1_000_000, LATER)]) for hot in hots[:5]])
    # Half of them have little, so that refusals race with what is given up.
    await lay(url_of(books), [(hot.member, [Laid(1, 2_000, LATER)]) for hot in hots[5:]])
    answers: Counter[int] = Counter()
    async with open_checkout(books, NOW) as till:
        until = Deadline(seconds)

        async def client(n: int) -> None:
            rng = random.Random(seed * 1000 + n)
            while not until.passed():
                await act_at_random(till, rng.choice(hots), rng, answers)

        await asyncio.gather(*(client(n) for n in range(clients)))
        problems: list[str] = []
        for hot in hots:
            problems += out_of_order(hot, await whole_statement(till, hot.member))
        broken = await books.broken()
    acts = Counter(said.act for hot in hots for said in hot.said)
    is_held = not problems and not broken and answers[500] == 0 and min(acts.values()) > 0 and len(acts) == 4
    figure = (
        f"{clients} clients, 10 accounts, {seconds:.0f} s: {acts['hold']} holds, {acts['capture']} captures, {acts['void']} voids,"
        f" {acts['refused']} refusals, {len(problems)} out of order, {answers[503]} asked to come again, {answers[500]} 500s"
    )
    record("T-L02", figure, "history linearizable per member; 000", is_held, seed, time.monotonic() - began)
    assert is_held, (figure, problems[:5], broken)


async def whole_statement(till: Checkout, member: UUID) -> list[dict[str, Any]]:
    """All entries, oldest first."""
    pages: list[dict[str, Any]] = []
    before = ""
    while True:
        page = await till.see(f"/v1/members/{member}/statement?limit=1000{before}")
        pages += page["items"]
        if page["next"] is None:
            return pages[::-1]
        before = f"&before={page['next']}"


@pytest.mark.alone  # all that can be answered must have been within its seconds
async def test_every_answer_on_hot_accounts_has_its_place_in_the_ledger(books: Books) -> None:
    """T-L02: 40 clients, 4 s."""
    await hot_accounts(books, 40, 4)


@pytest.mark.long
@pytest.mark.full
async def test_every_answer_on_hot_accounts_has_its_place_in_the_ledger_for_a_minute(books: Books) -> None:
    """T-L02: 200 clients, 60 s."""
    await hot_accounts(books, 200, 60)


def test_the_check_of_the_order_can_fail() -> None:
    """T-L02 (control): a refusal with enough there, a grant that is not in the ledger, and an answer from the past are all noticed."""
    hot = Hot(MEMBER)
    entries = [
        {"entry": 1, "cause": "award 1", "kind": "awarded", "amount": 10, "from": "issuance", "to": "available"},
        {"entry": 2, "cause": "hold a", "kind": "reserved", "amount": 4, "from": "available", "to": "held"},
        {"entry": 3, "cause": "hold b", "kind": "reserved", "amount": 4, "from": "available", "to": "held"},
    ]
    told: dict[str, list[Said]] = defaultdict(list)
    told["fits"] = [
        Said(0, 1, -1, "hold", 4, "a"),
        Said(2, 3, -1, "hold", 4, "b"),
        Said(4, 5, 3, "refused", 3, available=2),
    ]
    told["stale refusal"] = [Said(0, 1, -1, "hold", 4, "b"), Said(2, 3, 1, "refused", 11, available=10)]
    told["refused though there"] = [Said(0, 1, 3, "refused", 2, available=2)]
    told["nowhere"] = [Said(0, 1, -1, "hold", 4, "c")]
    told["turned round"] = [Said(0, 1, -1, "hold", 4, "b"), Said(2, 3, -1, "hold", 4, "a")]
    found = {}
    for name, said in told.items():
        hot.said = said
        found[name] = bool(out_of_order(hot, entries))
    assert found == {name: name != "fits" for name in told}
