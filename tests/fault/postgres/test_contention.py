"""Errors that pass by themselves (40001, 40P01, 55P03), raised by the server at one in twenty of the statements that can meet another
transaction: those that write or lock.

INVARIANT: whoever meets another transaction is done again as a whole, at most five times; nothing is lost, doubled or set aside.
What would break it: a retry of the statement alone, of a transaction whose commit may have happened, or without end.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from laurel_kit.failures import CONTENTION_ATTEMPTS_MAX, Verdict, verdict_of
from laurel_kit.postgres import Database
from tests.fault.postgres.bank import Bank, fetch, member, open_bank
from tests.fault.report import record, seed_of, sized
from tests.integration.points_svc.books import Books, told
from tests.unit.points_svc.script import SHANGHAI, Script

SEED = 6
SHARE = 0.05
STATES = ("40001", "40P01", "55P03")
CLIENTS = 6
MEETS_OTHERS = re.compile(r"^\s*(INSERT|UPDATE|DELETE)|FOR (NO KEY )?UPDATE", re.IGNORECASE)
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'injected by a test' USING ERRCODE = '{}'; END $$"
EVENTS = 1_000
EVENTS_PER_BATCH = 10


class Injecting:
    """Replaces a share of the statements of a database by one that the server refuses; the transaction is aborted for good."""

    def __init__(self, database: Database, seed: int) -> None:
        self.rng = random.Random(seed)
        self.statements = 0
        self.injected = 0
        self.share = SHARE
        event.listen(database.engine.sync_engine, "before_cursor_execute", self._replace, retval=True)

    def _replace(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        if not MEETS_OTHERS.search(statement):
            return statement, parameters
        self.statements += 1
        if self.rng.random() >= self.share:
            return statement, parameters
        self.injected += 1
        return RAISE.format(self.rng.choice(STATES)), ()


async def spend_and_look(bank: Bank, numbers: range, rng: random.Random) -> Counter[int]:
    """One client: looks at a balance, then spends, again and again; every first answer counts."""
    answers: Counter[int] = Counter()
    for n in numbers:
        who = member(rng.randrange(bank.members))
        answers[(await bank.client.get(f"/v1/members/{who}/balance")).status_code] += 1
        first = await bank.ask(f"contended-{n:010d}", who, 1 + n % 5)
        answers[first.status_code] += 1
        if first.status_code != 201:
            assert (await bank.spend(f"contended-{n:010d}", who, 1 + n % 5)).status_code == 201
    return answers


async def clients_under_contention(url: str, spendings: int) -> None:
    seed = seed_of("T-P06", SEED)
    began = time.monotonic()
    async with open_bank(url, members=60) as bank:
        injecting = Injecting(bank.database, seed)
        each = spendings // CLIENTS
        work = (spend_and_look(bank, range(c * each, (c + 1) * each), random.Random(seed + c)) for c in range(CLIENTS))
        answers = sum(await asyncio.gather(*work), Counter())
        injecting.share = 0.0
        problems = await bank.differences()
        failed = answers.total() - answers[200] - answers[201]
        rate = failed / answers.total()
        held = not problems and rate < 0.001 and answers[500] == 0 and injecting.injected > spendings / 10
        figure = (
            f"{answers.total()} requests, {injecting.injected} errors injected at {injecting.statements} statements:"
            f" {failed} answered 503 ({rate:.3%}), {answers[500]} 500s, {len(problems)} differences"
        )
        bar = f"000; retries ≤ {CONTENTION_ATTEMPTS_MAX - 1}; errors to clients < 0.1 %"
        record("T-P06", figure, bar, held, seed, time.monotonic() - began)
        assert held, (figure, answers, problems[:5])


async def read_on(books: Books, records: list[Any]) -> int:
    """As the loop does it: a batch whose retries did not help comes again. Returns how often that was."""
    placed, again = books.place(records), 0
    while True:
        try:
            await books.applier.apply(placed)
        except DBAPIError as error:
            if verdict_of(error) is not Verdict.CONTENTION:
                raise
            again += 1
        else:
            return again


@pytest.mark.fault
async def test_batches_that_meet_others_are_applied_once(empty_url: str) -> None:
    """T-P06: the consume loop's side; 1,000 events in batches of 10, and nothing is set aside."""
    seed = seed_of("T-P06", SEED)
    began = time.monotonic()
    async with open_bank(empty_url, members=1) as bank:
        books, script = bank.books, Script()
        script.register()
        injecting = Injecting(books.database, seed)
        for n in range(EVENTS - 1):
            script.buy(1_000, f"o{n}")
        activities = [told(step, member(7), SHANGHAI) for step in script.steps]  # type: ignore[arg-type]
        again = 0
        for start in range(0, EVENTS, EVENTS_PER_BATCH):
            again += await read_on(books, activities[start : start + EVENTS_PER_BATCH])
        injecting.share = 0.0
        posted = (await fetch(empty_url, "SELECT posted FROM account WHERE member_id = $1", member(7)))[0]["posted"]
        dead = (await fetch(empty_url, "SELECT count(*) AS n FROM dead_letter"))[0]["n"]
        broken = await books.broken()
        held = (posted, dead, broken) == ((EVENTS - 1) * 10, 0, {}) and injecting.injected > 10
        figure = (
            f"{EVENTS} events, {injecting.injected} errors injected: {posted} points of {(EVENTS - 1) * 10}, {dead} dead"
            f" letters, {again} batches came again"
        )
        record("T-P06", figure, "000; dead letters 0", held, seed, time.monotonic() - began)
        assert held, (figure, broken)


@pytest.mark.fault
@pytest.mark.long
async def test_clients_hardly_notice_one_in_twenty_statements_that_meet_another(empty_url: str) -> None:
    """T-P06: HTTP; 3,000 spendings and as many looks at a balance."""
    await clients_under_contention(empty_url, 3_000)


@pytest.mark.nightly
@pytest.mark.long
async def test_clients_hardly_notice_it_over_40_000_requests(empty_url: str) -> None:
    """T-P06: HTTP; 20,000 spendings and as many looks at a balance."""
    await clients_under_contention(empty_url, sized(20_000))
